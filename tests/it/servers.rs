//! Several servers behind one upstream, and certificates that change under a running gateway.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, TestGateway, Upstream, eventually};

fn spread(urls: &[&str], lines: &str) -> Config {
    let list: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [{}]\n{lines}",
            list.join(", ")
        ))
        .route("/", "app")
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn round_robin_uses_all_of_them() {
    let servers = [Upstream::ok(), Upstream::ok(), Upstream::ok()];
    let urls: Vec<String> = servers.iter().map(Upstream::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let gateway = TestGateway::start(&spread(&urls, "balance = \"round_robin\""));
    let mut client = gateway.client();
    for _ in 0..9 {
        assert_eq!(client.get("/").status(), 200);
    }
    assert!(servers.iter().all(|server| server.requests().len() == 3));
}

#[test]
fn a_client_stays_with_its_server() {
    let servers = [Upstream::ok(), Upstream::ok()];
    let gateway = TestGateway::start(&spread(
        &[&servers[0].url(), &servers[1].url()],
        "balance = \"client\"",
    ));
    for source in 2..34 {
        let before: usize = servers[0].requests().len();
        for _ in 0..3 {
            let dial = gateway.dial().from(&format!("127.0.0.{source}"));
            assert_eq!(dial.h1().get("/").status(), 200);
        }
        let more = servers[0].requests().len() - before;
        assert!(more == 0 || more == 3, "127.0.0.{source} went to both");
    }
    assert!(
        servers.iter().all(|server| !server.requests().is_empty()),
        "all clients at one server"
    );
}

#[test]
fn a_server_that_is_not_there_is_passed_over() {
    for balance in ["client", "round_robin", "least"] {
        let server = Upstream::ok();
        let lines = format!("balance = \"{balance}\"");
        let gateway = TestGateway::start(&spread(&[&nobody(), &server.url(), &nobody()], &lines));
        let answers: Vec<u16> = (0..20)
            .map(|_| gateway.client().post("/", b"once").status())
            .collect();
        assert_eq!(answers, [200; 20], "{balance}");
        assert_eq!(server.requests().len(), 20, "a POST was sent twice");
    }
}

#[test]
fn all_down_is_502() {
    let gateway = TestGateway::start(&spread(&[&nobody(), &nobody()], ""));
    for _ in 0..3 {
        assert_eq!(gateway.client().get("/").status(), 502);
    }
}

#[test]
fn a_server_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix")
            .unwrap();
        String::from_utf8(head).unwrap()
    });
    let gateway = TestGateway::start(&spread(&[&format!("unix:{}", path.display())], ""));
    let answer = gateway.client().get("/x");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "unix"));
    assert!(server.join().unwrap().starts_with("GET /x HTTP/1.1\r\n"));
}

#[test]
fn a_server_may_be_known_by_its_own_certificate_or_by_the_pin_that_the_log_names() {
    let upstream = Upstream::ok();
    let inner = TestGateway::start(&Config::to(&upstream));
    let url = format!("https://{}", inner.https());
    let bare = GatewayProcess::start(&spread(&[&url], ""));
    assert_eq!(bare.dial().h1().get("/x").status(), 502);
    let line = bare.event("its pin is sha256/");
    let pin = line.split("its pin is ").nth(1).unwrap();
    let pin = format!("pin = {:?}", pin.split(')').next().unwrap());
    let cert = inner.folder().join("certs/localhost.pem");
    let file = format!("ca_file = \"{}\"", cert.display());
    for known in [pin, file] {
        let known = format!("{known}\nserver_name = \"localhost\"");
        let outer = TestGateway::start(&spread(&[&url], &known));
        let answer = outer.client().get("/x");
        assert_eq!(answer.status(), 200, "{known}");
    }
}

