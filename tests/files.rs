//! What a route does beside forwarding: files, redirects, headers, CORS. Through a gateway in this
//! process, with a client and an upstream of a few lines each.

#![allow(clippy::unwrap_used)] // the lint knows tests by their attribute, and these have helpers

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ianitor::config;
use ianitor::gateway::{Gateway, Running};
use ianitor::listen::Kind;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// A gateway with these routes, beside a folder of files.
struct World {
    running: Option<Running>,
    folder: TempDir,
    seen: Arc<Mutex<Vec<String>>>,
}

/// An answer: its head in lower case but for values, and its body.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// All values of a header, `|` between them.
    fn header(&self, name: &str) -> String {
        let values = self
            .headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str());
        values.collect::<Vec<_>>().join("|")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl World {
    /// `ROOT` in the routes is the folder with the files; `app` is the upstream, which answers with
    /// `answer`.
    fn new(routes: &str, answer: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (upstream, seen) = upstream(answer);
        let text = format!(
            "[listen]\nhttps = [\"127.0.0.1:0\"]\nworkers = 1\n[tls]\n\
             self_signed = [\"localhost\"]\n\
             [upstreams.app]\nservers = [\"http://{upstream}\"]\n\
             [policies.nobody]\nallow = [\"192.0.2.1\"]\n{routes}\n\
             [[routes]]\npath = \"/.fallback\"\nupstream = \"app\"\npolicy = \"nobody\"\n"
        );
        let text = text.replace("ROOT", folder.path().join("site").to_str().unwrap());
        fs::create_dir(folder.path().join("site")).unwrap();
        let config = config::parse(&folder.path().join("gateway.toml"), &text)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        let running = Gateway::bind(config.config).unwrap().start(None).unwrap();
        Self {
            running: Some(running),
            folder,
            seen,
        }
    }

    fn site(&self) -> Site {
        Site(self.folder.path().join("site"))
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.folder.path().join("certs/ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let address = self
            .running
            .as_ref()
            .unwrap()
            .addresses(Kind::Https)
            .next()
            .unwrap();
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp)
    }

    /// One request on a connection of its own. `headers` end with a line break each.
    fn ask(&self, method: &str, target: &str, headers: &str) -> Answer {
        let mut stream = self.connect();
        let close = if headers.contains("Upgrade") {
            ""
        } else {
            "Connection: close\r\n"
        };
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{close}{headers}\r\n"
        )
        .unwrap();
        read_answer(stream, method)
    }

    fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "")
    }

    /// The head that the upstream got last.
    fn seen(&self) -> String {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.take().unwrap().stop();
    }
}

fn read_answer(mut stream: impl std::io::Read, method: &str) -> Answer {
    let mut bytes = Vec::new();
    let end = loop {
        let mut byte = [0];
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "cut: {}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            break bytes.len();
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    let length: usize = answer.header("content-length").parse().unwrap_or(0);
    if method == "HEAD" || status == 304 {
        return answer;
    }
    if answer.header("transfer-encoding") == "chunked" {
        answer.body = chunks(&mut stream);
    } else {
        answer.body = vec![0; length];
        stream.read_exact(&mut answer.body).unwrap();
    }
    answer
}

/// A body that comes in chunks.
fn chunks(stream: &mut impl std::io::Read) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        let length = std::str::from_utf8(&line).unwrap().trim_end();
        let length = usize::from_str_radix(length, 16).unwrap();
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).unwrap();
        body.extend_from_slice(&chunk[..length]);
        if length == 0 {
            return body;
        }
    }
}

/// Answers every request alike and keeps its head; a WebSocket handshake gets its due.
fn upstream(answer: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let heads = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let answer = match head
                .lines()
                .find_map(|line| line.strip_prefix("sec-websocket-key: "))
            {
                // The RFC's own example.
                Some("dGhlIHNhbXBsZSBub25jZQ==") => {
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                }
                _ => answer,
            };
            heads.lock().unwrap().push(head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, seen)
}

