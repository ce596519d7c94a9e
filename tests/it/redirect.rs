//! Plain HTTP leads to https and nowhere else.

use crate::harness::{Client, Config, Dial, TestGateway, Upstream};

fn world(listen: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let listen = format!("https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n{listen}");
    let gateway = TestGateway::start(&Config::to(&upstream).listen(&listen));
    (upstream, gateway)
}

fn plain(gateway: &TestGateway) -> Client<std::net::TcpStream> {
    Client::new(Dial::new(gateway.http(), rustls::RootCertStore::empty()).tcp())
}

#[test]
fn plain_http_is_sent_to_https_as_it_is() {
    let (upstream, gateway) = world("");
    let port = gateway.https().port();
    let mut client = plain(&gateway);
    for (request, location) in [
        (
            "GET /janus/info?x=1&y=%20 HTTP/1.1\r\nHost: localhost:8080",
            "localhost",
            "/janus/info?x=1&y=%20",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: Example.TEST",
            "example.test",
            "/",
        ),
        ("GET / HTTP/1.1\r\nHost: [::1]:80", "[::1]", "/"),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: 192.0.2.1",
            "192.0.2.1",
            "/",
        ),
    ]
    .map(|(request, host, target)| (request, format!("https://{host}:{port}{target}")))
    {
        let answer = client.ask(format!("{request}\r\n\r\n"));
        assert_eq!(
            (answer.status(), answer.head.get("location")),
            (308, Some(location.as_str())),
            "{request}"
        );
    }
    assert!(upstream.heads().is_empty());
}

#[test]
fn the_public_port_is_the_one_named() {
    let (_upstream, gateway) = world("public_port = 443");
    assert_eq!(
        plain(&gateway).get("/x").head.get("location"),
        Some("https://localhost/x")
    );
    let (_upstream, gateway) = world("public_port = 4443");
    assert_eq!(
        plain(&gateway).get("/x").head.get("location"),
        Some("https://localhost:4443/x")
    );
}

#[test]
fn nobody_is_sent_to_a_host_that_is_none() {
    let (_upstream, gateway) = world("");
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: evil@localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: local/host\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        (
            "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
        ),
    ] {
        let answer = plain(&gateway).ask(request);
        assert_eq!(
            (answer.status(), answer.head.get("location")),
            (status, None),
            "{request}"
        );
    }
}

#[test]
fn tls_on_the_plain_port_ends() {
    let (_upstream, gateway) = world("");
    let mut client = plain(&gateway);
    client.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    client.send([0; 512]);
    // A word or none, but no redirect, and no waiting.
    assert!(
        client
            .try_answer()
            .map_or(true, |answer| answer.status() == 400)
    );
    drop(client);
    gateway.is_left_by_all();
}
