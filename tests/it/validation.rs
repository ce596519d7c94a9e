//! A CA that looks whether a name is ours is answered whatever else is configured, and nobody else
//! notices.

use std::io::{Read as _, Write as _};

use ianitor::host::HostName;
use ianitor::tls::challenges::Challenges;
use rustls::RootCertStore;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::Oid;

use crate::harness::{Client, Config, Dial, TestGateway, Upstream, eventually, h2};

const TOKEN: &str = "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
const KEY: &str =
    "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
const DIGEST: [u8; 32] = [0x5a; 32];

/// Redirected, refused by policy, and hardly anything may be asked.
fn closed(upstream: &Upstream) -> Config {
    Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2")
        .limits("requests_per_client = \"1/60s\"\nexempt = []")
        .upstream("app", &upstream.url())
        .policy("nobody", "\"192.0.2.1\"")
        .route_with("/", "app", "policy = \"nobody\"")
}

fn name(name: &str) -> HostName {
    name.parse().unwrap()
}

fn challenges(gateway: &TestGateway) -> &std::sync::Arc<Challenges> {
    gateway.running().challenges()
}

fn offer_http(gateway: &TestGateway, host: &str) -> ianitor::tls::challenges::Offer {
    challenges(gateway).offer_http(&name(host), TOKEN.rsplit('/').next().unwrap(), KEY)
}

fn plain(gateway: &TestGateway) -> Client<std::net::TcpStream> {
    Client::new(Dial::new(gateway.http(), RootCertStore::empty()).tcp())
}

#[test]
fn a_token_is_answered_before_redirects_policies_and_limits() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&closed(&upstream));
    let offer = offer_http(&gateway, "localhost");
    // More often than any limit lets others ask, and of both workers.
    for _ in 0..12 {
        for answer in [plain(&gateway).get(TOKEN), gateway.client().get(TOKEN)] {
            assert_eq!((answer.status(), &*answer.text()), (200, KEY));
            assert_eq!(
                answer.head.get("content-type"),
                Some("application/octet-stream")
            );
        }
    }
    let over_h2 = gateway.dial().h2().get(TOKEN);
    assert_eq!((over_h2.status, &over_h2.body[..]), (200, KEY.as_bytes()));
    let mut client = plain(&gateway);
    client.send(format!(
        "HEAD {TOKEN} HTTP/1.1\r\nHost: LOCALHOST.:80\r\n\r\n"
    ));
    assert_eq!(
        client.head().get("content-length"),
        Some(KEY.len().to_string().as_str())
    );
    assert_eq!(
        client.get(TOKEN).text(),
        KEY,
        "nothing came behind the head"
    );
    drop(offer);
    assert_eq!(
        (
            plain(&gateway).get(TOKEN).status(),
            gateway.client().get(TOKEN).status()
        ),
        (308, 403),
        "no rate counts what a CA asks for"
    );
    assert!(upstream.heads().is_empty());
}

#[test]
fn what_no_order_waits_for_goes_its_ordinary_way() {
    // Another ACME client stands behind a route.
    let other = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let gateway = TestGateway::start(&Config::to(&other).listen(listen));
    let _offer = offer_http(&gateway, "localhost");
    let mut client = gateway.client();
    for (request, told) in [
        (
            "GET /.well-known/acme-challenge/another HTTP/1.1\r\nHost: localhost",
            "another token",
        ),
        (
            "GET /.well-known/acme-challenge/ HTTP/1.1\r\nHost: localhost",
            "no token",
        ),
        (
            &format!("GET {TOKEN}/ HTTP/1.1\r\nHost: localhost"),
            "more than the token",
        ),
        (
            &format!("GET {TOKEN} HTTP/1.1\r\nHost: 127.0.0.1"),
            "another host",
        ),
        (
            &format!("POST {TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0"),
            "another method",
        ),
    ] {
        let answer = client.ask(format!("{request}\r\n\r\n"));
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{told}");
    }
    assert_eq!(other.requests().len(), 5);
    assert_eq!(
        client
            .ask(format!(
                "GET {TOKEN} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"
            ))
            .status(),
        400
    );
    assert_eq!(
        plain(&gateway)
            .get("/.well-known/acme-challenge/another")
            .status(),
        308
    );
    let mut request = h2::get(TOKEN);
    request
        .headers_mut()
        .insert("host", "127.0.0.1".parse().unwrap());
    assert_eq!(gateway.dial().h2().send(request, b"").status, 400);
    assert_eq!(gateway.access.lines(8).len(), 8);
}

