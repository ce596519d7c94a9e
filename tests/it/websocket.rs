//! The opening handshake of a WebSocket: checked, passed on, and nothing but a WebSocket comes of
//! it.

use crate::harness::websocket::{ACCEPT, Frame, KEY, TEXT, handshake, switching};
use crate::harness::{Config, TestGateway, Then, Upstream};

#[test]
fn a_handshake_that_is_none_is_refused() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let handshake = |method: &str, headers: &str| {
        format!(
            "{method} /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n{headers}\r\n"
        )
    };
    let (version, key) = (
        "Sec-WebSocket-Version: 13\r\n",
        format!("Sec-WebSocket-Key: {KEY}\r\n"),
    );
    let with_version =
        |version: &str| handshake("GET", &format!("Sec-WebSocket-Version: {version}\r\n{key}"));
    let with_key = |key: &str| handshake("GET", &format!("{version}Sec-WebSocket-Key: {key}\r\n"));
    let with = |method: &str, more: &str| handshake(method, &format!("{version}{key}{more}"));
    for (request, rule) in [
        (with_version("12"), "version"),
        (with_version("8"), "version"),
        (with_version("8, 130"), "version"),
        (handshake("GET", &key), "version"),
        (handshake("GET", version), "key"),
        (with("GET", &key), "key"),
        (with_key("c2hvcnQ="), "key"),
        (with_key("not base64 at all!!!!!=="), "key"),
        (with_key(""), "key"),
        (with("POST", ""), "method"),
        (with("PUT", ""), "method"),
        (with("GET", "Content-Length: 1\r\n") + "x", "body"),
        (
            with("GET", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            "body",
        ),
    ] {
        gateway.access.clear();
        let answer = gateway.client().ask(request.as_bytes());
        let is_version = rule == "version";
        let status = if is_version { 426 } else { 400 };
        assert_eq!(answer.status(), status, "{request}");
        let known = is_version.then_some("13");
        assert_eq!(answer.head.get("sec-websocket-version"), known, "{request}");
        let line = gateway.access.lines(1).remove(0);
        let reason = format!("reason=websocket_{rule}");
        assert!(line.contains(&reason), "{reason}: {line}");
    }
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_handshake_that_other_proxies_accept_is_accepted() {
    let upstream = Upstream::raw(|conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        let key = http::HeaderValue::from_str(head.get("sec-websocket-key").unwrap()).unwrap();
        let accept = ianitor::proxy::websocket::accept(&key);
        conn.send(switching("").replace(ACCEPT, &accept))?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    // The key is the example of RFC 6455, section 4.1: its unused bits are not zero.
    let key = "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n";
    for lines in [
        "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n",
        "Sec-WebSocket-Version: 13, 8\r\n",
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
    ] {
        let mut client = gateway.client();
        client.send(format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n{key}{lines}\r\n"
        ));
        assert_eq!(client.head().status(), 101, "{lines}");
        let asked = upstream.heads().pop().unwrap();
        assert_eq!(asked.get("sec-websocket-version"), Some("13"), "{asked}");
        assert_eq!(asked.get("content-length"), None, "{asked}");
    }
}

#[test]
fn a_subprotocol_passes_both_ways() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        conn.send(switching(
            "Sec-WebSocket-Protocol: janus-protocol\r\nSet-Cookie: a=b\r\n",
        ))?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(handshake(
        "/ws?token=x",
        "Sec-WebSocket-Protocol: foo, janus-protocol\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: null\r\n",
    ));
    let head = client.head();
    assert_eq!(head.status(), 101, "{head}");
    for (name, value) in [
        ("sec-websocket-protocol", "janus-protocol"),
        ("sec-websocket-accept", ACCEPT),
        ("upgrade", "websocket"),
        ("set-cookie", "a=b"),
    ] {
        assert_eq!(head.get(name), Some(value), "{head}");
    }
    assert!(
        head.get("connection")
            .unwrap()
            .eq_ignore_ascii_case("upgrade")
    );
    let asked = upstream.heads().remove(0);
    for (name, value) in [
        ("host", "localhost"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "foo, janus-protocol"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("origin", "null"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(asked.get(name), Some(value), "{asked}");
    }
    assert!(
        asked
            .get("connection")
            .unwrap()
            .eq_ignore_ascii_case("upgrade")
    );
    assert_eq!(asked.target(), "/ws?token=x");
}

#[test]
fn the_upstreams_refusal_is_the_answer() {
    let upstream = Upstream::http(|request, conn| {
        let answer = match request.head.target() {
            "/403" => "403 Forbidden\r\nContent-Length: 4\r\nX-Why: token\r\n\r\nnope",
            "/401" => {
                "401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nTransfer-Encoding: chunked\r\n\r\n\
                 4\r\nnope\r\n0\r\n\r\n"
            }
            _ => "200 OK\r\nContent-Length: 4\r\n\r\nnope",
        };
        conn.send(format!("HTTP/1.1 {answer}")).map(|()| Then::Keep)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    for (target, status) in [("/403", 403), ("/401", 401), ("/200", 200)] {
        let answer = client.ask(handshake(target, ""));
        assert_eq!((answer.status(), answer.text().as_str()), (status, "nope"));
        assert_eq!(answer.head.get("upgrade"), None);
    }
    // The connection still speaks HTTP.
    assert_eq!(client.get("/").status(), 200);
}

#[test]
fn an_upgrade_that_does_not_answer_the_handshake_is_502() {
    for answer in [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ] {
        let upstream = Upstream::answering_last(answer);
        let gateway = TestGateway::start(&Config::to(&upstream));
        let got = gateway.client().ask(handshake("/ws", ""));
        assert_eq!(got.status(), 502, "{answer:?}");
        assert_eq!(got.head.get("upgrade"), None);
        upstream.is_left_by_all();
        assert_eq!(upstream.heads().len(), 1);
    }
}

#[test]
fn a_path_of_websockets_serves_ordinary_requests_too() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    assert_eq!(gateway.client().get("/xmpp-websocket").status(), 200);
    assert_eq!(gateway.dial().h2().get("/xmpp-websocket").status, 200);
}

#[test]
fn a_policy_is_asked_before_the_handshake_goes_on() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .policy("one", "\"127.0.0.1\"");
    let gateway = TestGateway::start(&config.route_with("/ws", "app", "policy = \"one\""));
    let answer = gateway
        .dial()
        .from("127.0.0.2")
        .h1()
        .ask(handshake("/ws", ""));
    assert_eq!(answer.status(), 403);
    assert_eq!(
        gateway.client().ask(handshake("/elsewhere", "")).status(),
        404
    );
    assert!(upstream.heads().is_empty());
}

#[test]
fn what_is_sent_with_the_handshake_is_not_lost() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        // In one piece with the 101.
        conn.send(
            [
                switching("").as_bytes(),
                &Frame::from_server(TEXT, "early").bytes(),
            ]
            .concat(),
        )?;
        let frame = conn.wire.frame()?;
        conn.send(Frame::from_server(TEXT, frame.payload).bytes())?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    for _ in 0..10 {
        let mut client = gateway.client();
        let frame = Frame::from_client(TEXT, "early too").bytes();
        client.send([handshake("/ws", "").as_bytes(), &frame].concat());
        assert_eq!(client.head().status(), 101);
        assert_eq!(
            client.wire.frame().unwrap(),
            Frame::from_server(TEXT, "early")
        );
        assert_eq!(
            client.wire.frame().unwrap(),
            Frame::from_server(TEXT, "early too")
        );
    }
}
