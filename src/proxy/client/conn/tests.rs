//! One connection, with a server that follows a script.

use std::rc::Rc;

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::*;
use crate::proxy::request_body::RequestBody;
use crate::route::upstream::Protocol;
use crate::slot::{MaxConnections, Sockets};

/// A connection and its server.
fn conn() -> (UpstreamConn, UnixStream) {
    let (ours, server) = UnixStream::pair().unwrap();
    let room = Sockets::new(9).server("unix:/server");
    let socket = room.take(MaxConnections::Unlimited, false).unwrap();
    let conn = UpstreamConn::new(UpstreamStream::Unix(ours), socket, 0, 0);
    (conn, server)
}

fn get() -> Outgoing<'static> {
    let request = Request::get("/a?b").header("host", "a.test");
    let request = request.body(RequestBody::empty()).unwrap();
    Outgoing::new(request, false, Duration::from_secs(60), Protocol::Http)
}

fn late() -> Alarm {
    Rc::new(Ticks::default()).alarm(Duration::from_secs(60))
}

/// The whole body of an answer.
async fn body(conn: &mut UpstreamConn) -> Result<Vec<u8>, UpstreamFault> {
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|cx| conn.poll_frame(cx)).await {
        whole.extend_from_slice(frame?.data_ref().map_or(&[], |data| data));
    }
    Ok(whole)
}

/// What a server gets, and answers in these parts.
async fn answers(server: &mut UnixStream, parts: &[&[u8]]) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
    for part in parts {
        server.write_all(part).await.unwrap();
        // The connection reads each part for itself.
        (0..3).for_each(|_| std::thread::yield_now());
        tokio::task::yield_now().await;
    }
    head
}

const ANSWER: &[u8] =
    b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

#[tokio::test]
async fn an_answer_in_single_bytes_is_read_and_an_idle_connection_has_no_buffers() {
    let (mut conn, mut server) = conn();
    let whole = [ANSWER];
    let bytes: Vec<&[u8]> = ANSWER.chunks(1).collect();
    for parts in [&whole[..], &bytes] {
        let (mut outgoing, late) = (get(), late());
        let read = async {
            let answer = conn.send(&mut outgoing, &late).await.unwrap();
            assert_eq!(answer.status(), 200);
            let reason = answer.extensions().get::<ReasonPhrase>().unwrap();
            assert_eq!(reason.as_bytes(), b"Fine");
            body(&mut conn).await.unwrap()
        };
        let (body, head) = tokio::join!(read, answers(&mut server, parts));
        assert_eq!(body, b"hello");
        assert_eq!(head, b"GET /a?b HTTP/1.1\r\nhost: a.test\r\n\r\n");
        assert!(conn.is_reusable());
        assert!(conn.input.holds_nothing());
    }
}

#[tokio::test]
async fn behind_the_end_of_chunks_or_trailers_the_workers_buffer_is_not_kept() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for end in [&b"0\r\n\r\n"[..], b"0\r\nX-Sum: 1\r\n\r\n"] {
        let (mut conn, mut server) = conn();
        let (mut outgoing, late) = (get(), late());
        let parts = [HEAD, end];
        let read = async {
            conn.send(&mut outgoing, &late).await.unwrap();
            body(&mut conn).await.unwrap()
        };
        let (body, _) = tokio::join!(read, answers(&mut server, &parts));
        assert_eq!(body, b"hello");
        assert!(conn.is_reusable() && conn.input.holds_nothing());
    }
}

/// Uses up what the runtime lets a task do before it has to let others run.
async fn use_up_budget() {
    while tokio::task::coop::has_budget_remaining() {
        tokio::task::coop::consume_budget().await;
    }
}

#[tokio::test]
async fn a_task_that_has_done_much_sees_what_came_before_a_request_too() {
    for before in [ANSWER, b""] {
        for is_sent in [false, true] {
            let (mut conn, mut server) = conn();
            server.write_all(before).await.unwrap();
            server.shutdown().await.unwrap();
            conn.stream_is_readable().await;
            let (mut outgoing, late) = (get(), late());
            use_up_budget().await;
            if is_sent {
                conn.send(&mut outgoing, &late).await.unwrap_err();
                assert!(outgoing.is_untouched());
            } else {
                assert!(!conn.is_reusable());
            }
        }
    }
}

#[tokio::test]
async fn interim_answers_are_skipped_and_not_without_end() {
    const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    for (count, is_answered) in [(1, true), (16, true), (17, false)] {
        let (mut conn, mut server) = conn();
        let parts = [&INTERIM.repeat(count), ANSWER];
        let (mut outgoing, late) = (get(), late());
        let sent = conn.send(&mut outgoing, &late);
        let (answer, _) = tokio::join!(sent, answers(&mut server, &parts));
        match answer {
            Ok(answer) => assert!(is_answered && answer.status() == 200, "{count}"),
            Err(SendError::Broken(UpstreamFault::Interim)) => assert!(!is_answered, "{count}"),
            Err(error) => panic!("{count}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn what_came_before_a_request_does_not_answer_it_and_leaves_it_untouched() {
    for before in [ANSWER, b"x", b""] {
        let (mut conn, mut server) = conn();
        server.write_all(before).await.unwrap();
        server.shutdown().await.unwrap();
        conn.stream_is_readable().await;
        let mut outgoing = get();
        let error = conn.send(&mut outgoing, &late()).await.unwrap_err();
        let is_unasked = matches!(error, SendError::Broken(UpstreamFault::Unasked));
        assert_eq!(is_unasked, !before.is_empty(), "{error:?}");
        assert!(outgoing.is_untouched() && !conn.is_reusable());
    }
}

#[tokio::test]
async fn a_connection_with_more_than_the_answer_is_not_reusable() {
    let more = [ANSWER, b"HTTP/1.1 200 OK\r\n\r\n"].concat();
    let parts = [&more[..]];
    let (mut conn, mut server) = conn();
    let (mut outgoing, late) = (get(), late());
    let (answer, _) = tokio::join!(
        conn.send(&mut outgoing, &late),
        answers(&mut server, &parts)
    );
    answer.unwrap();
    assert_eq!(body(&mut conn).await.unwrap(), b"hello");
    assert!(conn.has_ended() && !conn.is_reusable());
}

#[tokio::test]
async fn what_is_behind_a_101_belongs_to_the_tunnel() {
    let (mut conn, mut server) = conn();
    let parts: [&[u8]; 1] = [b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi"];
    let (mut outgoing, late) = (get(), late());
    let (answer, _) = tokio::join!(
        conn.send(&mut outgoing, &late),
        answers(&mut server, &parts)
    );
    assert_eq!(answer.unwrap().status(), 101);
    assert!(!conn.is_reusable());
    let (_, early, _) = conn.into_stream().unwrap();
    assert_eq!(&early[..], b"\x81\x02hi");
}

impl UpstreamConn {
    async fn stream_is_readable(&self) {
        let UpstreamStream::Unix(stream) = &self.stream else {
            unreachable!();
        };
        stream.readable().await.unwrap();
    }
}
