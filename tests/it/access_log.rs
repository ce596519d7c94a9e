//! One line for each request and each tunnel: what it was, how much it moved, who ended it and why,
//! and no secret.

use serde_json::Value;

use crate::harness::websocket::{Frame, TEXT, handshake, switching};
use crate::harness::{Config, TestGateway, Then, Upstream, h2};

fn world(upstream: &Upstream, log: &str) -> TestGateway {
    TestGateway::start(&Config::to(upstream).log(log))
}

fn json(gateway: &TestGateway, count: usize) -> Vec<Value> {
    gateway
        .access
        .lines(count)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_request_has_one_line() {
    let upstream = Upstream::ok();
    let gateway = world(&upstream, "");
    let request = "POST /janus HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl\r\n\
                   Content-Length: 5\r\n\r\nhello";
    assert_eq!(
        gateway.dial().from("127.0.0.3").h1().ask(request).status(),
        200
    );
    let line = gateway.access.lines(1).remove(0);
    let id = upstream
        .only_request()
        .head
        .get("x-request-id")
        .unwrap()
        .to_owned();
    for part in [
        " request client=127.0.0.3 method=POST host=\"localhost\" path=\"/janus\" http=HTTP/1.1 \
         status=200 ",
        " route=/ upstream=app in=5 out=2 ms=",
        " end=done agent=\"curl\" id=",
        &id,
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn json_has_the_same_facts() {
    let upstream = Upstream::ok();
    let gateway = world(&upstream, "format = \"json\"");
    gateway.dial().h2().send(h2::post("/janus"), b"hello");
    let line = json(&gateway, 1).remove(0);
    for (name, value) in [
        ("kind", Value::from("request")),
        ("client", "127.0.0.1".into()),
        ("method", "POST".into()),
        ("host", "localhost".into()),
        ("path", "/janus".into()),
        ("http", "HTTP/2.0".into()),
        ("status", 200.into()),
        ("route", "/".into()),
        ("upstream", "app".into()),
        ("in", 5.into()),
        ("out", 2.into()),
        ("end", "done".into()),
        ("reason", Value::Null),
        (
            "id",
            upstream.only_request().head.get("x-request-id").into(),
        ),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
}

#[test]
fn no_secret_is_written() {
    let upstream = Upstream::ok();
    let gateway = world(&upstream, "");
    let mut client = gateway.client();
    for target in [
        "/janus/6849467271614562/1234567890?token=S3CR3T&apisecret=S3CR3T",
        "/x?S3CR3T",
        "/x/../y?jwt=S3CR3T",
    ] {
        client.ask(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nCookie: ianitor=S3CR3T\r\n\
             Authorization: Bearer S3CR3T\r\n\
             Referer: https://localhost/?token=S3CR3T\r\nSec-WebSocket-Protocol: S3CR3T\r\n\r\n"
        ));
    }
    let lines = gateway.access.lines(3);
    assert!(
        lines
            .iter()
            .all(|line| !line.contains("S3CR3T") && !line.contains("6849467271614562")),
        "{lines:#?}"
    );
    assert!(
        lines[0].contains("path=\"/janus/*/*?token=*&apisecret=*\""),
        "{}",
        lines[0]
    );
}

#[test]
fn a_line_cannot_be_forged() {
    let upstream = Upstream::ok();
    for format in ["text", "json"] {
        let gateway = world(&upstream, &format!("format = \"{format}\""));
        gateway
            .client()
            .ask("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\" end=done\tid=1\r\n\r\n");
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains("x\\\" end=done\\\\tid=1"), "{line}");
    }
}

#[test]
fn a_refusal_says_why() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .log("format = \"json\"")
        .limits("body = 3")
        .upstream("app", &upstream.url())
        .policy("few", "\"127.0.0.9\"")
        .route_with("/few", "app", "policy = \"few\"")
        .route("/app", "app");
    let gateway = TestGateway::start(&config);
    for (request, status, reason) in [
        (
            "GET /few HTTP/1.1\r\nHost: localhost\r\n\r\n",
            403,
            "address",
        ),
        (
            "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
            404,
            "no_route",
        ),
        (
            "GET /app/../x HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "path_dot_segment",
        ),
        ("GET /app HTTP/1.1\r\n\r\n", 400, "host"),
        ("GET /app HTTP/1.1\r\nHost: evil.test\r\n\r\n", 421, "sni"),
        (
            "GET https://x/app HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "authority",
        ),
        (
            "TRACE /app HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
            "method",
        ),
        (
            "POST /app HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nlong",
            413,
            "body_too_large",
        ),
    ] {
        assert_eq!(gateway.client().ask(request).status(), status);
        let line = json(&gateway, 1).remove(0);
        assert_eq!(
            (line["status"].as_u64(), line["reason"].as_str()),
            (Some(status.into()), Some(reason)),
            "{line}"
        );
        gateway.access.clear();
    }
}

#[test]
fn a_client_that_leaves_has_ended_it() {
    let upstream = Upstream::raw(|conn| {
        let head = conn.head()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        if head.target() == "/begun" {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
        }
        conn.wait_for_end()
    });
    let gateway = world(&upstream, "format = \"json\"");
    let mut waiting = gateway.client();
    waiting.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    upstream.has_accepted(1);
    drop(waiting);
    let line = json(&gateway, 1).remove(0);
    assert_eq!(
        (line["end"].as_str(), line["out"].as_u64()),
        (Some("client"), Some(0)),
        "{line}"
    );
    gateway.access.clear();

    let mut reading = gateway.client();
    reading.send("GET /begun HTTP/1.1\r\nHost: localhost\r\n\r\n");
    reading.head();
    assert_eq!(reading.wire.exactly(4).unwrap(), b"half");
    drop(reading);
    let line = json(&gateway, 1).remove(0);
    let facts = (
        line["status"].as_u64(),
        line["end"].as_str(),
        line["out"].as_u64(),
    );
    assert_eq!(facts, (Some(200), Some("client"), Some(4)), "{line}");
}

#[test]
fn an_upstream_that_breaks_off_has_ended_it() {
    let upstream = Upstream::answering_last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    let gateway = world(&upstream, "format = \"json\"");
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.try_answer().expect_err("a cut");
    assert!(gateway.dial().h2().try_send(h2::get("/"), b"").is_err());
    for line in json(&gateway, 2) {
        assert_eq!(
            (line["end"].as_str(), line["reason"].as_str()),
            (Some("upstream"), Some("upstream_cut")),
            "{line}"
        );
        assert_eq!(
            (line["status"].as_u64(), line["out"].as_u64()),
            (Some(200), Some(4)),
            "{line}"
        );
    }
}

/// Agrees, and ends after the first frame if that says so.
fn tunnels() -> Upstream {
    Upstream::raw(|conn| {
        conn.head()?;
        conn.send(switching(""))?;
        if conn.wire.frame()?.payload == b"end" {
            conn.send(Frame::server_close(1000, "").bytes())?;
            return Ok(());
        }
        conn.wait_for_end()
    })
}

#[test]
fn a_tunnel_has_one_line_when_it_is_over() {
    let upstream = tunnels();
    let gateway = world(&upstream, "format = \"json\"");
    for (word, end) in [("end", "upstream"), ("stay", "client")] {
        let mut client = gateway.client();
        client.send(handshake("/ws?token=S3CR3T", ""));
        assert_eq!(client.head().status(), 101);
        assert!(gateway.access.now().is_empty(), "not before it is over");
        let frame = Frame::from_client(TEXT, word).bytes();
        client.send(&frame);
        let sent = if end == "upstream" {
            client.wire.frame().unwrap().bytes().len()
        } else {
            0
        };
        drop(client);
        let line = json(&gateway, 1).remove(0);
        assert_eq!(
            (line["kind"].as_str(), line["end"].as_str()),
            (Some("tunnel"), Some(end)),
            "{line}"
        );
        assert_eq!(
            (line["status"].as_u64(), line["path"].as_str()),
            (Some(101), Some("/ws?token=*")),
            "{line}"
        );
        assert_eq!(
            (line["in"].as_u64(), line["out"].as_u64()),
            (Some(frame.len() as u64), Some(sent as u64)),
            "{line}"
        );
        gateway.access.clear();
    }
}

#[test]
fn a_tunnel_that_the_gateway_closed_says_so() {
    let upstream = tunnels();
    let mut gateway = TestGateway::start(
        &Config::to(&upstream)
            .log("format = \"json\"")
            .limits("drain = \"0s\""),
    );
    let open = |gateway: &TestGateway| {
        let mut client = gateway.client();
        client.send(handshake("/ws", ""));
        assert_eq!(client.head().status(), 101);
        client
    };
    let mut client = open(&gateway);
    let log = |text: &str| {
        Config::new()
            .upstream("app", &upstream.url())
            .route(text, "app")
            .log("format = \"json\"")
    };
    gateway.reload(&log("/other").limits("drain = \"0s\""));
    client.wire.frame().unwrap();
    drop(client);
    assert_eq!(json(&gateway, 1)[0]["end"], "policy");
    gateway.access.clear();
    gateway.reload(&log("/").limits("drain = \"0s\""));
    let client = open(&gateway);
    gateway.drain();
    drop(client);
    assert_eq!(json(&gateway, 1)[0]["end"], "drain");
}

#[test]
fn a_refused_handshake_is_a_request() {
    let upstream = Upstream::http(|_, conn| {
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            .map(|()| Then::Close)
    });
    let gateway = world(&upstream, "format = \"json\"");
    gateway.client().ask(handshake("/ws", ""));
    let line = json(&gateway, 1).remove(0);
    assert_eq!(
        (line["kind"].as_str(), line["status"].as_u64()),
        (Some("request"), Some(403)),
        "{line}"
    );
}

#[test]
fn nothing_is_written_where_nothing_is_wanted() {
    let upstream = Upstream::ok();
    let mut gateway = world(&upstream, "access = false");
    gateway.client().get("/silent");
    gateway.is_left_by_all();
    gateway.reload(&Config::to(&upstream));
    gateway.client().get("/loud");
    assert!(gateway.access.lines(1)[0].contains("/loud"));
}