/// The digest that a certificate is marked with for its only name, if it is.
fn identifier(gateway: &TestGateway, host: &str, alpn: &[&str]) -> Option<Vec<u8>> {
    let stream = gateway.dial_blindly().name(host).tls(alpn).ok()?;
    let leaf = stream.leaf();
    let (_, cert) = x509_parser::parse_x509_certificate(&leaf).unwrap();
    let marked = cert
        .get_extension_unique(&Oid::from(&[1, 3, 6, 1, 5, 5, 7, 1, 31]).unwrap())
        .unwrap()?;
    assert!(
        marked.critical
            && matches!(
                marked.parsed_extension(),
                ParsedExtension::UnsupportedExtension { .. }
            )
    );
    let names = &cert
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names;
    assert_eq!(
        names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [format!("DNSName({host})")]
    );
    assert_eq!(
        stream
            .look(|tls| tls.alpn_protocol().map(<[u8]>::to_vec))
            .as_deref(),
        Some(&b"acme-tls/1"[..])
    );
    says_nothing(stream);
    // An OCTET STRING of 32 bytes (RFC 8737, section 3).
    Some(marked.value.strip_prefix(&[4, 32]).unwrap().to_vec())
}

/// The connection was for the handshake alone.
fn says_nothing(mut stream: crate::harness::tls::TlsStream) {
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut bytes = [0; 16];
    match stream.read(&mut bytes) {
        Ok(n) => assert_eq!(n, 0, "{:?}", &bytes[..n]),
        Err(error) => assert!(crate::harness::h1::is_end(&error), "{error:?}"),
    }
}

/// A target of pass-through that takes everything and says one word.
fn target() -> Upstream {
    Upstream::raw(|conn| {
        conn.send("mine")?;
        conn.wait_for_end()
    })
}

#[test]
fn a_handshake_of_a_ca_is_answered_before_anything_else_is_asked() {
    let (upstream, target) = (Upstream::ok(), target());
    let passing = format!(
        "[[passthrough]]\nsni = \"turn.test\"\nto = \"{}\"",
        target.addr
    );
    let gateway = TestGateway::start(&closed(&upstream).table(&passing));
    let hosts = ["localhost", "turn.test", "new.test"];
    let offers: Vec<_> = hosts
        .iter()
        .map(|host| {
            challenges(&gateway)
                .offer_alpn(&name(host), &DIGEST)
                .unwrap()
        })
        .collect();
    for _ in 0..6 {
        for host in hosts {
            assert_eq!(
                identifier(&gateway, host, &["acme-tls/1"]).as_deref(),
                Some(&DIGEST[..]),
                "{host}"
            );
        }
    }
    assert_eq!(
        identifier(&gateway, "localhost", &["h2", "acme-tls/1"]).as_deref(),
        Some(&DIGEST[..])
    );
    gateway.is_left_by_all();
    assert!(gateway.access.now().is_empty() && target.accepted() == 0);
    // Whoever does not ask for it is served as ever.
    assert_eq!(identifier(&gateway, "localhost", &["http/1.1"]), None);
    assert_eq!(gateway.client().get("/").status(), 403);
    drop(offers);
    assert!(
        hosts
            .iter()
            .all(|host| identifier(&gateway, host, &["acme-tls/1"]).is_none()),
        "gone with the order"
    );
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_handshake_for_a_name_that_no_order_has_is_not_answered_so() {
    let (upstream, target) = (Upstream::ok(), target());
    let passing = format!(
        "[[passthrough]]\nsni = \"turn.test\"\nto = \"{}\"",
        target.addr
    );
    let gateway = TestGateway::start(&Config::to(&upstream).table(&passing));
    let _offer = challenges(&gateway)
        .offer_alpn(&name("other.test"), &DIGEST)
        .unwrap();
    let error = gateway
        .dial()
        .tls(&["acme-tls/1"])
        .expect_err("no such protocol here");
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    let error = gateway
        .dial()
        .name("new.test")
        .tls(&["acme-tls/1"])
        .expect_err("no such name here");
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    // The name's own server may be in an order of its own.
    let dial = gateway.dial().name("turn.test");
    let mut tcp = dial.tcp();
    let mut client =
        rustls::ClientConnection::new(dial.config(&["acme-tls/1"]), dial.server_name()).unwrap();
    client.write_tls(&mut tcp).unwrap();
    let mut word = [0; 4];
    tcp.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"mine");
    assert_eq!(gateway.client().get("/").status(), 200);
}

