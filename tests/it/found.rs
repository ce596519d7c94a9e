//! What attacks have found, each kept as a story.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;

use crate::harness::h2::{get, post};
use crate::harness::websocket::{CLOSE, Frame, TEXT, handshake, switching};
use crate::harness::{Config, TestGateway, Then, Upstream, eventually};
use crate::live::check_live;

#[test]
fn an_answer_is_not_lost_behind_the_reset_of_an_unwanted_body() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream)
        .policy("nobody", "\"192.0.2.1\"")
        .route_with("/admin", "app", "policy = \"nobody\"");
    let gateway = TestGateway::start(&config);
    let mut client = gateway.dial().h2();
    let (response, mut stream) = client.begin(post("/admin"), false);
    let answer = client
        .run(async { crate::harness::h2::gather(response.await?).await })
        .unwrap();
    assert_eq!(answer.status, 403);
    // The stream is still there to take what the client had under way, and only then it is over.
    stream.send_data(Bytes::from_static(b"late"), true).unwrap();
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_handshake_under_way_does_not_escape_a_reload() {
    let (answer, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let upstream = Upstream::raw(move |conn| {
        conn.head()?;
        let _ = wait.lock().unwrap().recv();
        conn.send(switching(""))?;
        conn.wait_for_end()
    });
    let mut gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(handshake("/ws", ""));
    eventually("the handshake at the upstream", || {
        upstream.heads().len() == 1
    });
    let refusing = Config::new()
        .upstream("app", &upstream.url())
        .policy("nobody", "\"192.0.2.1\"")
        .route_with("/", "app", "policy = \"nobody\"");
    gateway.reload(&refusing);
    answer.send(()).unwrap();
    assert_eq!(client.head().status(), 101);
    let frame = client.wire.frame().unwrap();
    assert_eq!((frame.opcode, frame.close().0), (CLOSE, 1008));
    drop(client);
    gateway.is_left_by_all();
}

#[test]
fn one_connection_is_not_worth_a_hundred() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        conn.wait_for_end()
    });
    let limits = "connections_per_client = 5\nexempt = []";
    let gateway = TestGateway::start(&Config::to(&upstream).limits(limits));
    let mut client = gateway.dial().h2();
    let held: Vec<_> = (0..5)
        .map(|n| client.begin(get(&format!("/{n}")), true))
        .collect();
    client.run(async { tokio::task::yield_now().await });
    let mut other = gateway.dial().h2();
    eventually("five requests at the upstream", || {
        // Their connection moves while it is asked something.
        client.run(async {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        });
        upstream.heads().len() == 5
    });
    let refused = other.get("/one-more");
    assert_eq!(
        (
            refused.status,
            refused.headers["retry-after"].to_str().unwrap()
        ),
        (503, "1")
    );
    drop((held, client));
    eventually("room again", || {
        other.try_send(get("/.ianitor"), b"").unwrap().status == 404
    });
    drop(other);
    gateway.is_left_by_all();
}

#[test]
fn trailers_cannot_say_what_headers_cannot() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    gateway.client().ask(
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Forwarded-For, X-Sum\r\n\r\n\
         2\r\nab\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Sum: 1\r\n\r\n",
    );
    let mut trailers = HeaderMap::new();
    trailers.insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
    let mut client = gateway.dial().h2();
    let mut request = post("/");
    request
        .headers_mut()
        .insert("trailer", "x-forwarded-for".parse().unwrap());
    let (response, mut stream) = client.begin(request, false);
    stream.send_data(Bytes::from_static(b"ab"), false).unwrap();
    stream.send_trailers(trailers).unwrap();
    assert_eq!(client.run(response).unwrap().status(), 200);
    assert_eq!(upstream.requests().len(), 2);
    for request in upstream.requests() {
        assert_eq!(request.body, b"ab");
        assert!(!request.trailers.contains("6.6.6.6"), "{request:?}");
    }
    assert!(
        upstream.requests()[0]
            .trailers
            .to_ascii_lowercase()
            .contains("x-sum: 1")
    );
}

