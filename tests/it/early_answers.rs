//! An answer may come before the request's body has ended: every client sees it, also one that
//! sends everything first.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use crate::harness::message::Otherwise;
use crate::harness::upstream::Conn;
use crate::harness::{Config, TestGateway, Upstream, h2, pattern};

/// More than sockets hold.
const LARGE: usize = 20 << 20;

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CLOSES: &str =
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";

/// Answers when it has the head, then goes on by a script.
fn early(answer: &'static str, then: fn(&mut Conn) -> std::io::Result<()>) -> Upstream {
    Upstream::raw(move |conn| {
        while conn.head()?.is_some() {
            conn.send(answer)?;
            then(conn)?;
        }
        Ok(())
    })
}

/// As Node does.
fn reads_the_rest(answer: &'static str) -> Upstream {
    Upstream::raw(move |conn| {
        while let Some(head) = conn.head()? {
            conn.send(answer)?;
            let (body, _) = conn.wire.body(&head, Otherwise::Nothing)?;
            assert!(
                body.is_empty() || body == pattern(LARGE),
                "what comes is what was sent"
            );
        }
        Ok(())
    })
}

fn gateway(upstream: &Upstream) -> TestGateway {
    TestGateway::start(&Config::to(upstream).limits("body = \"100MiB\""))
}

/// A POST by a client that looks at nothing before it has sent everything, as Python's does.
fn posts_all(gateway: &TestGateway) -> (u16, Vec<u8>) {
    let mut client = gateway.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n"
    ));
    client.send(pattern(LARGE));
    let answer = client.answer();
    assert_eq!(answer.head.get("connection"), Some("close"));
    // In order, and not by a reset.
    assert!(client.wire.rest().unwrap().is_empty());
    (answer.status(), answer.body)
}

#[test]
fn an_upstream_that_reads_on_gets_the_body_beside_its_answer() {
    for (answer, status, text) in [(UNAUTHORIZED, 401, "no"), (OK, 200, "ok")] {
        let upstream = reads_the_rest(answer);
        let gateway = gateway(&upstream);
        for _ in 0..3 {
            assert_eq!(posts_all(&gateway), (status, text.into()));
        }
        let answer = gateway.dial().h2().send(h2::post("/"), &pattern(LARGE));
        assert_eq!((answer.status, answer.body), (status, text.into()));
        gateway.is_left_by_all();
        // Each worker's connection was good for another request.
        assert!(
            upstream.heads().len() == 4 && upstream.accepted() <= 2,
            "{}",
            upstream.accepted()
        );
        for line in gateway.access.lines(4) {
            // An HTTP/2 client may go as soon as it has its answer.
            let is_whole =
                line.contains(&format!(" in={LARGE} out=2 ")) && !line.contains("reason=");
            assert!(
                line.contains(" end=done ") && (is_whole || line.contains("HTTP/2.0")),
                "{line}"
            );
        }
    }
}

#[test]
fn an_upstream_that_resets_behind_its_answer_has_answered() {
    // Closing over unread bytes is what sends the reset.
    let upstream = early(CLOSES, |_| Err(std::io::ErrorKind::Other.into()));
    let gateway = gateway(&upstream);
    for _ in 0..10 {
        assert_eq!(posts_all(&gateway), (413, b"no".into()));
    }
    gateway.is_left_by_all();
    for line in gateway.access.lines(10) {
        assert!(
            line.contains(" status=413 ") && line.contains(" reason=body_unread "),
            "{line}"
        );
    }
    let mut h2 = gateway.dial().h2();
    for _ in 0..10 {
        let (answer, mut stream) = h2.begin(h2::post("/"), false);
        // More than is gathered.
        stream.reserve_capacity(1 << 20);
        stream.send_data(vec![b'x'; 100_000].into(), false).unwrap();
        assert_eq!(
            h2.run(async { h2::gather(answer.await.unwrap()).await.unwrap() })
                .status,
            413
        );
    }
}

#[test]
fn an_upstream_that_reads_no_more_has_answered() {
    let deaf = |conn: &mut Conn| {
        conn.wire.stream.shutdown(Shutdown::Read)?;
        std::thread::park_timeout(crate::harness::DEADLINE * 2);
        Ok(())
    };
    let gateway_and_upstream = |answer| {
        let upstream = early(answer, deaf);
        (gateway(&upstream), upstream)
    };
    let (gateway, _upstream) = gateway_and_upstream(UNAUTHORIZED);
    assert_eq!(posts_all(&gateway), (401, b"no".into()));
    gateway.is_left_by_all();
    assert!(
        gateway.access.lines(1)[0].contains(" reason=body_unread "),
        "{:?}",
        gateway.access.now()
    );
}

#[test]
fn a_large_early_answer_and_a_client_that_sends_first_do_not_wait_for_each_other() {
    for reads_on in [true, false] {
        let upstream = Upstream::raw(move |conn| {
            let Some(head) = conn.head()? else {
                return Ok(());
            };
            let mut writer = conn.wire.stream.try_clone()?;
            let writing = std::thread::spawn(move || {
                write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")?;
                writer.write_all(&pattern(LARGE))
            });
            if reads_on {
                conn.wire.body(&head, Otherwise::Nothing)?;
            }
            writing.join().unwrap()?;
            conn.wait_for_end()
        });
        let gateway = gateway(&upstream);
        if reads_on {
            let (status, body) = posts_all(&gateway);
            assert!(status == 200 && body == pattern(LARGE));
            continue;
        }
        // Nothing takes the body, and the answer has to be read for either side to come to its end.
        let mut client = gateway.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n"
        ));
        client.send(&pattern(LARGE)[..100_000]);
        assert!(client.answer().body == pattern(LARGE));
    }
}

#[test]
fn what_the_gateway_itself_answers_reaches_a_client_that_sends_first() {
    let upstream = Upstream::ok();
    let table =
        "[[routes]]\npath = \"/moved\"\nredirect = \"https://localhost/\"\npolicy = \"open\"";
    let gateway = TestGateway::start(&Config::to(&upstream).limits("body = \"1KiB\"").table(table));
    for (path, status) in [("/", 413), ("/moved", 308), ("/%00", 400)] {
        let mut client = gateway.client();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n"
        ));
        client.send(pattern(LARGE));
        assert_eq!(client.answer().status(), status, "{path}");
        assert!(client.wire.rest().unwrap().is_empty());
    }
    gateway.is_left_by_all();
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_client_that_goes_away_behind_an_early_answer_ends_the_request_at_its_upstream() {
    let upstream = early(OK, |conn| conn.wait_for_end());
    let gateway = gateway(&upstream);
    let mut client = gateway.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\nbegun"
    ));
    assert_eq!(client.answer().status(), 200);
    drop(client);
    gateway.is_left_by_all();
    upstream.is_left_by_all();
}

#[test]
fn a_client_that_stops_sending_behind_an_early_answer_is_not_waited_for() {
    let upstream = early(OK, |conn| conn.wait_for_end());
    let gateway = gateway(&upstream);
    let mut client = gateway.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\nbegun"
    ));
    assert_eq!(client.answer().status(), 200);
    let mut rest = Vec::new();
    client.wire.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    gateway.is_left_by_all();
    upstream.is_left_by_all();
}
