//! The upstream and the gateway always agree on where a request ends.

use crate::harness::h1::{Answer, is_end};
use crate::harness::upstream::Request;
use crate::harness::websocket::handshake;
use crate::harness::{Config, TestGateway, Then, Upstream};

/// What one connection with these bytes on it is answered first, and what the upstream got of it.
fn play(bytes: &[u8]) -> (Option<Answer>, Upstream) {
    play_and(bytes, Ends::Listening)
}

/// What the client does once it has said everything.
#[derive(PartialEq)]
enum Ends {
    Listening,
    /// Whoever waits for more learns that there is none.
    Writing,
}

fn play_and(bytes: &[u8], ends: Ends) -> (Option<Answer>, Upstream) {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(bytes);
    if ends == Ends::Writing {
        // The gateway may have closed already.
        let _ = client.wire.stream.end_writing();
    }
    let answer = client
        .try_answer()
        .map_err(|error| assert!(is_end(&error), "{error:?}"))
        .ok();
    drop(client);
    gateway.is_left_by_all();
    drop(gateway);
    upstream.is_left_by_all();
    (answer, upstream)
}

/// Exactly one way to say how long it is.
#[track_caller]
fn has_one_framing(request: &Request) {
    let head = &request.head;
    let said = head.all("content-length").len() + head.all("transfer-encoding").len();
    assert_eq!(said, 1, "{head}");
}

#[test]
fn broken_framing_is_refused_and_never_forwarded() {
    for (headers, statuses) in [
        ("Content-Length: 5\r\nContent-Length: 6", &[400][..]),
        ("Content-Length: 5, 6", &[400]),
        ("Content-Length : 5", &[400]),
        ("Content-Length: +5", &[400]),
        ("Content-Length: -5", &[400]),
        ("Content-Length: 0x5", &[400]),
        ("Content-Length: 5 5", &[400]),
        ("Content-Length:", &[400]),
        ("Content-Length: 99999999999999999999", &[400]),
        ("Content-Length: 5\r\n folded", &[400]),
        ("X: y\r\n Content-Length: 5", &[400]),
        ("X: y\r\n\tTransfer-Encoding: chunked", &[400]),
        ("\0X: y\r\nContent-Length: 5", &[400]),
        (": y\r\nContent-Length: 5", &[400]),
        ("Transfer-Encoding : chunked", &[400]),
        ("Transfer-Encoding: gzip, chunked", &[501]),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            &[501],
        ),
        ("Transfer-Encoding: chunked, chunked", &[400, 501]),
        ("Transfer-Encoding: chunked, gzip", &[400]),
        ("Transfer-Encoding: identity", &[400, 501]),
        ("Transfer-Encoding: xchunked", &[400, 501]),
        ("Transfer-Encoding: \"chunked\"", &[400, 501]),
        ("Transfer-Encoding: chunked;x", &[400, 501]),
        ("Transfer-Encoding: \x0bchunked", &[400]),
        ("Transfer-Encoding:", &[400, 501]),
    ] {
        let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let request = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{smuggled}");
        let (answer, upstream) = play(request.as_bytes());
        let status = answer.expect("an answer to {headers:?}").status();
        assert!(statuses.contains(&status), "{headers:?}: {status}");
        let arrived = upstream.heads();
        assert!(arrived.is_empty(), "{headers:?}: {arrived:?}");
    }
}

#[test]
fn broken_chunks_never_make_a_whole_request() {
    for chunks in [
        "fffffffffffffffff\r\nx",
        "ffffffffffffffff\r\nx",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\nbroken trailer\r\n\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let (answer, upstream) = play_and(
            format!("{head}{chunks}{smuggled}").as_bytes(),
            Ends::Writing,
        );
        assert!(
            answer.as_ref().is_none_or(|a| a.status() == 400),
            "{chunks:?}: {answer:?}"
        );
        assert!(
            upstream.requests().is_empty(),
            "{chunks:?}: {:?}",
            upstream.requests()
        );
        assert!(
            upstream.heads().iter().all(|head| head.target() == "/"),
            "{chunks:?}"
        );
    }
}

#[test]
fn the_upstream_gets_exactly_one_framing() {
    for (name, headers, body) in [
        (
            "both",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "both, the other way round",
            "Transfer-Encoding: chunked\r\nContent-Length: 50",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "in capitals",
            "TRANSFER-ENCODING: CHUNKED",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "with extensions",
            "Transfer-Encoding: chunked",
            "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n",
        ),
        (
            "with zeroes",
            "Transfer-Encoding: chunked",
            "0000000005\r\nhello\r\n000\r\n\r\n",
        ),
        ("a length", "Content-Length: 5", "hello"),
        (
            "a length said twice",
            "Content-Length: 5\r\nContent-Length: 5",
            "hello",
        ),
        ("zeroes in front", "Content-Length: 0005", "hello"),
    ] {
        for method in ["POST", "GET", "DELETE"] {
            let request =
                format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}");
            let (answer, upstream) = play(request.as_bytes());
            assert_eq!(
                answer.map(|answer| answer.status()),
                Some(200),
                "{name}, {method}"
            );
            let request = upstream.only_request();
            assert_eq!(request.body, b"hello", "{name}, {method}");
            has_one_framing(&request);
            assert!(!request.head.to_string().contains("a=b"));
        }
    }
}

