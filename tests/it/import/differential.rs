//! The real nginx with the source and ianitor with what became of it, before the same servers: each
//! request gets the same answer, or the difference stands in the report. What nginx refuses reaches
//! no server.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ianitor::import::Report;
use rustls::RootCertStore;

use super::requests::{Asked, requests};
use super::{SOURCES, source, translate};
use crate::harness::upstream::Request;
use crate::harness::{Client, Dial, TestGateway, Then, Upstream, eventually};

/// Of each file.
const REQUESTS: usize = 400;

/// nginx in the foreground.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Came {
    status: u16,
    location: String,
    /// The server that has answered, and what it was sent.
    reached: Option<String>,
}

impl Came {
    /// What is left to compare where parts of it are known to differ.
    fn without(&self, parts: &[&str]) -> Self {
        let reached = self.reached.as_ref().map(|text| {
            let words = text.to_lowercase();
            let words = words.split(' ').enumerate();
            let kept = words.filter(|(at, word)| {
                parts.iter().all(|part| match *part {
                    "server" => *at > 0,
                    part => !word.starts_with(part),
                })
            });
            kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        });
        Self {
            reached,
            ..self.clone()
        }
    }
}

#[test]
fn nginx_and_the_gateway_answer_alike_or_the_report_says_how() {
    let failed: Vec<String> = std::thread::scope(|threads| {
        let all = SOURCES.map(|name| threads.spawn(move || compare(name)));
        all.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Differences that the report does not have.
fn compare(name: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    pages(folder.path());
    let text = in_folder(&source(name), folder.path());
    let imported = translate(name, &text).unwrap();
    let servers = servers(&text);
    let port = free_port();
    let _nginx = nginx(
        &redirected(&http_part(&text), &servers),
        port,
        folder.path(),
    );
    let hosts = hosts(&text);
    let toml = local(&redirected(&imported.toml, &servers), &hosts);
    let gateway = TestGateway::start_text(&toml);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut sides = [Side::new(address), Side::new(gateway.https())];
    let mut failed = Vec::new();
    for asked in requests(&text, &hosts, REQUESTS) {
        let [nginx, ours] = sides.each_mut().map(|side| side.ask(&asked));
        if matches!(nginx.status, 401 | 403) && ours.reached.is_some() {
            failed.push(format!("{name}: OPENED {asked:?}: {nginx:?} {ours:?}"));
        }
        if nginx != ours && !is_reported(&imported.report, &asked, &nginx, &ours) {
            failed.push(format!(
                "{name}: {asked:?}:\n    nginx {nginx:?}\n    ours  {ours:?}"
            ));
        }
    }
    failed
}

/// Whether a difference stands in the report: each kind explains one sort of it, and no more.
fn is_reported(report: &Report, asked: &Asked, nginx: &Came, ours: &Came) -> bool {
    let path = asked.decoded();
    let is_under = |folder: &str| {
        let folder = folder.trim_end_matches('/');
        path == folder || path.starts_with(&format!("{folder}/"))
    };
    let is_same = |parts: &[&str]| nginx.without(parts) == ours.without(parts);
    // A request may differ in several parts, each of which the report has.
    let parts: Vec<&str> = report
        .differences()
        .filter_map(|(key, _)| {
            let (kind, at) = key.split_once(' ')?;
            let part = match kind {
                "host-header" => "host=",
                "header" => "x-",
                "cookies" => "cookie=",
                "balance" => "server",
                _ => return None,
            };
            is_under(at).then_some(part)
        })
        .collect();
    if !parts.is_empty() && is_same(&parts) {
        return true;
    }
    let reach_none = nginx.reached.is_none() && ours.reached.is_none();
    // Whether the gateway looks for a file, or keeps the request out.
    let is_kept = ours.reached.is_none() && matches!(ours.status, 403 | 404);
    report.differences().any(|(key, _)| {
        let (kind, at) = key.split_once(' ').unwrap_or((key, ""));
        match kind {
            "ambiguous-paths" => ours.status == 400 && asked.is_ambiguous(),
            "other-hosts" => !asked.is_known_host && matches!(ours.status, 404 | 421),
            "one-spelling" => asked.is_encoded() && nginx.status == ours.status,
            "host-spelling" => is_same(&[]),
            "no-route" => (nginx.status, ours.status) == (405, 404),
            "prefix" => path.starts_with(at) && !is_under(at),
            "below" => is_under(at) && path != at,
            "slash" => path == at,
            "closed" => is_kept && is_under(at),
            "pattern" => path.starts_with(at),
            "root-alone" => path == "/",
            "challenges" => path.starts_with("/.well-known"),
            "query" => is_under(at) && nginx.status == ours.status && asked.has_query(),
            "redirect-rest" => is_under(at) && reach_none && nginx.status == ours.status,
            "deep-links" => is_under(at) && reach_none && (nginx.status, is_kept) == (200, true),
            "index" => is_under(at) && reach_none,
            "files-first" => is_under(at) && ours.reached.is_some(),
            "joined" => is_under(at) && nginx.reached.is_some() && ours.reached.is_some(),
            "host-header" | "header" | "cookies" | "balance" => false,
            "same-path" => is_under(at),
            "forwarded-headers" => false,
            kind => panic!("the report has {kind}, which this test does not know"),
        }
    })
}

/// A client of one of both.
struct Side {
    dial: Dial,
    client: Option<Client>,
}

impl Side {
    fn new(address: SocketAddr) -> Self {
        let dial = Dial::new(address, RootCertStore::empty()).blind();
        Self { dial, client: None }
    }

    fn ask(&mut self, asked: &Asked) -> Came {
        // A connection may have been closed after the answer before.
        if let Some(came) = self.try_ask(asked) {
            return came;
        }
        self.client = None;
        let came = self.try_ask(asked);
        came.unwrap_or_else(|| panic!("no answer of {} to {asked:?}", self.dial.addr))
    }

    fn try_ask(&mut self, asked: &Asked) -> Option<Came> {
        let client = self.client.get_or_insert_with(|| self.dial.h1());
        client.wire.send(asked.bytes()).ok()?;
        let head = client.wire.head().ok()??;
        let status = head.status();
        let value = |name: &str| head.all(name).first().map(|value| (*value).to_owned());
        let location = value("location").unwrap_or_default();
        let reached = value("x-reached");
        let has_body = asked.method != "HEAD" && !matches!(status, 204 | 304);
        let length = value("content-length").and_then(|length| length.parse().ok());
        match (has_body, length) {
            (false, _) => {}
            (true, Some(length)) => _ = client.wire.exactly(length).ok()?,
            (true, None) => self.client = None,
        }
        if value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.client = None;
        }
        // nginx writes the scheme and host of its own redirects.
        let location = match location.split_once("://") {
            Some((_, rest)) if rest.to_lowercase().starts_with(&asked.own_host()) => {
                rest.find('/').map_or("/", |at| &rest[at..]).to_owned()
            }
            _ => location,
        };
        Some(Came {
            status,
            location,
            reached,
        })
    }
}

/// A server for each address that the source names.
fn servers(text: &str) -> BTreeMap<String, Upstream> {
    let mut found = BTreeMap::new();
    for host in ["127.0.0.1:", "localhost:", "10.0.0.31:", "upstream_port "] {
        for (at, _) in text.match_indices(host) {
            let line = text[..at].rsplit('\n').next().unwrap_or_default();
            let digits = text[at + host.len()..]
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count();
            let end = at + host.len() + digits;
            if digits > 0 && !line.contains("listen") && !line.contains("set_real_ip") {
                let name = text[at..end].to_owned();
                let port = name
                    .rsplit([':', ' '])
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let server = Upstream::http(move |request, conn| {
                    conn.send(answer(&port, request)).map(|()| Then::Keep)
                });
                found.entry(name).or_insert(server);
            }
        }
    }
    found
}

/// What a server was asked, in its answer.
fn answer(port: &str, request: &Request) -> String {
    let head = &request.head;
    let names = ["host", "authorization", "cookie", "x-tenant", "x-ingress"];
    let sent: Vec<String> = names
        .iter()
        .map(|name| format!("{name}={}", head.all(name).join("|")))
        .collect();
    let text = head.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.rsplit_once(' ').map_or(first, |(first, _)| first);
    let body = if first.starts_with("HEAD ") { "" } else { "ok" };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Reached: {port} {first} {} {}\r\n\r\n{body}",
        sent.join(" "),
        request.body.len(),
    )
}

/// The text with the addresses of the servers of this test. `localhost` is an address there.
fn redirected(text: &str, servers: &BTreeMap<String, Upstream>) -> String {
    let mut out = text.to_owned();
    // The longest first: 127.0.0.1:50 is in 127.0.0.1:5001.
    let mut names: Vec<&String> = servers.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let mark = |at: usize| format!("\u{1}{at}\u{2}");
    for (at, name) in names.iter().enumerate() {
        out = out.replace(name.as_str(), &mark(at));
        if let Some(port) = name.strip_prefix("localhost:") {
            out = out.replace(&format!("127.0.0.1:{port}\""), &format!("{}\"", mark(at)));
        }
        if let Some(port) = name.strip_prefix("upstream_port ") {
            out = out.replace(&format!("127.0.0.1:{port}\""), &format!("{}\"", mark(at)));
        }
    }
    for (at, name) in names.iter().enumerate() {
        let address = servers[*name].addr;
        let with_port = format!("upstream_port {}", address.port());
        let is_port = name.starts_with("upstream_port ");
        out = out.replace(
            &format!("{};", mark(at)),
            &match is_port {
                true => format!("{with_port};"),
                false => format!("{address};"),
            },
        );
        out = out.replace(&mark(at), &address.to_string());
    }
    out
}

/// The inside of `http`, or all of a file that has no such block.
fn http_part(text: &str) -> String {
    let Some(at) = text.find("http {") else {
        return text.to_owned();
    };
    let inside = text[at + "http {".len()..].trim_end();
    inside.strip_suffix('}').unwrap_or(inside).to_owned()
}

/// The source in a real nginx, on one port with TLS.
fn nginx(text: &str, port: u16, folder: &Path) -> Nginx {
    let place = folder.display();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let plain = free_port();
    let text = on_one_port(text, port, plain, folder);
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/tmp-{kind};\n"))
        .concat();
    let file = folder.join("nginx.conf");
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {place}/pid;\nevents {{}}\nhttp {{\n{temporary}\
         access_log off;\nkeepalive_requests 100000;\n{text}\n}}\n"
    );
    std::fs::write(&file, whole).unwrap();
    let log = std::fs::File::create(folder.join("nginx.log")).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .args(["-e", "stderr", "-p"])
        .arg(folder)
        .arg("-c")
        .arg(&file);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let mut nginx = Nginx(child.expect("nginx is installed by scripts/test-deps.sh"));
    eventually("nginx listens", || {
        if let Some(status) = nginx.0.try_wait().unwrap() {
            let said = std::fs::read_to_string(folder.join("nginx.log")).unwrap();
            panic!("nginx: {status}: {said}");
        }
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    nginx
}

/// Listeners and certificates of this test, in place of those of the source.
fn on_one_port(text: &str, port: u16, plain: u16, folder: &Path) -> String {
    let mut out = String::new();
    let place = folder.display();
    for line in text.lines() {
        let word = line.split_whitespace().next().unwrap_or_default();
        let line = match word {
            "listen" if line.contains("[::]") => String::new(),
            "listen" if line.contains("ssl") => format!("listen 127.0.0.1:{port} ssl;"),
            "listen" => format!("listen 127.0.0.1:{plain};"),
            "ssl_certificate" => format!("ssl_certificate {place}/cert.pem;"),
            "ssl_certificate_key" => format!("ssl_certificate_key {place}/key.pem;"),
            "ssl_dhparam" | "ssl_stapling" | "resolver" | "access_log" | "ssl_protocols" => {
                String::new()
            }
            "set_real_ip_from" | "real_ip_header" | "keepalive_timeout" => String::new(),
            _ => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// What became of it, on a port of this test, with certificates for its hosts.
fn local(toml: &str, hosts: &[String]) -> String {
    let parts: Vec<&str> = toml.split("\n\n").collect();
    let is_kept = |part: &&&str| {
        let text = part.trim_start();
        !text.starts_with("[tls]") && !text.starts_with("[acme]") && !text.starts_with("[listen]")
    };
    let kept: Vec<&str> = parts.iter().filter(is_kept).copied().collect();
    let hosts: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
    let head = format!(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\nworkers = 1\n\n[tls]\nself_signed = [{}]\n\
         default = true",
        hosts.join(", ")
    );
    format!("{head}\n\n{}", kept.join("\n\n"))
}

/// Folders of the sources, all of them in this one.
fn in_folder(text: &str, folder: &Path) -> String {
    let mut out = text
        .replace("rate=20r/s", "rate=100000r/s")
        .replace("burst=40", "burst=9999");
    for password in [
        "/etc/nginx/.htpasswd",
        "/etc/nginx/htpasswd",
        "/srv/www/htpasswd",
    ] {
        out = out.replace(password, &folder.join("htpasswd").display().to_string());
    }
    let site = folder.join("site").display().to_string();
    let files = folder.join("files").display().to_string();
    let marks = ["\u{1}", "\u{2}"];
    out = out.replace("/srv/www/files", marks[1]);
    for there in [
        "/srv/www/site",
        "/srv/www/rooms",
        "/srv/world/dist",
        "/opt/janus/share/janus/demos",
        "/usr/share/jitsi-meet",
        "/etc/nginx/www/static",
        "/etc/nginx/www/app",
        "/etc/nginx/www",
        "/etc/jitsi/meet",
    ] {
        out = out.replace(there, marks[0]);
    }
    out.replace(marks[0], &site).replace(marks[1], &files)
}

fn pages(folder: &Path) {
    for (name, text) in [
        ("site/index.html", "<p>index"),
        ("site/room.html", "<p>room"),
        ("site/a.txt", "a"),
        ("site/config.js", "config"),
        ("site/folder/index.html", "<p>folder"),
        ("files/a.txt", "a file"),
        ("htpasswd", "user:{PLAIN}password\n"),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// The names of all servers of the source.
fn hosts(text: &str) -> Vec<String> {
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("server_name "));
    let names = names.flat_map(|names| names.split([' ', ';', '#']));
    let names = names.filter(|name| name.contains(".example.com"));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
