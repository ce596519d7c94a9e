//! A client connection that speaks HTTP/2.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;

use super::ConnInfo;
use super::control::ConnCommand;
use super::io::{ConnIo, Stream};
use super::requests::{MAX_HEAD, Requests, note_end};
use super::stack::Stack;
use super::unread;
use crate::pulse::Activity;

/// Requests that one connection may have open: enough for a page.
const MAX_STREAMS: u32 = 128;

/// How much of one request's body, or of one tunnel, the client may send before it is read. What
/// the server does not read stays in memory.
const STREAM_WINDOW: u32 = 128 * 1024;

/// The same for all streams of a connection, within its memory budget. An upload whose server does
/// not read it leaves enough for the other requests of its connection.
const CONNECTION_WINDOW: u32 = unread::PER_CONNECTION as u32;

/// Runs the streams of a connection on the worker's thread.
#[derive(Clone, Copy)]
struct LocalTasks;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalTasks {
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends with its stream, which the connection closes"
    )]
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Serves requests until the connection closes.
pub(super) async fn serve<S: Stack>(stream: Stream, conn: Rc<ConnInfo>, stack: S) {
    conn.control.set_h2();
    if conn.overload.is_some() {
        // Every request is rejected: the client comes back by another connection.
        conn.control.drain();
    }
    let registered = conn.worker.enter_connection(Rc::clone(&conn.control));
    let io = TokioIo::new(ConnIo::new(stream, Rc::clone(&registered)));
    let mut builder = http2::Builder::new(LocalTasks);
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(unread::PER_ANSWER);
    if conn.worker.view().snapshot.h2_websockets {
        builder.enable_connect_protocol();
    }
    let metrics = Arc::clone(&conn.worker.metrics);
    let ticks = Rc::clone(&conn.worker.ticks);
    let http = builder.serve_connection(io, Requests::new(stack, conn));
    let mut http = pin!(http);
    poll_fn(|cx| {
        ticks.pulse().note(Activity::Requests);
        match registered.take_command(cx) {
            Some(ConnCommand::Finish) => http.as_mut().graceful_shutdown(),
            Some(ConnCommand::Abort | ConnCommand::LateHead) => return Poll::Ready(()),
            None => {}
        }
        http.as_mut()
            .poll(cx)
            .map(|ended| note_end(ended, &metrics))
    })
    .await;
}
