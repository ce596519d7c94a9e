//! Another proxy in front: its own server name, and plain HTTP where it ends TLS.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use ianitor::listen::Kind;

use crate::harness::gateway::trusted;
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, Dial, TestGateway, Upstream};

const PROXY: &str = "127.0.0.6";

const LISTEN: &str = "https = [\"127.0.0.1:0\"]\n\
    plain = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.6\"]";

fn config(upstream: &Upstream) -> Config {
    Config::to(upstream).listen(LISTEN)
}

fn nth(gateway: &TestGateway, kind: Kind, at: usize) -> SocketAddr {
    gateway.running().addresses(kind).nth(at).unwrap()
}

/// A client of `listen.plain`.
fn plain(gateway: &TestGateway) -> Client<std::net::TcpStream> {
    let address = nth(gateway, Kind::Plain, 0);
    Client::new(
        Dial::new(address, rustls::RootCertStore::empty())
            .from(PROXY)
            .tcp(),
    )
}

fn get(target: &str, host: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

#[test]
fn a_trusted_proxy_may_ask_by_any_server_name() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream));
    let internal = || gateway.dial_blindly().name("gateway.internal");
    let mut proxy = internal().from(PROXY).h1();
    for host in ["localhost", "media.test"] {
        assert_eq!(proxy.ask(get("/", host, "")).status(), 200, "{host}");
    }
    assert_eq!(internal().from(PROXY).h2().get("/").status, 200);
    let hosts: Vec<_> = upstream.heads();
    assert_eq!(hosts[1].get("host"), Some("media.test"));
    assert!(internal().tls(&["http/1.1"]).is_err());
}

#[test]
fn with_a_default_certificate_the_host_decides_for_every_unknown_server_name() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]";
    let tls = "self_signed = [\"localhost\"]\ndefault = true";
    let config = Config::to(&upstream).listen(listen).tls(tls);
    let gateway = TestGateway::start(&config);
    let mut client = gateway.dial_blindly().name("gateway.internal").h1();
    for host in ["localhost", "media.test", "gateway.internal"] {
        assert_eq!(client.ask(get("/", host, "")).status(), 200, "{host}");
    }
    // A name that a certificate has stands for that name.
    let answer = gateway.client().ask(get("/", "media.test", ""));
    assert_eq!(answer.status(), 421);
}

#[test]
fn plain_http_behind_a_proxy_that_ends_tls_is_https() {
    let upstream = Upstream::answering(
        "HTTP/1.1 302 Found\r\nLocation: http://media.test/next\r\nContent-Length: 0\r\n\r\n",
    );
    let config = Config::new()
        .listen(LISTEN)
        .upstream("app", &upstream.url())
        .route_with("/", "app", "policy = \"open\"\nhsts = \"1d\"");
    let gateway = TestGateway::start(&config);
    let mut client = plain(&gateway);
    for more in [
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n",
        "Forwarded: for=192.0.2.7;proto=https\r\n",
        "X-Forwarded-For: 192.0.2.7\r\n",
    ] {
        let answer = client.ask(get("/x", "media.test", more));
        assert_eq!(answer.status(), 302);
        let field = |name| answer.head.get(name);
        assert_eq!(field("location"), Some("https://media.test/next"));
        assert_eq!(field("strict-transport-security"), Some("max-age=86400"));
        let heads = upstream.heads();
        let head = heads.last().unwrap();
        for (name, value) in [
            ("host", "media.test"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
        ] {
            assert_eq!(head.get(name), Some(value), "{more}");
        }
    }
    // Who came to the proxy by plain HTTP is sent to https, and nothing else happens.
    for more in [
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n",
        "Forwarded: for=192.0.2.7;proto=http\r\n",
    ] {
        let answer = client.ask(get("/x?y", "media.test", more));
        let location = answer.head.get("location");
        assert_eq!(
            (answer.status(), location),
            (308, Some("https://media.test/x?y"))
        );
    }
    let more = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n";
    let answer = client.ask(get("/x", "media.test:8443", more));
    let location = answer.head.get("location");
    assert_eq!(location, Some("https://media.test:8443/x"));
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    assert_eq!(upstream.heads().len(), 3);
}

#[test]
fn servers_get_the_port_of_the_proxy() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .listen("https = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.1\"]")
        .upstream("app", &upstream.url())
        .route_with("/", "app", "policy = \"open\"");
    let gateway = TestGateway::start(&config);
    let client_named = "X-Forwarded-For: 192.0.2.7\r\n";
    for (host, more, port) in [
        ("localhost", "", "443"),
        ("localhost:9443", "", "9443"),
        ("localhost:9443", "X-Forwarded-Port: 8443\r\n", "8443"),
        ("localhost", "X-Forwarded-Port: 0\r\n", "443"),
        (
            "localhost",
            "X-Forwarded-Port: 1\r\nX-Forwarded-Port: 2\r\n",
            "443",
        ),
    ] {
        let request = get("/", host, &format!("{client_named}{more}"));
        assert_eq!(gateway.client().ask(request).status(), 200);
        let heads = upstream.heads();
        let head = heads.last().unwrap();
        assert_eq!(head.get("x-forwarded-port"), Some(port), "{host} {more}");
    }
}