#[test]
fn there_is_one_framing_in_one_spelling() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let ask = |framing: &str, body: &str| {
        gateway
            .client()
            .ask(format!(
                "POST / HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n{body}"
            ))
            .status()
    };
    assert_eq!(ask("Content-Length: 002\r\n", "ab"), 200);
    assert_eq!(
        upstream.only_request().head.get("content-length"),
        Some("2")
    );
    assert_eq!(
        ask(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "2\r\nab\r\n0\r\n\r\n"
        ),
        501
    );
    let mut client = gateway.dial().h2();
    let mut request = post("/");
    request
        .headers_mut()
        .append("content-length", "2".parse().unwrap());
    request
        .headers_mut()
        .append("content-length", "2".parse().unwrap());
    if let Ok(answer) = client.try_send(request, b"ab") {
        assert_eq!(answer.status, 200);
        let head = upstream
            .requests()
            .pop()
            .unwrap()
            .head
            .to_string()
            .to_ascii_lowercase();
        assert_eq!(head.matches("content-length").count(), 1, "{head}");
    }
}

#[test]
fn a_password_before_the_host_is_not_logged() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let refused = gateway
        .client()
        .ask("GET / HTTP/1.1\r\nHost: user:S3CR3T@localhost\r\n\r\n");
    assert_eq!(refused.status(), 400);
    assert!(!gateway.access.lines(1)[0].contains("S3CR3T"));
}

#[test]
fn a_broken_head_leaves_a_line() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream).limits("header_timeout = \"1s\""));
    let mut client = gateway.client();
    assert_eq!(
        client.ask("GET / HTTP/1.1\r\nBad Header\r\n\r\n").status(),
        400
    );
    let mut slow = gateway.client();
    slow.send("GET / HTTP/1.1\r\nHo");
    assert_eq!(slow.answer().status(), 408);
    let lines = gateway.access.lines(2);
    assert!(
        lines[0].contains("status=400") && lines[0].contains("reason=broken_head"),
        "{lines:#?}"
    );
    assert!(
        lines[1].contains("status=408") && lines[1].contains("reason=late_head"),
        "{lines:#?}"
    );
}

#[test]
fn a_head_above_the_limit_is_431_whatever_was_read_at_once() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let ask = |len: usize| {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
            "a".repeat(len)
        );
        gateway.client().ask(head).status()
    };
    assert_eq!(ask(60_000), 200);
    assert_eq!(ask(66_000), 431);
    assert_eq!(ask(100_000), 431);
}

#[test]
fn a_name_that_nothing_serves_is_refused_as_such() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let dial = gateway.dial().name("unknown.test");
    let mut hello = Vec::new();
    rustls::ClientConnection::new(dial.config(&[]), dial.server_name())
        .unwrap()
        .write_tls(&mut hello)
        .unwrap();
    let mut tcp = dial.tcp();
    tcp.write_all(&hello).unwrap();
    let mut alert = Vec::new();
    tcp.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [0x15, 3, 3, 0, 2, 2, 112], "unrecognized_name");
}

#[test]
fn check_live_counts_an_answer_that_ends_the_connection() {
    let upstream = Upstream::answering_last(
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    let silent = Upstream::http(|_, _| Ok(Then::Close));
    let text = Config::to(&upstream)
        .upstream("silent", &silent.url())
        .route("/silent", "silent")
        .text();
    for _ in 0..20 {
        let (text, is_success) = check_live(&text);
        assert!(
            text.contains("answers (HTTP 404") && text.contains("the connection was closed"),
            "{text}"
        );
        assert_eq!(text.matches("does not answer").count(), 1, "{text}");
        assert!(!is_success, "{text}");
    }
}

/// So that a frame's bytes are not only compared with themselves.
#[test]
fn frames_are_as_the_rfc_says() {
    assert_eq!(
        Frame::from_client(TEXT, "Hello").bytes(),
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    );
}