#[test]
fn a_connection_with_two_framings_is_not_used_again() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\
                 Transfer-Encoding: chunked\r\n\r\n",
    );
    client.send("0\r\n\r\nGET /next HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
    client.is_closed();
    assert_eq!(upstream.only_request().head.target(), "/");
}

#[test]
fn line_ends_are_written_anew() {
    let (answer, upstream) =
        play(b"POST / HTTP/1.1\nHost: localhost\nX: y\nContent-Length: 5\n\nhello");
    assert_eq!(answer.map(|answer| answer.status()), Some(200));
    let request = upstream.only_request();
    assert_eq!(request.body, b"hello");
    has_one_framing(&request);
    let text = request.head.to_string();
    assert_eq!(
        text.matches('\n').count(),
        text.matches("\r\n").count(),
        "{text:?}"
    );
    assert_eq!(request.head.get("x"), Some("y"));
}

#[test]
fn a_refused_requests_body_is_no_request() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(
        &Config::new()
            .upstream("app", &upstream.url())
            .route("/app", "app"),
    );
    let inner = "GET /app/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = format!("Content-Length: {}\r\n\r\n{inner}", inner.len());
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n",
        inner.len()
    );
    for (target, status) in [("/nowhere", 404), ("/app/../x", 400)] {
        for body in [&length, &chunked] {
            let mut client = gateway.client();
            let answer = client.ask(format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\n{body}"
            ));
            assert_eq!(
                (answer.status(), answer.head.get("connection")),
                (status, Some("close")),
                "{target}"
            );
            client.is_closed();
        }
    }
    assert!(upstream.heads().is_empty());
    // Without a body the next request is one.
    let mut client = gateway.client();
    client.send(format!(
        "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n{inner}"
    ));
    assert_eq!(
        [client.answer().status(), client.answer().status()],
        [404, 200]
    );
}

#[test]
fn connection_cannot_take_away_what_a_request_means() {
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nX-Mine: 1\r\n\
                   X-Kept: 1\r\n\
         Connection: host, content-length, transfer-encoding, x-forwarded-for, x-real-ip, \
         x-request-id, x-mine\r\n\r\nhello";
    let (answer, upstream) = play(request.as_bytes());
    assert_eq!(answer.map(|answer| answer.status()), Some(200));
    let request = upstream.only_request();
    assert_eq!(request.body, b"hello");
    has_one_framing(&request);
    let get = |name| request.head.get(name);
    assert_eq!(get("host"), Some("localhost"));
    assert_eq!(get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(get("x-real-ip"), Some("127.0.0.1"));
    assert!(get("x-request-id").is_some());
    assert_eq!(
        (get("x-mine"), get("x-kept"), get("connection")),
        (None, Some("1"), None)
    );
}

#[test]
fn other_upgrades_go_on_as_ordinary_requests() {
    for headers in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
        "Connection: Upgrade\r\nUpgrade: foo",
        "Connection: keep-alive\r\nUpgrade: websocket",
        "Upgrade: websocket",
        "Connection: Upgrade",
    ] {
        let next = "GET /next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let (answer, upstream) = play(
            format!("GET /first HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{next}").as_bytes(),
        );
        assert_eq!(answer.map(|answer| answer.status()), Some(200), "{headers}");
        let first = &upstream.heads()[0];
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(first.get(name), None, "{headers}");
        }
    }
}

#[test]
fn what_follows_a_refused_upgrade_is_never_tunnelled() {
    let upstream = Upstream::http(|request, conn| {
        let status = if request.head.target() == "/ws" {
            "403 Forbidden"
        } else {
            "200 OK"
        };
        conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno"))
            .map(|()| Then::Keep)
    });
    let gateway = TestGateway::start(
        &Config::new()
            .upstream("app", &upstream.url())
            .route("/ws", "app"),
    );
    let mut client = gateway.client();
    client.send(handshake("/ws", "") + "GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    match client.try_answer() {
        Ok(next) => assert_eq!(next.status(), 404),
        Err(error) => assert!(is_end(&error), "{error:?}"),
    }
    assert_eq!(upstream.heads().len(), 1);
}
