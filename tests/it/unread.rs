//! Answers that are not read: what is held for them is bounded, and they hold up nothing else.

use futures_util::future::join_all;

use crate::harness::{Config, TestGateway, Then, Upstream, h2, pattern};

const LARGE: usize = 400_000;
const MANY: usize = 60;

/// Large answers of a known length and of none, and a small one.
fn world() -> (Upstream, TestGateway) {
    let upstream = Upstream::http(|request, conn| {
        match request.head.target() {
            "/small" => conn.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            )?,
            "/chunked" => {
                conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for chunk in pattern(LARGE).chunks(7000) {
                    conn.send(
                        [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat(),
                    )?;
                }
                conn.send("0\r\n\r\n")?;
            }
            _ => {
                conn.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"
                ))?;
                conn.send(pattern(LARGE))?;
            }
        }
        Ok(Then::Keep)
    });
    let config = Config::to(&upstream)
        .table("[[routes]]\npath = \"/file\"\nfiles = \"file\"\npolicy = \"open\"");
    let gateway = TestGateway::start(&config);
    std::fs::write(gateway.folder().join("file"), pattern(LARGE)).unwrap();
    (upstream, gateway)
}

#[test]
fn paused_downloads_hold_up_no_small_answer_and_go_on_when_they_are_read() {
    let (_upstream, gateway) = world();
    let mut client = gateway.dial().h2_with_window(64 << 20);
    let targets = ["/length", "/chunked", "/file"];
    let asked: Vec<_> = (0..MANY)
        .map(|n| client.begin(h2::get(targets[n % 3]), true).0)
        .collect();
    let paused: Vec<_> = client
        .run(join_all(asked))
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for _ in 0..20 {
        let answer = client.get("/small");
        assert_eq!((answer.status, answer.body), (200, b"ok".into()));
    }
    assert_eq!(client.get("/.ianitor/nothing").status, 404);
    // Half of them are given up; the others come whole.
    let (read, given_up): (Vec<_>, Vec<_>) = paused
        .into_iter()
        .enumerate()
        .partition(|(n, _)| n % 2 == 0);
    drop(given_up);
    let read = join_all(read.into_iter().map(|(_, answer)| h2::gather(answer)));
    for answer in client.run(read) {
        assert!(answer.unwrap().body == pattern(LARGE));
    }
    drop(client);
    gateway.is_left_by_all();
}

#[test]
fn a_download_comes_whole_however_slowly_it_is_read() {
    let (_upstream, gateway) = world();
    for target in ["/length", "/chunked", "/file"] {
        let mut client = gateway.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.head();
        assert_eq!(head.status(), 200);
        // The gateway has met a socket that takes no more by then.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let (body, _) = client
            .wire
            .body(&head, crate::harness::message::Otherwise::Nothing)
            .unwrap();
        assert!(body == pattern(LARGE), "{target}");
    }
}
