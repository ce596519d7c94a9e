//! A client connection that speaks HTTP/1.1.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::control::ConnCommand;
use super::io::{ConnIo, Stream};
use super::linger::StillToCome;
use super::requests::{MAX_HEAD, Requests, note_end};
use super::stack::Stack;
use super::timeout::within;
use super::{ConnInfo, Worker, linger};
use crate::addr::ClientAddr;
use crate::proxy::MAX_FIELDS;
use crate::pulse::Activity;
use crate::telemetry::access::{End, Exchange, Head};
use crate::tick::Ticks;

/// How many header fields hyper accepts. A head with this many is rejected by the layers, as one by
/// HTTP/2 is. With `MAX_FIELDS`, the two arrays that hyper allocates for each head would have the
/// size of its buffers, 8 KiB: the memory that they have written to would become the buffers of
/// connections that wait, which write to none of it themselves.
const HYPER_FIELDS: usize = MAX_FIELDS + 1;

/// Serves requests until the connection closes, or is handed to a tunnel.
pub(super) async fn serve<S: Stack>(stream: Stream, conn: Rc<ConnInfo>, stack: S) {
    let registered = conn.worker.enter_connection(Rc::clone(&conn.control));
    let worker = Rc::clone(&conn.worker);
    let slot = Rc::clone(&conn.slot);
    let client = conn.client;
    let io = TokioIo::new(ConnIo::new(stream, Rc::clone(&registered)));
    let mut http = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .max_headers(HYPER_FIELDS)
        .serve_connection(io, Requests::new(stack, conn));
    let command = poll_fn(|cx| {
        worker.ticks.pulse().note(Activity::Requests);
        match registered.take_command(cx) {
            Some(ConnCommand::Finish) => Pin::new(&mut http).graceful_shutdown(),
            Some(command) => return Poll::Ready(Some(command)),
            None => {}
        }
        http.poll_without_shutdown(cx).map(|ended| {
            let error = ended.err()?;
            registered.set_lingers();
            let is_cut = error.is_user();
            after_error(error, &worker, client);
            is_cut.then_some(ConnCommand::Abort)
        })
    })
    .await;
    if command == Some(ConnCommand::Abort) {
        return;
    }
    let parts = http.into_parts();
    drop(parts.service);
    let io = parts.io.into_inner();
    let has_ended = io.has_ended();
    let mut stream = io.into_inner();
    if command == Some(ConnCommand::LateHead) {
        log_head(&worker, client, 408, "late_head");
        worker.metrics.heads.inc("late");
        answer_late(&mut stream, &worker.ticks).await;
        linger::finish(stream, StillToCome::Unknown, &registered, &worker.ticks).await;
        return;
    }
    match registered.take_handoff() {
        Some(handoff) => handoff.start((stream, parts.read_buf), &worker.ticks, slot),
        None => {
            let still = if has_ended {
                StillToCome::Nothing
            } else if registered.lingers() || !parts.read_buf.is_empty() {
                StillToCome::Rest
            } else {
                StillToCome::Unknown
            };
            linger::finish(stream, still, &registered, &worker.ticks).await;
        }
    }
}

/// hyper has ended the connection. An answer that was cut must not look complete, so TLS is not
/// closed either. hyper's own answer to a malformed head must reach the client, whatever follows
/// that head.
fn after_error(error: hyper::Error, worker: &Worker, client: ClientAddr) {
    if error.is_parse() {
        match error.is_parse_too_large() {
            true => log_head(worker, client, 431, "head_too_large"),
            false => log_head(worker, client, 400, broken_part(&error)),
        }
    }
    note_end(Err(error), &worker.metrics);
}

/// Which part of a malformed head is wrong. hyper says so only in words.
fn broken_part(error: &hyper::Error) -> &'static str {
    let words = error.to_string();
    match () {
        () if words.contains("URI") => "broken_target",
        () if words.contains("version") => "broken_version",
        () if words.contains("content-length") => "broken_length",
        () if words.contains("transfer-encoding") => "broken_coding",
        () => "broken_head",
    }
}

/// Writes an access line for a head that never became a request and was answered before any layer
/// saw it.
fn log_head(worker: &Worker, client: ClientAddr, status: u16, reason: &'static str) {
    let exchange = Exchange::begin(worker.ids.next(), client, &worker.access, Head::unknown);
    exchange.note(|line| (line.status, line.reason, line.end) = (status, Some(reason), End::Done));
}

/// Answers a request head that took too long. No request is under way, so the stream is free.
async fn answer_late(stream: &mut Stream, ticks: &Rc<Ticks>) {
    let answer = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // A client that is too slow for a head may be too slow for an answer.
    let _ = within(linger::SHORT, ticks, stream.write_all(answer.as_bytes())).await;
}