/// The connection ends without an answer.
fn is_refused(gateway: &TestGateway, target: &str) {
    let mut tcp = Dial::new(gateway.http(), RootCertStore::empty()).tcp();
    // It may have ended by now.
    let _ = write!(tcp, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    match tcp.read(&mut [0; 16]) {
        Ok(n) => assert_eq!(n, 0, "{target}"),
        Err(error) => assert!(crate::harness::h1::is_end(&error), "{target}: {error:?}"),
    }
}

#[test]
fn a_ca_gets_through_when_the_limits_are_reached_and_nobody_else() {
    let upstream = Upstream::ok();
    let limits = "connections_per_client = 2\nexempt = []\nheader_timeout = \"2s\"";
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen).limits(limits));
    let mut held = [gateway.client(), gateway.client()];
    assert!(
        held.iter_mut()
            .all(|client| client.get("/").status() == 200)
    );
    is_refused(&gateway, TOKEN);

    let offers = (
        offer_http(&gateway, "localhost"),
        challenges(&gateway)
            .offer_alpn(&name("localhost"), &DIGEST)
            .unwrap(),
    );
    // More often than there is room for at a time.
    for _ in 0..20 {
        assert_eq!(plain(&gateway).get(TOKEN).text(), KEY);
        assert_eq!(
            identifier(&gateway, "localhost", &["acme-tls/1"]).as_deref(),
            Some(&DIGEST[..])
        );
        for path in ["/", "/.well-known/acme-challenge/another"] {
            is_refused(&gateway, path);
        }
        assert!(gateway.dial().tls(&["http/1.1"]).is_err());
    }
    assert!(
        held.iter_mut()
            .all(|client| client.get("/").status() == 200)
    );
    drop((held, offers));
    gateway.is_left_by_all();
    assert_eq!(gateway.client().get("/").status(), 200);
}

#[test]
fn whoever_says_nothing_does_not_stay() {
    let upstream = Upstream::ok();
    let limits = "connections_per_client = 1\nexempt = []\nheader_timeout = \"1s\"";
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen).limits(limits));
    let mut held = gateway.client();
    assert_eq!(held.get("/").status(), 200);
    let _offer = offer_http(&gateway, "localhost");
    let silent: Vec<_> = (0..30)
        .map(|at| {
            Dial::new(
                if at % 2 == 0 {
                    gateway.http()
                } else {
                    gateway.https()
                },
                RootCertStore::empty(),
            )
            .tcp()
        })
        .collect();
    for mut one in silent {
        assert!(matches!(one.read(&mut [0; 16]), Ok(0) | Err(_)));
    }
    assert_eq!(plain(&gateway).get(TOKEN).text(), KEY);
}

