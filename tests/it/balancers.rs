//! Health checks of balancers: they often name no host, or an address, or send nothing at all.

use std::io::Write as _;

use crate::harness::{Client, Config, Dial, TestGateway, Upstream, eventually};

const LISTEN: &str = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]";

/// `localhost` has one route and every other host another.
fn config(listen: &str, named: &Upstream, every: &Upstream) -> Config {
    Config::new()
        .listen(&format!("{LISTEN}\n{listen}"))
        .tls("self_signed = [\"localhost\", \"127.0.0.1\"]")
        .upstream("named", &named.url())
        .upstream("every", &every.url())
        .route_with("/", "named", "host = \"localhost\"\npolicy = \"open\"")
        .route("/", "every")
}

fn plain(gateway: &TestGateway) -> Client<std::net::TcpStream> {
    Client::new(Dial::new(gateway.http(), rustls::RootCertStore::empty()).tcp())
}

#[test]
fn a_request_of_http_1_0_without_a_host_is_for_the_name_or_address_of_its_connection() {
    let (named, every) = (Upstream::ok(), Upstream::ok());
    let gateway = TestGateway::start(&config("", &named, &every));
    let check = "OPTIONS / HTTP/1.0\r\n\r\n";
    let port = gateway.https().port();
    let answer = gateway.dial().name("127.0.0.1").h1().ask(check);
    assert_eq!(answer.status(), 200);
    assert_eq!(gateway.client().ask(check).status(), 200);
    let hosts = |upstream: &Upstream| {
        let heads = upstream.heads();
        let hosts = heads
            .iter()
            .map(|head| head.get("host").unwrap().to_owned());
        hosts.collect::<Vec<_>>()
    };
    assert_eq!(hosts(&every), [format!("127.0.0.1:{port}")]);
    assert_eq!(hosts(&named), [format!("localhost:{port}")]);
    let answer = plain(&gateway).ask(check);
    let location = format!("https://127.0.0.1:{port}/");
    assert_eq!(answer.head.get("location"), Some(location.as_str()));
    assert_eq!(answer.status(), 308);
    // HTTP/1.1 must name a host.
    for check in ["OPTIONS / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(gateway.client().ask(check).status(), 400);
        assert_eq!(plain(&gateway).ask(check).status(), 400);
    }
}

#[test]
fn health_checks_by_address_are_answered_where_a_path_is_configured() {
    let (named, every) = (Upstream::ok(), Upstream::ok());
    let mut gateway = TestGateway::start(&config("health_path = \"/up\"", &named, &every));
    let by_address = |gateway: &TestGateway, request: &str| {
        let tls = gateway.dial().name("127.0.0.1").h1().ask(request);
        let plain = plain(gateway).ask(request);
        [tls, plain].map(|answer| (answer.status(), answer.text()))
    };
    for request in [
        "GET /up HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
        "GET /up HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
        "GET /up?x HTTP/1.0\r\n\r\n",
        "OPTIONS /up HTTP/1.0\r\n\r\n",
    ] {
        let ok = || (200, "ok\n".to_owned());
        assert_eq!(by_address(&gateway, request), [ok(), ok()], "{request}");
    }
    // Everything else goes where it went: names, other paths and methods.
    assert_eq!(gateway.client().get("/up").status(), 200);
    assert_eq!(named.heads().len(), 1);
    for (request, path) in [
        ("GET /up/x HTTP/1.0\r\n\r\n", "/up/x"),
        ("GET /up HTTP/1.1\r\nHost: media.test\r\n\r\n", "/up"),
        ("DELETE /up HTTP/1.0\r\n\r\n", "/up"),
    ] {
        let before = every.heads().len();
        let answer = gateway.dial().name("127.0.0.1").h1().ask(request);
        assert_eq!(answer.status(), 200, "{request}");
        let heads = every.heads();
        assert_eq!((heads.len(), heads[before].target()), (before + 1, path));
        assert_eq!(plain(&gateway).ask(request).status(), 308);
    }
    // Checks leave no lines.
    assert_eq!(gateway.access.lines(7).len(), 7);
    gateway.reload(&config("", &named, &every));
    let request = "GET /up HTTP/1.0\r\n\r\n";
    let [tls, plain] = by_address(&gateway, request);
    assert_eq!((tls.1.as_str(), plain.0), ("ok", 308));
}

#[test]
fn a_check_by_tcp_alone_is_no_missing_proxy_header() {
    let (named, every) = (Upstream::ok(), Upstream::ok());
    let listen = "status = \"127.0.0.1:0\"\nproxy_protocol = [\"127.0.0.5\"]";
    let gateway = TestGateway::start(&config(listen, &named, &every));
    let dial = gateway.dial().from("127.0.0.5");
    let refused = || {
        let (_, metrics) = gateway.status("/metrics");
        let mut lines = metrics
            .lines()
            .filter(|line| line.contains("\"proxy_header\""));
        let value = lines
            .next()
            .and_then(|line| line.split(' ').nth(1).map(str::to_owned));
        value.map_or(0, |value| value.parse().unwrap())
    };
    for _ in 0..3 {
        drop(dial.tcp());
        // As HAProxy ends its checks: without waiting.
        let socket = socket2::Socket::from(dial.tcp());
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(socket);
    }
    gateway.is_left_by_all();
    assert_eq!(refused(), 0);
    dial.tcp().write_all(b"PROX").unwrap();
    eventually("the one that began and did not end is counted", || {
        refused() == 1
    });
}

/// They are as cheap as can be, and count all the same: they leave no line in the access log.
#[test]
fn health_checks_count_towards_the_rate_of_their_client() {
    let upstream = Upstream::ok();
    let limits = "requests_per_client = \"3/h\"\nexempt = []";
    let config = config("health_path = \"/up\"", &upstream, &upstream).limits(limits);
    let gateway = TestGateway::start(&config);
    let check = "GET /up HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let statuses = [(); 5].map(|()| plain(&gateway).ask(check).status());
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}
