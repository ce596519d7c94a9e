//! An answer that begins before the request's body has ended.
//!
//! The client may not look at the answer before it has sent everything, so the rest of its body is
//! read in any case. As long as the server accepts it, the rest is forwarded; what nothing accepts
//! is dropped, for a bounded time and size.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::client::{LoadGuard, UpstreamConn};
use super::request_body::{NOT_TAKEN, Progress};

/// Sends the rest of a request's body to the server, in a task beside the answer. When both have
/// ended the connection goes back to its pool.
#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the body of the request, or at its deadline"
)]
pub(super) fn finish_request(conn: Box<UpstreamConn>, load: LoadGuard, progress: Rc<Progress>) {
    tokio::task::spawn_local(drive(conn, load, progress));
}

async fn drive(mut conn: Box<UpstreamConn>, load: LoadGuard, progress: Rc<Progress>) {
    let late = load.pool().ticks().alarm(NOT_TAKEN);
    poll_fn(|cx| {
        if conn.drive(cx).is_ready() || conn.is_idle() {
            return Poll::Ready(());
        }
        while late.is_due(cx) {
            let now = load.pool().ticks().now();
            let due = progress.deadline();
            if due.is_some_and(|due| due <= now) {
                return Poll::Ready(());
            }
            // The answer has not ended yet, or another piece of the body has gone meanwhile.
            late.put_off(due.unwrap_or_default().max(now + 1));
        }
        Poll::Pending
    })
    .await;
    if conn.is_idle() {
        load.pool().give_back(conn);
    }
}