/// Connections of many addresses of which none says anything whole, a hundred a second, until it is
/// dropped.
struct Strangers {
    is_over: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

impl Strangers {
    fn start(gateway: &TestGateway) -> Self {
        let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (over, places) = (
            std::sync::Arc::clone(&is_over),
            [gateway.http(), gateway.https()],
        );
        let thread = std::thread::spawn(move || {
            let mut held = std::collections::VecDeque::new();
            for at in 0.. {
                if over.load(std::sync::atomic::Ordering::Relaxed) {
                    return at;
                }
                let from = format!("127.0.{}.{}", 2 + at / 200 % 100, 1 + at % 200);
                let mut tcp = Dial::new(places[at % 2], RootCertStore::empty())
                    .from(&from)
                    .tcp();
                // Some begin what they never end.
                let _ = tcp.write_all(
                    [
                        &b""[..],
                        &b""[..],
                        &b"\x16\x03\x01"[..],
                        &b"GET /.well-"[..],
                    ][at % 4],
                );
                held.push_back(tcp);
                held.truncate(200);
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            0
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }

    fn stop(mut self) -> usize {
        self.is_over
            .store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn strangers_that_are_silent_keep_no_ca_out() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let config = Config::to(&upstream)
        .listen(listen)
        .limits("connections = 1\nexempt = []");
    let gateway = TestGateway::start(&config);
    let mut held = gateway.client();
    assert_eq!(held.get("/").status(), 200);
    let _offers = (
        offer_http(&gateway, "localhost"),
        challenges(&gateway)
            .offer_alpn(&name("localhost"), &DIGEST)
            .unwrap(),
    );
    // All places are taken by as many clients.
    let silent: Vec<_> = (1..=40)
        .map(|at| {
            let place = if at % 2 == 0 {
                gateway.http()
            } else {
                gateway.https()
            };
            Dial::new(place, RootCertStore::empty())
                .from(&format!("127.0.1.{at}"))
                .tcp()
        })
        .collect();
    assert_eq!(plain(&gateway).get(TOKEN).text(), KEY);
    assert_eq!(
        identifier(&gateway, "localhost", &["acme-tls/1"]).as_deref(),
        Some(&DIGEST[..])
    );
    drop(silent);
    // And they come and come.
    let strangers = Strangers::start(&gateway);
    for _ in 0..30 {
        assert_eq!(plain(&gateway).get(TOKEN).text(), KEY);
        assert_eq!(
            identifier(&gateway, "localhost", &["acme-tls/1"]).as_deref(),
            Some(&DIGEST[..])
        );
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    assert!(strangers.stop() > 30);
    assert_eq!(held.get("/").status(), 200);
}

#[test]
fn one_client_takes_no_places_of_others() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nworkers = 2";
    let gateway = TestGateway::start(
        &Config::to(&upstream)
            .listen(listen)
            .limits("connections = 1\nexempt = []"),
    );
    let mut held = gateway.client();
    assert_eq!(held.get("/").status(), 200);
    let _offer = challenges(&gateway)
        .offer_alpn(&name("localhost"), &DIGEST)
        .unwrap();
    let dial = |from: &str| {
        let tcp = Dial::new(gateway.https(), RootCertStore::empty())
            .from(from)
            .tcp();
        tcp.set_nonblocking(true).unwrap();
        tcp
    };
    let is_open = |mut tcp: &std::net::TcpStream| {
        let read = tcp.read(&mut [0; 16]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let other = dial("127.0.0.7");
    let many: Vec<_> = (0..30).map(|_| dial("127.0.0.8")).collect();
    let open = || many.iter().filter(|one| is_open(one)).count();
    eventually("all but two are closed", || open() == 2);
    assert!(is_open(&other), "and none of another client's");
}

#[test]
fn a_ca_that_comes_through_a_balancer_gets_through_too() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nworkers = 2\nproxy_protocol = [\"127.0.0.5\"]";
    let config = |limits| Config::to(&upstream).listen(listen).limits(limits);
    // The limit of the client whom the balancer announces; and that of the gateway, with the header
    // still to be read.
    for limits in ["connections_per_client = 1\nexempt = []", "connections = 1"] {
        let gateway = TestGateway::start(&config(limits));
        let dial = gateway.dial_blindly().from("127.0.0.5");
        let announced = |alpn| {
            let mut tcp = dial.tcp();
            tcp.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 443\r\n")
                .unwrap();
            dial.tls_over(tcp, dial.config(&[alpn]))
        };
        let mut held = Client::new(announced("http/1.1").unwrap());
        assert_eq!(held.get("/").status(), 200);
        let _offer = challenges(&gateway)
            .offer_alpn(&name("localhost"), &DIGEST)
            .unwrap();
        for _ in 0..4 {
            says_nothing(announced("acme-tls/1").unwrap());
            assert!(announced("http/1.1").is_err(), "{limits}");
        }
    }
}

/// As a balancer does that sends everything to https, this too.
#[test]
fn a_ca_that_is_redirected_to_https_is_answered_where_there_is_no_certificate_yet() {
    let (upstream, target) = (Upstream::ok(), target());
    let passing = format!(
        "[[passthrough]]\nsni = \"turn.test\"\nto = \"{}\"",
        target.addr
    );
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen).table(&passing));
    let new = || gateway.dial_blindly().name("new.test");
    let assert_refused = || {
        let error = new().tls(&["http/1.1"]).expect_err("no such name here");
        assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    };
    assert_refused();

    let offers: Vec<_> = ["new.test", "localhost", "turn.test"]
        .map(|host| offer_http(&gateway, host))
        .into();
    let ask = |method: &str, target: &str| {
        let mut client = Client::new(new().tls(&["http/1.1"]).unwrap());
        client.ask(format!(
            "{method} {target} HTTP/1.1\r\nHost: new.test\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    // Of both workers.
    for _ in 0..6 {
        let answer = ask("GET", TOKEN);
        assert_eq!((answer.status(), &*answer.text()), (200, KEY));
    }
    // Also whoever offers no protocol, or HTTP/2 beside the one that is spoken.
    for alpn in [&[][..], &["h2", "http/1.1"]] {
        let mut client = Client::new(new().tls(alpn).unwrap());
        client.send(format!(
            "GET {TOKEN} HTTP/1.1\r\nHost: new.test:443\r\n\r\n"
        ));
        assert_eq!(client.answer().text(), KEY);
    }
    // It opens no route.
    for (method, target) in [
        ("GET", "/"),
        ("POST", "/"),
        ("POST", TOKEN),
        ("GET", "/.well-known/acme-challenge/x"),
    ] {
        let answer = ask(method, target);
        assert_eq!(
            (answer.status(), answer.head.get("retry-after")),
            (503, Some("60")),
            "{method} {target}"
        );
    }
    assert!(upstream.heads().is_empty());
    // Where there is a certificate it is shown, and a connection that is passed through is not
    // looked into.
    let mut client = gateway.client();
    assert_eq!(
        (client.get(TOKEN).text().as_ref(), client.get("/").status()),
        (KEY, 200)
    );
    let turn = gateway.dial_blindly().name("turn.test");
    assert!(turn.tls(&["http/1.1"]).is_err());
    assert_eq!(target.accepted(), 1);
    // No other name is let in by it, and nobody when the order is over.
    let other = gateway.dial_blindly().name("other.test");
    assert!(other.tls(&["http/1.1"]).is_err());
    drop(offers);
    assert_refused();
}

#[test]
fn a_ca_that_is_redirected_to_https_gets_through_when_the_limits_are_reached() {
    let upstream = Upstream::ok();
    let limits = "connections_per_client = 1\nexempt = []\nheader_timeout = \"2s\"";
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen).limits(limits));
    let mut held = gateway.client();
    assert_eq!(held.get("/").status(), 200);
    let _offers = ["localhost", "new.test"].map(|host| offer_http(&gateway, host));
    for host in ["localhost", "new.test"] {
        let client = || {
            Client::new(
                gateway
                    .dial_blindly()
                    .name(host)
                    .tls(&["http/1.1"])
                    .unwrap(),
            )
        };
        let mut ca = client();
        ca.send(format!("GET {TOKEN} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(ca.answer().text(), KEY, "{host}");
        let mut other = client();
        other.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert!(other.try_answer().is_err(), "{host}");
    }
    assert_eq!((held.get("/").status(), upstream.heads().len()), (200, 2));
}