#[test]
fn a_server_may_speak_tls_and_is_verified() {
    // A second gateway is as good a TLS server as any.
    let upstream = Upstream::ok();
    let inner = TestGateway::start(&Config::to(&upstream));
    let url = format!("https://{}", inner.https());
    let ca = inner.folder().join("certs/ca.pem");
    let good = format!(
        "ca_file = \"{}\"\nserver_name = \"localhost\"",
        ca.display()
    );
    let outer = TestGateway::start(&spread(&[&url], &good));
    let answer = outer.client().get("/x");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    // The wrong name, and nobody to vouch for it.
    for bad in [
        format!(
            "ca_file = \"{}\"\nserver_name = \"media.test\"",
            ca.display()
        ),
        "server_name = \"localhost\"".to_owned(),
    ] {
        let outer = TestGateway::start(&spread(&[&url], &bad));
        assert_eq!(outer.client().get("/x").status(), 502, "{bad}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

/// A certificate for `localhost` that signs itself: PEM of both.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn certificates_on_disk_are_followed_and_bad_ones_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let write = |(cert_pem, key_pem): &(String, String)| {
        std::fs::write(&cert, cert_pem).unwrap();
        std::fs::write(&key, key_pem).unwrap();
    };
    let (first, second) = (pair(), pair());
    write(&first);
    let upstream = Upstream::ok();
    let tls = format!(
        "certificates = [{{ cert = \"{}\", key = \"{}\" }}]",
        cert.display(),
        key.display()
    );
    let mut gateway = TestGateway::start(&Config::to(&upstream).tls(&tls));
    let serves = |gateway: &TestGateway, pair: &(String, String)| {
        gateway.dial_trusting(&pair.0).tls(&[]).is_ok()
    };
    assert!(serves(&gateway, &first));
    let mut open = gateway.dial_trusting(&first.0).h1();
    // The certificate is there before its key: the old pair stays.
    std::fs::write(&cert, &second.0).unwrap();
    gateway.follow_files();
    assert!(serves(&gateway, &first) && !serves(&gateway, &second));
    write(&second);
    gateway.follow_files();
    assert!(serves(&gateway, &second) && !serves(&gateway, &first));
    std::fs::remove_file(&key).unwrap();
    gateway.follow_files();
    assert!(serves(&gateway, &second));
    assert_eq!(open.get("/").status(), 200, "an open connection goes on");
}

/// Closes its sockets as the end of a process does.
struct Mortal {
    upstream: Upstream,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Mortal {
    fn new() -> Self {
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let streams = Arc::clone(&open);
        let upstream = Upstream::raw(move |conn| {
            streams.lock().unwrap().push(conn.wire.stream.try_clone()?);
            while conn.request()?.is_some() {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
            Ok(())
        });
        Self { upstream, open }
    }

    /// Returns how many requests it has had.
    fn die(self) -> usize {
        let (addr, requests) = (self.upstream.addr, self.upstream.requests().len());
        drop(self.upstream);
        eventually("it does not listen", || TcpStream::connect(addr).is_err());
        for stream in self.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        requests
    }
}

#[test]
fn a_server_that_dies_costs_no_request_that_has_not_reached_it() {
    for balance in ["client", "round_robin", "least"] {
        let (dies, stays) = (Mortal::new(), Upstream::ok());
        let lines = format!("balance = \"{balance}\"");
        let urls = [dies.upstream.url(), stays.url()];
        let gateway = TestGateway::start(&spread(&[&urls[0], &urls[1]], &lines));
        // Kept connections of several clients, and one server for each of them with `client`.
        let clients = (2..18).map(|n| gateway.dial().from(&format!("127.0.0.{n}")).h1());
        let mut clients: Vec<_> = clients.collect();
        for client in &mut clients {
            assert_eq!(client.post("/", b"before").status(), 200);
        }
        assert!(dies.die() > 0, "{balance}");
        for client in &mut clients {
            for _ in 0..4 {
                assert_eq!(client.post("/", b"after").status(), 200, "{balance}");
            }
        }
    }
}

#[test]
fn an_upstream_that_breaks_many_requests_does_not_get_them_all_again() {
    // Each connection answers one request and breaks with the next one.
    let upstream = Upstream::raw(|conn| {
        conn.request()?;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        conn.request().map(drop)
    });
    let config = spread(&[&upstream.url()], "")
        .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 1");
    let gateway = TestGateway::start(&config);
    let mut client = gateway.client();
    // Every other one would be sent again.
    let answered = (0..3000).take_while(|_| client.get("/").status() == 200);
    let answered = answered.count();
    assert!(
        (30..3000).contains(&answered),
        "a few are sent again, not all: {answered}"
    );
    let (_, metrics) = gateway.status("/metrics");
    let series = "ianitor_upstream_retries_total{upstream=\"app\",outcome=\"over_budget\"} 1";
    assert!(metrics.contains(series), "{metrics}");
}
