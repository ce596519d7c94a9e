//! A small body is complete before its upstream hears of it: a client that sends it byte by byte
//! keeps no upstream busy.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;

use crate::harness::message::Otherwise;
use crate::harness::{Client, Config, TestGateway, Then, Upstream, eventually, h2, pattern};

fn world() -> (Upstream, TestGateway) {
    let upstream = Upstream::http(|request, conn| {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        );
        conn.send(answer)?;
        conn.send(&request.body).map(|()| Then::Keep)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    (upstream, gateway)
}

/// Requests that were sent later have been answered, and of others only those `before` have come:
/// had one more gone on, it would be there too.
#[track_caller]
fn has_not_gone_on(upstream: &Upstream, gateway: &TestGateway, before: usize) {
    let others = || {
        upstream
            .heads()
            .iter()
            .filter(|head| head.target() != "/later")
            .count()
    };
    for _ in 0..3 {
        assert_eq!(gateway.client().get("/later").status(), 200);
    }
    assert_eq!(others(), before);
}

const WITH_LENGTH: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_small_body_goes_on_when_it_is_complete() {
    let (upstream, gateway) = world();
    let cases = [
        (WITH_LENGTH, "01234", "56789"),
        (CHUNKED, "5\r\n01234\r\n", "5\r\n56789\r\n0\r\n\r\n"),
        (CHUNKED, "a\r\n0123456789\r\n", "0\r\n\r\n"),
    ];
    for (before, (head, begin, end)) in cases.into_iter().enumerate() {
        let mut client = gateway.client();
        client.send(head);
        client.send(begin);
        has_not_gone_on(&upstream, &gateway, before);
        assert_eq!(client.ask(end).text(), "0123456789");
    }
}

#[test]
fn over_http2_too() {
    let (upstream, gateway) = world();
    for (before, length) in [Some("10"), None].into_iter().enumerate() {
        let mut request = h2::post("/");
        request
            .headers_mut()
            .extend(length.map(|length| (http::header::CONTENT_LENGTH, length.parse().unwrap())));
        let mut client = gateway.dial().h2();
        let (answer, mut stream) = client.begin(request, false);
        stream
            .send_data(Bytes::from_static(b"01234"), false)
            .unwrap();
        // Runs the connection until the gateway has it.
        assert_eq!(client.get("/later").status, 200);
        has_not_gone_on(&upstream, &gateway, before);
        stream
            .send_data(Bytes::from_static(b"56789"), true)
            .unwrap();
        let answer = client.run(async { h2::gather(answer.await.unwrap()).await.unwrap() });
        assert_eq!(answer.body, b"0123456789");
    }
}

#[test]
fn expect_is_answered_before_the_upstream_is_asked() {
    let (upstream, gateway) = world();
    let mut client = gateway.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    );
    assert_eq!(client.head().status(), 100);
    has_not_gone_on(&upstream, &gateway, 0);
    assert_eq!(client.ask("0123456789").text(), "0123456789");
}

#[test]
fn trailers_come_behind_a_gathered_body() {
    let (upstream, gateway) = world();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
                Trailer: x-sum\r\n\r\n";
    let answer = gateway
        .client()
        .ask(format!("{head}2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n"));
    assert_eq!(answer.text(), "ab");
    assert_eq!(
        upstream.only_request().trailers.to_ascii_lowercase(),
        "x-sum: 1\n"
    );
}

/// An upstream that tells how much of a body has come before its end.
fn counting() -> (Upstream, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let shared = std::sync::Arc::clone(&seen);
    let upstream = Upstream::raw(move |conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        if head.get("content-length").is_some() {
            let first = conn.wire.exactly(5)?;
            shared.lock().unwrap().extend(first);
        } else {
            // The first chunk of many.
            let first = conn.wire.exactly(1000)?;
            shared.lock().unwrap().extend(first);
        }
        let _ = conn.wire.body(&head, Otherwise::Nothing);
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    (upstream, seen)
}

#[test]
fn a_large_body_is_not_waited_for() {
    // One that says so, and one that turns out to be large.
    let (upstream, seen) = counting();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n01234");
    eventually("the upstream has the beginning", || {
        *seen.lock().unwrap() == b"01234"
    });
    drop(client);
    let (upstream, seen) = counting();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(CHUNKED);
    for _ in 0..70 {
        client.send([b"400\r\n", &pattern(1024)[..], b"\r\n"].concat());
    }
    eventually("the upstream has the beginning", || {
        seen.lock().unwrap().len() == 1000
    });
}

#[test]
fn a_body_that_turns_out_to_be_large_arrives_byte_for_byte() {
    let (upstream, gateway) = world();
    for size in [65_535, 65_536, 65_537, 300_000] {
        let body = pattern(size);
        for piece in [999, 40_000] {
            let mut client = gateway.client();
            client.send(CHUNKED);
            for chunk in body.chunks(piece) {
                client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            }
            assert!(client.ask("0\r\n\r\n").body == body, "{size} {piece}");
        }
        assert!(gateway.client().post("/", &body).body == body);
        assert!(gateway.dial().h2().send(h2::post("/"), &body).body == body);
    }
    assert_eq!(upstream.requests().len(), 16);
}

#[test]
fn a_gathered_body_goes_to_another_server_if_the_first_takes_no_connection() {
    let (upstream, _) = world();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let servers = format!(
        "[upstreams.app]\nservers = [\"http://{closed}\", \"{}\"]\n",
        upstream.url()
    );
    let gateway = TestGateway::start(&Config::new().table(&servers).route("/", "app"));
    for _ in 0..4 {
        assert_eq!(
            gateway.client().post("/", b"0123456789").text(),
            "0123456789"
        );
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn a_client_that_breaks_off_never_had_an_upstream() {
    let (upstream, gateway) = world();
    for head in [WITH_LENGTH, CHUNKED] {
        let mut client: Client = gateway.client();
        client.send(head);
        client.send("1");
        drop(client);
    }
    gateway.is_left_by_all();
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_body_that_comes_byte_by_byte_is_408_and_never_had_an_upstream() {
    let (upstream, gateway) = world();
    let mut client = gateway.client();
    // Longer than any other test waits: that is what is measured.
    client
        .wire
        .stream
        .tcp()
        .set_read_timeout(Some(Duration::from_secs(90)))
        .unwrap();
    client.send(WITH_LENGTH);
    let mut slow = client.wire.stream.clone();
    let dripping = std::thread::spawn(move || {
        let mut drip = |byte: &u8| {
            std::thread::sleep(Duration::from_secs(7));
            slow.write_all(&[*byte]).is_ok()
        };
        b"012345678".iter().take_while(|byte| drip(byte)).count()
    });
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.head.get("connection")),
        (408, Some("close"))
    );
    drop(client);
    dripping.join().unwrap();
    gateway.is_left_by_all();
    assert!(
        gateway.access.lines(1)[0].contains(" reason=body_slow "),
        "{:?}",
        gateway.access.now()
    );
    assert!(upstream.heads().is_empty());
}