struct Site(std::path::PathBuf);

impl Site {
    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn files_are_shown_and_nothing_else() {
    let routes = "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\n\
                  [[routes]]\npath = \"/strict\"\nfiles = \"ROOT\"\npolicy = \"open\"\n\
                  follow_symlinks = false\n\
                  [[routes]]\npath = \"/gone\"\nfiles = \"ROOT/nowhere\"\npolicy = \"open\"\n";
    let world = World::new(routes, OK);
    let site = world.site();
    site.write("index.html", "<h1>root");
    site.write("sub/index.html", "<h1>sub");
    site.write("sub/a b.txt", "with a space");
    site.write("empty/x", "");
    site.write("app.js", "js");
    site.write(".secret", "s");
    site.write(".git/config", "s");
    fs::write(world.folder.path().join("outside"), "outside").unwrap();
    symlink("../outside", site.0.join("link")).unwrap();
    symlink("sub", site.0.join("folder")).unwrap();
    symlink("/dev/zero", site.0.join("device")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(site.0.join("pipe"))
        .status()
        .unwrap();
    assert!(pipe.success());

    for (target, status, body) in [
        ("/", 200, "<h1>root"),
        ("/index.html", 200, "<h1>root"),
        ("/sub/", 200, "<h1>sub"),
        ("/%73ub/", 200, "<h1>sub"),
        ("/sub/a%20b.txt", 200, "with a space"),
        ("/empty/x", 200, ""),
        ("/link", 200, "outside"),
        ("/folder/", 200, "<h1>sub"),
        ("/strict/app.js", 200, "js"),
        ("/strict/sub/", 200, "<h1>sub"),
    ] {
        let answer = world.get(target);
        assert_eq!((answer.status, answer.text()), (status, body), "{target}");
    }
    for target in [
        "/empty/",
        "/app.js/",
        "/app.js/x",
        "/none",
        "/.secret",
        "/%2esecret",
        "/.git/config",
        "/sub/.x/../index.html",
        "/device",
        "/pipe",
        "/strict/link",
        "/strict/folder/",
        "/strict/folder/index.html",
        "/gone",
        "/gone/x",
    ] {
        let status = world.get(target).status;
        assert!(
            status == 404 || (status == 400 && target.contains("..")),
            "{target}: {status}"
        );
    }
}

#[test]
fn no_spelling_escapes_the_folder() {
    let routes = "[[routes]]\npath = \"/a\"\nfiles = \"ROOT\"\npolicy = \"open\"\n";
    let world = World::new(routes, OK);
    world.site().write("in/ok", "in");
    fs::write(world.folder.path().join("outside"), "outside").unwrap();
    let up = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "..;x",
        "..%3bx",
        "%252e%252e",
        "..%00",
        "..%5c",
        "..\\",
        "..%2f",
        "..%c0%af",
        "%c0%ae%c0%ae",
        "%uff0e%uff0e",
        "%00",
        "...",
        "..%0d%0a",
    ];
    for up in up {
        for target in [
            format!("/a/{up}/outside"),
            format!("/a/in/{up}/{up}/outside"),
            format!("/a/{up}outside"),
        ] {
            let answer = world.get(&target);
            assert!(
                matches!(answer.status, 400 | 404),
                "{target}: {}",
                answer.status
            );
            assert!(!answer.text().contains("outside"), "{target}");
        }
    }
    for target in [
        "/a//outside",
        "/a/./in/ok",
        "/a/in//ok",
        "https://localhost/a/../outside",
        "/a/%2Fetc%2Fpasswd",
    ] {
        assert!(matches!(world.get(target).status, 400 | 404), "{target}");
    }
    assert_eq!(world.get("/a/in/ok").text(), "in");
}

#[test]
fn a_folder_is_asked_for_with_a_slash() {
    let routes = "[[routes]]\npath = \"/a\"\nfiles = \"ROOT\"\npolicy = \"open\"\n";
    let world = World::new(routes, OK);
    world.site().write("sub/index.html", "x");
    for (target, location) in [
        ("/a", "/a/"),
        ("/a/sub", "/a/sub/"),
        ("/a/sub?x=//y", "/a/sub/?x=//y"),
        ("/%61", "/a/"),
    ] {
        let answer = world.get(target);
        assert_eq!(
            (answer.status, answer.header("location").as_str()),
            (308, location),
            "{target}"
        );
    }
}

#[test]
fn one_file_is_behind_its_own_path_alone() {
    let routes = "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\n\
                  [[routes]]\npath = \"/settings.js\"\nfiles = \"ROOT/ours/my settings.js\"\n\
                  policy = \"open\"\n";
    let world = World::new(routes, OK);
    world.site().write("settings.js", "theirs");
    world.site().write("ours/my settings.js", "ours");
    let answer = world.get("/settings.js");
    assert_eq!((answer.status, answer.text()), (200, "ours"));
    assert_eq!(
        answer.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(world.get("/settings.js/").status, 404);
    assert_eq!(world.get("/settings.js/x").status, 404);
}

#[test]
fn ranges_conditions_and_head() {
    let world = World::new(
        "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\n",
        OK,
    );
    let path = world.site().write("a.txt", "0123456789");
    world.site().write("page.html", "<p>");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(&path)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();

    let whole = world.get("/a.txt");
    let etag = whole.header("etag");
    assert!(etag.starts_with('"'), "{etag}");
    assert_eq!(
        whole.header("last-modified"),
        "Sun, 09 Sep 2001 01:46:40 GMT"
    );
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(whole.header("cache-control"), "");
    let html = world.get("/page.html");
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(html.header("cache-control"), "no-cache");

    let head = world.ask("HEAD", "/a.txt", "Range: bytes=0-1\r\n");
    assert_eq!(
        (head.status, head.header("content-length").as_str()),
        (200, "10")
    );
    assert_eq!(head.header("etag"), etag);

    let other = "\"other\"";
    let since = "Sun, 09 Sep 2001 01:46:40 GMT";
    #[rustfmt::skip]
    let cases = [
        ("Range: bytes=2-4\r\n".to_owned(), 206, "234", "bytes 2-4/10"),
        ("Range: bytes=-3\r\n".to_owned(), 206, "789", "bytes 7-9/10"),
        ("Range: bytes=8-\r\n".to_owned(), 206, "89", "bytes 8-9/10"),
        ("Range: bytes=10-\r\n".to_owned(), 416, "", "bytes */10"),
        ("Range: bytes=0-0,2-2\r\n".to_owned(), 200, "0123456789", ""),
        ("Range: lines=1-2\r\n".to_owned(), 200, "0123456789", ""),
        (format!("Range: bytes=0-0\r\nIf-Range: {etag}\r\n"), 206, "0", "bytes 0-0/10"),
        (format!("Range: bytes=0-0\r\nIf-Range: {since}\r\n"), 206, "0", "bytes 0-0/10"),
        (format!("Range: bytes=0-0\r\nIf-Range: {other}\r\n"), 200, "0123456789", ""),
        (format!("Range: bytes=20-\r\nIf-Range: {other}\r\n"), 200, "0123456789", ""),
        (format!("If-None-Match: {etag}\r\n"), 304, "", ""),
        (format!("If-None-Match: {other}, W/{etag}\r\n"), 304, "", ""),
        (format!("If-None-Match: {other}\r\n"), 200, "0123456789", ""),
        (format!("If-Modified-Since: {since}\r\n"), 304, "", ""),
        (format!("If-None-Match: {other}\r\nIf-Modified-Since: {since}\r\n"), 200, "0123456789",
         ""),
        (format!("If-Match: {other}\r\n"), 412, "", ""),
    ];
    for (headers, status, body, range) in cases {
        let answer = world.ask("GET", "/a.txt", &headers);
        assert_eq!((answer.status, answer.text()), (status, body), "{headers}");
        assert_eq!(answer.header("content-range"), range, "{headers}");
    }

    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = world.ask(method, "/a.txt", "");
        assert_eq!(
            (answer.status, answer.header("allow").as_str()),
            (405, "GET, HEAD"),
            "{method}"
        );
    }
}

#[test]
fn a_range_that_is_larger_than_the_file_is_what_the_file_has() {
    let world = World::new(
        "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\n",
        OK,
    );
    world.site().write("ten.txt", "0123456789");
    world.site().write("empty.txt", "");
    let many = "9".repeat(30);
    #[rustfmt::skip]
    let cases = [
        ("/ten.txt", "-10", 206, "0123456789", "bytes 0-9/10"),
        ("/ten.txt", "-20", 206, "0123456789", "bytes 0-9/10"),
        ("/ten.txt", &format!("-{many}"), 206, "0123456789", "bytes 0-9/10"),
        ("/ten.txt", "4-99", 206, "456789", "bytes 4-9/10"),
        ("/ten.txt", "-0", 416, "", "bytes */10"),
        ("/ten.txt", "20-30", 416, "", "bytes */10"),
        ("/empty.txt", "-20", 200, "", ""),
        ("/empty.txt", "0-", 200, "", ""),
    ];
    for (path, bytes, status, body, range) in cases {
        let answer = world.ask("GET", path, &format!("Range: bytes={bytes}\r\n"));
        assert_eq!(
            (answer.status, answer.text()),
            (status, body),
            "{path} {bytes}"
        );
        assert_eq!(answer.header("content-range"), range, "{path} {bytes}");
    }
}

#[test]
fn paths_without_a_file_get_the_page_of_the_application_or_of_the_error() {
    let routes = "[[routes]]\npath = \"/app\"\nfiles = \"ROOT\"\npolicy = \"open\"\n\
                  spa = \"index.html\"\nerror_pages = { 404 = \"errors/404.html\" }\n";
    let world = World::new(routes, OK);
    let site = world.site();
    site.write("index.html", "the app");
    site.write("app.js", "script");
    site.write("empty/x.txt", "x");
    site.write("errors/404.html", "not here");
    site.write("errors/404.html.gz", "packed");
    site.write(".env", "secret");
    // The gateway's own file, by a link of an innocent name.
    symlink(world.folder.path().join("gateway.toml"), site.0.join("own")).unwrap();
    fs::write(world.folder.path().join("gateway.toml"), "").unwrap();
    for (path, status, body) in [
        ("/app/", 200, "the app"),
        ("/app/room/42", 200, "the app"),
        ("/app/room/42/?q=a.b", 200, "the app"),
        ("/app/empty/", 200, "the app"),
        ("/app/app.js", 200, "script"),
        ("/app/app.2.js", 404, "not here"),
        ("/app/a%2Ejs", 404, "not here"),
        ("/app/.env", 404, "not here"),
        ("/app/.git/config.js", 404, "not here"),
        ("/app/own", 200, "the app"),
    ] {
        let answer = world.ask("GET", path, "");
        assert_eq!((answer.status, answer.text()), (status, body), "{path}");
        if body != "script" {
            assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        }
        let head = world.ask("HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
        assert_eq!(
            head.header("content-length"),
            answer.header("content-length")
        );
    }
    assert_eq!(world.ask("GET", "/app/empty", "").status, 308);
    assert_eq!(world.ask("POST", "/app/room/42", "").status, 405);

    let tag = world.ask("GET", "/app/room/42", "").header("etag");
    let asked = format!("If-None-Match: {tag}\r\n");
    assert_eq!(world.ask("GET", "/app/room/43", &asked).status, 304);
    // Conditions and ranges are about the file that is not there.
    for asked in [
        "If-None-Match: *\r\n",
        "If-Match: \"x\"\r\n",
        "Range: bytes=0-2\r\n",
    ] {
        let answer = world.ask("GET", "/app/x.js", asked);
        assert_eq!((answer.status, answer.text()), (404, "not here"), "{asked}");
        assert_eq!(answer.header("etag"), "", "{asked}");
        assert_eq!(answer.header("accept-ranges"), "", "{asked}");
    }
    let packed = world.ask("GET", "/app/x.js", "Accept-Encoding: gzip\r\n");
    assert_eq!((packed.status, packed.text()), (404, "packed"));
    assert_eq!(packed.header("content-encoding"), "gzip");

    // Without its file, the route answers as one without the key.
    fs::remove_file(world.folder.path().join("site/index.html")).unwrap();
    fs::remove_dir_all(world.folder.path().join("site/errors")).unwrap();
    for path in ["/app/room/42", "/app/x.js", "/app/own"] {
        let answer = world.ask("GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("Not Found"), "{}", answer.text());
    }
}

#[test]
fn files_are_compressed_as_the_client_accepts_it() {
    let routes = "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\n\
                  compress = true\nerror_pages = { 404 = \"404.html\" }\n";
    let world = World::new(routes, OK);
    let text = "a line of a script that comes again and again;\n".repeat(2000);
    for name in ["a.js", "404.html", "photo.jpg", "ready.js"] {
        world.site().write(name, &text);
    }
    world.site().write("ready.js.gz", "packed before");
    world.site().write("small.js", "small");
    for (path, accept, coding) in [
        ("/a.js", "gzip", "gzip"),
        ("/a.js", "br", "br"),
        ("/a.js", "zstd", "zstd"),
        ("/a.js", "gzip;q=0.5, br;q=0", "gzip"),
        ("/a.js", "identity", ""),
        ("/a.js", "br;q=0, identity;q=0", ""),
        ("/small.js", "gzip", ""),
        ("/photo.jpg", "gzip", ""),
        ("/missing.js", "gzip", "gzip"),
    ] {
        let asked = format!("Accept-Encoding: {accept}\r\n");
        let answer = world.ask("GET", path, &asked);
        let status = if path == "/missing.js" { 404 } else { 200 };
        assert_eq!(answer.status, status, "{path} {accept}");
        assert_eq!(answer.header("content-encoding"), coding, "{path} {accept}");
        let plain = match coding {
            "" => answer.body.clone(),
            _ => unpacked(coding, &answer.body),
        };
        let want = if path == "/small.js" { "small" } else { &text };
        assert!(plain == want.as_bytes(), "{path} {accept}");
        if path != "/small.js" {
            assert_eq!(answer.body.len() < text.len() / 4, !coding.is_empty());
        }
        let head = world.ask("HEAD", path, &asked);
        for name in ["content-encoding", "content-length", "etag", "vary"] {
            assert_eq!(head.header(name), answer.header(name), "{path} {accept}");
        }
    }
    let ready = world.ask("GET", "/ready.js", "Accept-Encoding: gzip\r\n");
    assert_eq!(ready.text(), "packed before");

    // A part is of the file as it is, and what is compressed is another version of it.
    let part = world.ask(
        "GET",
        "/a.js",
        "Accept-Encoding: gzip\r\nRange: bytes=0-5\r\n",
    );
    assert_eq!((part.status, part.text()), (206, "a line"));
    let packed = world.ask("GET", "/a.js", "Accept-Encoding: gzip\r\n");
    let tag = packed.header("etag");
    assert!(tag.starts_with("W/"), "{tag}");
    assert_eq!(packed.header("vary"), "accept-encoding");
    let asked = format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n");
    assert_eq!(world.ask("GET", "/a.js", &asked).status, 304);
}

/// What a program of the machine makes of compressed bytes.
fn unpacked(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut program = match coding {
        "gzip" => Command::new("gzip"),
        "br" => Command::new("brotli"),
        _ => Command::new("zstd"),
    };
    let mut child = program
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn precompressed_siblings_are_sent_to_who_takes_them() {
    let routes =
        "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\nfollow_symlinks = false\n";
    let world = World::new(routes, OK);
    world.site().write("a.js", "plain");
    world.site().write("a.js.gz", "gzip");
    world.site().write("a.js.br", "brotli");
    world.site().write("b.js", "plain");
    symlink("a.js.gz", world.site().0.join("b.js.gz")).unwrap();
    for (target, accept, body, coding) in [
        ("/a.js", "gzip, br", "brotli", "br"),
        ("/a.js", "gzip", "gzip", "gzip"),
        ("/a.js", "gzip;q=1, br;q=0.1", "gzip", "gzip"),
        ("/a.js", "zstd", "plain", ""),
        ("/a.js", "br;q=0", "plain", ""),
        ("/a.js", "", "plain", ""),
        ("/b.js", "gzip", "plain", ""),
    ] {
        let answer = world.ask("GET", target, &format!("Accept-Encoding: {accept}\r\n"));
        assert_eq!(
            (answer.status, answer.text()),
            (200, body),
            "{target} {accept}"
        );
        assert_eq!(
            answer.header("content-encoding"),
            coding,
            "{target} {accept}"
        );
        assert_eq!(
            answer.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(answer.header("vary").to_lowercase(), "accept-encoding");
    }
}

#[test]
fn large_files_stream_and_a_cut_is_seen() {
    let world = World::new(
        "[[routes]]\npath = \"/\"\nfiles = \"ROOT\"\npolicy = \"open\"\n",
        OK,
    );
    let text = "0123456789abcdef".repeat(1 << 18);
    let path = world.site().write("large.bin", &text);
    assert!(world.get("/large.bin").text() == text, "whole");
    // More than the sockets on the way can hold, so that most of it is still on disk when it is cut
    // off.
    let length = 256 << 20;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length).unwrap();
    let mut stream = world.connect();
    write!(
        stream,
        "GET /large.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut some = [0; 100];
    stream.read_exact(&mut some).unwrap();
    file.set_len(1 << 20).unwrap();
    let mut rest = Vec::new();
    // Over TLS or by its length, the client learns that it is not whole.
    let _ = stream.read_to_end(&mut rest);
    assert!((rest.len() as u64) < length, "{} of {length}", rest.len());
}

#[test]
fn redirects() {
    let routes = "[[routes]]\npath = \"/old\"\nredirect = \"https://example.org/new/\"\n\
                  policy = \"open\"\n\
                  [[routes]]\npath = \"/one\"\nredirect = \"/two?x=1\"\nredirect_status = 302\n\
                  policy = \"open\"\n\
                  [[routes]]\npath = \"/closed\"\nredirect = \"/\"\npolicy = \"nobody\"\n";
    let world = World::new(routes, OK);
    for (method, target, status, location) in [
        ("GET", "/old", 308, "https://example.org/new/"),
        (
            "POST",
            "/old/a/b?c=d",
            308,
            "https://example.org/new/a/b?c=d",
        ),
        ("GET", "/one/x?y", 302, "/two?x=1"),
        ("GET", "/closed", 403, ""),
        ("GET", "/older", 404, ""),
        ("GET", "/old//evil.example", 400, ""),
    ] {
        let answer = world.ask(method, target, "");
        assert_eq!(
            (answer.status, answer.header("location").as_str()),
            (status, location),
            "{method} {target}"
        );
    }
}

#[test]
fn an_answer_arrives_although_nobody_reads_the_body() {
    let routes = "[[routes]]\npath = \"/old\"\nredirect = \"/new\"\npolicy = \"open\"\n";
    let world = World::new(routes, OK);
    let mut stream = world.connect();
    let length = 2 << 20;
    write!(
        stream,
        "POST /old HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    // The gateway may have stopped reading before all of it is written.
    let _ = stream.write_all(&vec![b'x'; length]);
    let answer = read_answer(stream, "POST");
    assert_eq!(
        (answer.status, answer.header("connection").as_str()),
        (308, "close")
    );
}

#[test]
fn headers_are_edited_both_ways() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\n\
                  host_header = \"inner.example:81\"\n\
                  hsts = \"365d\"\nsecurity_headers = true\n\
                  headers = { set = { X-A = \"1\", Authorization = \"Basic eDp5\" }, remove = \
                  [\"Cookie\"], \
                  response = { set = { X-C = \"new\" }, remove = [\"Server\"] } }\n\
                  [[routes]]\npath = \"/plain\"\nupstream = \"app\"\npolicy = \"open\"\n\
                  [[routes]]\npath = \"/closed\"\nupstream = \"app\"\npolicy = \"nobody\"\n\
                  hsts = \"1d\"\n\
                  headers = { response = { set = { X-C = \"new\" } } }\n";
    let upstream = "HTTP/1.1 200 OK\r\nServer: x\r\nX-C: old\r\nX-C: older\r\n\
                    X-Frame-Options: DENY\r\n\
                    Location: https://inner.example:81/there\r\nContent-Length: 2\r\n\
                    Connection: close\r\n\r\nok";
    let world = World::new(routes, upstream);
    let answer = world.ask(
        "GET",
        "/x",
        "Cookie: a=b\r\nX-A: 2\r\nX-A: 3\r\nAuthorization: Bearer mine\r\n",
    );
    let seen = world.seen();
    let line = |name: &str| {
        seen.lines()
            .filter(|line| line.starts_with(name))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(line("host:"), ["host: inner.example:81"]);
    assert_eq!(line("x-forwarded-host:"), ["x-forwarded-host: localhost"]);
    assert_eq!(line("x-a:"), ["x-a: 1"]);
    assert_eq!(line("authorization:"), ["authorization: Basic eDp5"]);
    assert!(line("cookie:").is_empty());
    for (name, want) in [
        ("server", ""),
        ("x-c", "new"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("strict-transport-security", "max-age=31536000"),
        ("location", "https://localhost/there"),
    ] {
        assert_eq!(answer.header(name), want, "{name}");
    }
    let plain = world.ask("GET", "/plain", "Cookie: a=b\r\n");
    assert_eq!(plain.header("x-c"), "old|older");
    assert!(plain.header("strict-transport-security").is_empty());
    assert!(
        world.seen().contains("host: localhost\r\n") && world.seen().contains("cookie: a=b\r\n")
    );
    let refused = world.get("/closed");
    assert_eq!(
        (
            refused.status,
            refused.header("strict-transport-security").as_str()
        ),
        (403, "max-age=86400")
    );
    assert_eq!(
        refused.header("x-c"),
        "",
        "edits are about the target's own answers"
    );
}

#[test]
fn pages_of_other_origins() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\nhsts = \"1d\"\n\
                  cors = { origins = [\"https://app.example.com\"], credentials = true, headers = \
                  [\"X-Mine\"] }\n\
                  [[routes]]\npath = \"/closed\"\nupstream = \"app\"\npolicy = \"nobody\"\n\
                  cors = { origins = [\"https://app.example.com\"], max_age = \"5m\" }\n\
                  [[routes]]\npath = \"/plain\"\nupstream = \"app\"\npolicy = \"open\"\n";
    let upstream = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\
                    Access-Control-Max-Age: 86400\r\n\
                    Vary: Accept\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let world = World::new(routes, upstream);
    let (ours, evil) = (
        "Origin: https://app.example.com\r\n",
        "Origin: https://evil.example\r\n",
    );
    let method = "Access-Control-Request-Method: POST\r\n";

    let preflight = world.ask("OPTIONS", "/closed/x", &format!("{ours}{method}"));
    assert_eq!(
        preflight.status, 204,
        "answered although the policy lets nobody in"
    );
    assert_eq!(
        preflight.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET, HEAD, POST"
    );
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        "Content-Type, Authorization"
    );
    assert_eq!(preflight.header("access-control-max-age"), "300");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    assert_eq!(
        world
            .ask("OPTIONS", "/closed/x", &format!("{evil}{method}"))
            .status,
        403
    );
    assert!(
        world.seen.lock().unwrap().is_empty(),
        "the upstream saw none of it"
    );

    let refused = world.ask("GET", "/closed", ours);
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://app.example.com",
        "scripts can read why"
    );

    let answer = world.ask("GET", "/", ours);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(answer.header("access-control-max-age"), "");
    assert_eq!(answer.header("vary"), "Accept|Origin");
    assert_eq!(answer.header("strict-transport-security"), "max-age=86400");
    let answer = world.ask("GET", "/", evil);
    assert_eq!(
        (
            answer.status,
            answer.header("access-control-allow-origin").as_str()
        ),
        (200, "")
    );
    assert_eq!(
        world
            .ask("GET", "/plain", evil)
            .header("access-control-allow-origin"),
        "*",
        "no cors: as it came"
    );
}

#[test]
fn websockets_of_other_pages_are_refused() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\n\
                  cors = { origins = [\"https://app.example.com\"] }\n\
                  [[routes]]\npath = \"/plain\"\nupstream = \"app\"\npolicy = \"open\"\n";
    let world = World::new(routes, OK);
    for (target, origin, status) in [
        ("/", "", 101),
        ("/", "Origin: https://app.example.com\r\n", 101),
        ("/", "Origin: https://localhost\r\n", 101),
        // As kurento-client says it: without a scheme.
        ("/", "Origin: localhost\r\n", 101),
        ("/", "Origin: localhost:443\r\n", 101),
        ("/", "Origin: localhost:8443\r\n", 403),
        ("/", "Origin: https://evil.example\r\n", 403),
        ("/", "Origin: null\r\n", 403),
        ("/plain", "Origin: https://evil.example\r\n", 101),
    ] {
        assert_eq!(
            world
                .ask("GET", target, &format!("{HANDSHAKE}{origin}"))
                .status,
            status,
            "{target} {origin}"
        );
    }
}

#[test]
fn an_upstream_has_as_long_as_its_route_says() {
    let routes = "[[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\n\
                  timeouts = { response = \"500ms\" }\n";
    let world = World::new(routes, "");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    drop(world);
    let routes = routes.to_owned()
        + &format!(
            "[upstreams.silent]\nservers = [\"http://{}\"]\n",
            silent.local_addr().unwrap()
        );
    let routes = routes.replace("upstream = \"app\"", "upstream = \"silent\"");
    let world = World::new(&routes, OK);
    assert_eq!(world.get("/").status, 504);
}

/// What `ianitor check` warns about.
fn check(config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config"])
        .arg(config)
        .output()
        .unwrap();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{warnings}");
    warnings
}

#[test]
fn a_folder_that_is_not_there_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n\
                [[routes]]\npath = \"/x\"\nfiles = \"nowhere\"\npolicy = \"open\"\n";
    fs::write(&path, text).unwrap();
    let warnings = check(&path);
    let missing = warnings
        .lines()
        .find(|warning| warning.contains("nowhere"))
        .unwrap();
    assert!(
        missing.contains("route /x: files") && missing.contains("No such file"),
        "{missing}"
    );
}

/// The configuration for Debian's demo pages, as it is in the repository.
#[test]
fn the_example_for_the_janus_demos_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/janus-demos");
    let loaded = config::load(&folder.join("gateway.toml")).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let missing = ianitor::files::missing(&loaded.config.routes);
    assert!(
        missing
            .iter()
            .all(|line| line.contains("/usr/share/janus/demos")),
        "{missing:?}"
    );
    for name in ["settings.js", "adminconfig.js"] {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            text.contains("var server = \"/"),
            "{name} has a relative URL"
        );
    }
}