#[test]
fn a_proxy_header_that_is_not_expected_is_named() {
    let gateway = GatewayProcess::start(&Config::to(&Upstream::ok()));
    for header in [
        &b"PROXY TCP4 192.0.2.7 192.0.2.1 1 443\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ] {
        let mut tcp = gateway.dial().tcp();
        tcp.write_all(header).unwrap();
        let _ = tcp.read(&mut [0; 16]);
    }
    let event = gateway.event("a PROXY header from a peer that is not in listen.proxy_protocol");
    assert!(event.contains("peer=127.0.0.1:"), "{event}");
}

#[test]
fn websockets_pass_a_proxy_that_ends_tls() {
    let upstream = echo();
    let gateway = TestGateway::start(&config(&upstream));
    let mut client = plain(&gateway);
    client.send(handshake("/janus", "X-Forwarded-Proto: wss\r\n"));
    assert_eq!(client.head().status(), 101);
    client.send(crate::harness::websocket::Frame::from_client(1, "x").bytes());
    assert_eq!(client.wire.frame().unwrap().payload, b"x");
    drop(client);
    let mut client = gateway.client();
    client.send(handshake("/janus", ""));
    assert_eq!(client.head().status(), 101);
    is_alive(&mut client);
}

#[test]
fn a_gateway_behind_a_proxy_needs_no_certificate() {
    let upstream = Upstream::ok();
    let listen = "plain = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\n\
                  trusted_proxies = [\"127.0.0.6\"]";
    let config = Config::new()
        .listen(listen)
        .tls("")
        .upstream("app", &upstream.url())
        .route_with("/", "app", "host = \"media.test\"\npolicy = \"open\"");
    let gateway = TestGateway::start(&config);
    assert_eq!(
        plain(&gateway).ask(get("/", "media.test", "")).status(),
        200
    );
    let answer = plain(&gateway).ask(get("/", "media.test", "X-Forwarded-Proto: http\r\n"));
    assert_eq!(answer.head.get("location"), Some("https://media.test/"));
    let (status, text) = gateway.status("/readyz");
    assert_eq!(status, 200, "{text}");
}

#[test]
fn without_a_server_name_the_address_chooses_the_certificate() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream)
        .listen("https = [\"127.0.0.1:0\", \"127.0.0.3:0\", \"127.0.0.4:0\"]")
        .tls("self_signed = [\"localhost\", \"127.0.0.3\"]");
    let gateway = TestGateway::start(&config);
    let dial = |at| Dial::new(nth(&gateway, Kind::Https, at), trusted(gateway.folder()));
    // Clients verify that the certificate names the address.
    assert_eq!(dial(1).name("127.0.0.3").h1().get("/").status(), 200);
    assert_eq!(dial(1).name("127.0.0.3").h2().get("/").status, 200);
    // No certificate is for this address: it gets the first.
    assert!(dial(2).name("127.0.0.4").tls(&["http/1.1"]).is_err());
    let first = dial(0).tls(&["http/1.1"]).unwrap().leaf();
    let shown = dial(2)
        .name("127.0.0.4")
        .blind()
        .tls(&["http/1.1"])
        .unwrap();
    assert_eq!(shown.leaf(), first);
}
