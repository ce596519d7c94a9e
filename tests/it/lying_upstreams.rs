//! Upstreams whose answers are wrong, or unusual: what clients see of them, in one piece and byte
//! by byte, and that the next request gets its own answer.
//! More about where answers end: [`smuggling_answers`](crate::smuggling_answers).

use std::sync::Arc;

use crate::harness::h1::is_end;
use crate::harness::{Client, Config, Conn, TestGateway, Then, Upstream, h2};

/// An answer, and what clients see of it.
struct Row {
    sent: String,
    then: Then,
    seen: Seen,
}

enum Seen {
    /// All of it, with this body. Whether the connection is used again.
    Whole(&'static str, bool),
    /// 502, with this reason in the log.
    Rejected(&'static str),
    /// A body that is cut off.
    Cut,
}

const BROKEN: Seen = Seen::Rejected("upstream_broken");
const KEPT: bool = true;
const CLOSED: bool = false;

fn row(sent: impl Into<String>, seen: Seen) -> Row {
    Row {
        sent: sent.into(),
        then: Then::Keep,
        seen,
    }
}

/// The server closes the connection behind its answer.
fn last(sent: impl Into<String>, seen: Seen) -> Row {
    Row {
        then: Then::Close,
        ..row(sent, seen)
    }
}

/// A head with these lines behind a usual status line, and a body of `ok`.
fn with(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\nok")
}

fn chunked(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// Answers `/whole/N` with row N in one piece, and `/bytes/N` with the same byte by byte. Anything
/// else is answered with the number of requests before it on its connection, which is then closed.
fn answer(rows: &[Row], conn: &mut Conn) -> std::io::Result<()> {
    let mut before = 0;
    while let Some(request) = conn.request()? {
        let mut parts = request.head.target().split('/').skip(1);
        let (way, row) = (parts.next(), parts.next());
        let Some(row) = row.map(|row| &rows[row.parse::<usize>().unwrap()]) else {
            return conn.send(format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{before}"
            ));
        };
        let size = if way == Some("bytes") {
            1
        } else {
            row.sent.len()
        };
        for piece in row.sent.as_bytes().chunks(size) {
            conn.send(piece)?;
        }
        if row.then == Then::Close {
            break;
        }
        before += 1;
    }
    Ok(())
}

fn check(rows: Vec<Row>, ways: &[&str]) {
    let rows = Arc::new(rows);
    let served = Arc::clone(&rows);
    let upstream = Upstream::raw(move |conn| answer(&served, conn));
    // One worker, so that there is a connection to be used again.
    let config = Config::to(&upstream).listen("https = [\"127.0.0.1:0\"]\nworkers = 1");
    let gateway = TestGateway::start(&config);
    let (mut h1, mut h2) = (gateway.client(), gateway.dial().h2());
    let mut next = gateway.client();
    for (number, row) in rows.iter().enumerate() {
        let is_kept = matches!(row.seen, Seen::Whole(_, KEPT));
        let before = if is_kept { "1" } else { "0" };
        for target in ways.iter().map(|way| format!("/{way}/{number}")) {
            let shown = format!("{target}: {}", row.sent.escape_debug());
            check_h1(&mut h1, &target, row, &shown);
            assert_eq!(next.get("/").text(), before, "{shown}");
            check_h2(&mut h2, &target, row, &shown);
            assert_eq!(next.get("/").text(), before, "{shown}");
            if !matches!(row.seen, Seen::Whole(..)) {
                h1 = gateway.client();
            }
        }
    }
    check_log(&gateway, &rows, ways.len());
    upstream.is_left_by_all();
}

/// Each row has been asked for twice in each way, and each time something else behind it.
#[track_caller]
fn check_log(gateway: &TestGateway, rows: &[Row], ways: usize) {
    let lines = gateway.access.lines(rows.len() * ways * 4);
    for reason in ["upstream_broken", "upstream_head", "upstream_cut"] {
        let written = lines
            .iter()
            .filter(|line| line.contains(&format!("={reason}")));
        let expected = rows.iter().filter(|row| match row.seen {
            Seen::Whole(..) => false,
            Seen::Rejected(rejected) => rejected == reason,
            Seen::Cut => reason == "upstream_cut",
        });
        assert_eq!(written.count(), expected.count() * ways * 2, "{reason}");
    }
}

#[track_caller]
fn check_h1(client: &mut Client, target: &str, row: &Row, shown: &str) {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    match (&row.seen, client.try_answer()) {
        (Seen::Whole(body, _), Ok(answer)) => assert_eq!(answer.text(), *body, "{shown}"),
        (Seen::Rejected(_), Ok(answer)) => assert_eq!(answer.status(), 502, "{shown}"),
        (Seen::Cut, Err(error)) => assert!(is_end(&error), "{shown}: {error:?}"),
        (_, other) => panic!("{shown}: {other:?}"),
    }
}

#[track_caller]
fn check_h2(client: &mut h2::Client, target: &str, row: &Row, shown: &str) {
    match (&row.seen, client.try_send(h2::get(target), b"")) {
        (Seen::Whole(body, _), Ok(answer)) => {
            assert_eq!(answer.body, body.as_bytes(), "{shown}");
        }
        (Seen::Rejected(_), Ok(answer)) => assert_eq!(answer.status, 502, "{shown}"),
        (Seen::Cut, Err(error)) => assert!(error.is_reset(), "{shown}: {error:?}"),
        (_, other) => panic!("{shown}: {other:?}"),
    }
}

#[test]
fn an_unusual_answer_is_passed_on() {
    let length = "Content-Length: 2\r\n";
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n";
    check(
        vec![
            row(with(length), Seen::Whole("ok", KEPT)),
            row(
                format!("HTTP/1.1 200\r\n{length}\r\nok"),
                Seen::Whole("ok", KEPT),
            ),
            row(
                format!("HTTP/1.1 299 Ja\r\n{length}\r\nok"),
                Seen::Whole("ok", KEPT),
            ),
            row(format!("\r\n\r\n{}", with(length)), Seen::Whole("ok", KEPT)),
            row(
                "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
                Seen::Whole("ok", KEPT),
            ),
            row(
                with("X: \u{e9}\r\nContent-Length:2 \r\n"),
                Seen::Whole("ok", KEPT),
            ),
            row(with("Content-Length: 2, 2\r\n"), Seen::Whole("ok", KEPT)),
            row(format!("{old}\r\nok"), Seen::Whole("ok", CLOSED)),
            row(
                format!("{old}Connection: keep-alive\r\n\r\nok"),
                Seen::Whole("ok", KEPT),
            ),
            row(
                with("Content-Length: 2\r\nConnection: x, close\r\n"),
                Seen::Whole("ok", CLOSED),
            ),
            row(
                format!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 \r\n\r\n{}",
                    with(length)
                ),
                Seen::Whole("ok", KEPT),
            ),
            row("HTTP/1.1 204 No Content\r\n\r\n", Seen::Whole("", KEPT)),
            row(chunked("2\r\nok\r\n0\r\n\r\n"), Seen::Whole("ok", KEPT)),
            row(
                chunked("00001 ;a=\"b\"\r\no\r\n1\r\nk\r\n0;c\r\n\r\n"),
                Seen::Whole("ok", KEPT),
            ),
            last("HTTP/1.1 200 OK\r\n\r\nok", Seen::Whole("ok", CLOSED)),
            last(
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nok",
                Seen::Whole("ok", CLOSED),
            ),
        ],
        &["whole", "bytes"],
    );
}

#[test]
fn a_wrong_head_is_502() {
    let length = "Content-Length: 2\r\n";
    let field = |line: &str| row(with(&format!("{line}\r\n{length}")), BROKEN);
    let lengths = |line: &str| row(with(&format!("{line}\r\n")), BROKEN);
    check(
        vec![
            row("HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", BROKEN),
            row("http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", BROKEN),
            row("HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", BROKEN),
            row("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", BROKEN),
            row("HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", BROKEN),
            row("HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok", BROKEN),
            field("X-A: b\0c"),
            field("X-A: b\rc"),
            field("X-A: b\r\n folded"),
            field("X-A : b"),
            field("X A: b"),
            field("X-A"),
            field(": b"),
            lengths("Content-Length: +2"),
            lengths("Content-Length: 2x"),
            lengths("Content-Length:"),
            lengths("Content-Length: 18446744073709551616"),
            lengths("Content-Length: 2, 3"),
            lengths("Content-Length: 2\r\nContent-Length: 3"),
            row(
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                BROKEN,
            ),
            last("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20", BROKEN),
            last("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r", BROKEN),
        ],
        &["whole", "bytes"],
    );
}

#[test]
fn a_head_that_is_too_large_is_502() {
    let long = format!("X-A: {}\r\nContent-Length: 2\r\n", "b".repeat(80 * 1024));
    let many = format!("{}Content-Length: 2\r\n", "X-A: b\r\n".repeat(256));
    check(
        vec![
            row(with(&long), Seen::Rejected("upstream_head")),
            row(with(&many), Seen::Rejected("upstream_head")),
        ],
        &["whole"],
    );
}

#[test]
fn a_body_that_is_not_as_declared_is_cut_off() {
    check(
        vec![
            last(with("Content-Length: 3\r\n"), Seen::Cut),
            last(chunked("2\r\no"), Seen::Cut),
            last(chunked("2\r\nok\r\n0\r\n"), Seen::Cut),
            last(chunked("2\r\nok\r\n0\r\nX-Sum: 1\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n+1\r\nx\r\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n0x1\r\nx\r\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n\r\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n1\nx\r\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nokk\r\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nok\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n10000000000000000\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n1;a\nb\r\nx\r\n0\r\n\r\n"), Seen::Cut),
            row(chunked("2\r\nok\r\n0\r\nX-Sum : 1\r\n\r\n"), Seen::Cut),
            row(
                chunked("2\r\nok\r\n0\r\nX-Sum: 1\r\n folded\r\n\r\n"),
                Seen::Cut,
            ),
            row(chunked("2\r\nok\r\n0\r\nX-Sum: \0\r\n\r\n"), Seen::Cut),
        ],
        &["whole", "bytes"],
    );
}

#[test]
fn bytes_behind_an_answer_end_its_connection() {
    let more = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    check(
        vec![
            row(
                with("Content-Length: 2\r\n") + more,
                Seen::Whole("ok", CLOSED),
            ),
            row(with("Content-Length: 0\r\n"), Seen::Whole("", CLOSED)),
            row(
                chunked("2\r\nok\r\n0\r\n\r\n") + more,
                Seen::Whole("ok", CLOSED),
            ),
            row(
                chunked("2\r\nok\r\n0\r\n\r\n\r\n"),
                Seen::Whole("ok", CLOSED),
            ),
            row(
                format!("HTTP/1.1 204 No Content\r\n\r\n{more}"),
                Seen::Whole("", CLOSED),
            ),
        ],
        // In one piece: bytes that come once the connection has been used again are an answer.
        &["whole"],
    );
}
