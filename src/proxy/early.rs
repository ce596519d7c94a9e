//! An answer that comes before the request's body has ended.
//!
//! The client may still be sending, and may not look at the answer before it has sent everything:
//! the rest of the body is read in any case. As long as the server takes it, it gets it; what
//! nobody takes is thrown away, for a bounded time and amount. A connection that is closed over
//! unread bytes is reset, and clients then lose the answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use hyper::body::{Body, Incoming};

use super::body::Progress;
use super::client::{LoadGuard, UpstreamConn};
use crate::tick::{Alarm, Tick, Ticks};

/// For a server to take another piece of a body that it has answered already.
const NOT_TAKEN: Duration = Duration::from_secs(2);

/// For a client to send another piece of a body that has been answered already.
const NOT_SENT: Duration = Duration::from_secs(5);

/// Brings the rest of a request's body to the server, beside the answer, and gives the connection
/// back to its pool when both have ended.
pub(super) fn see_through(conn: Box<UpstreamConn>, load: LoadGuard, progress: Rc<Progress>) {
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
            let due = due(&progress);
            if due.is_some_and(|due| due <= now) {
                return Poll::Ready(());
            }
            // The answer is still on its way, or a piece has gone since.
            late.put_off(due.unwrap_or_default().max(now + 1));
        }
        Poll::Pending
    })
    .await;
    if conn.is_idle() {
        load.pool().give_back(conn);
    }
}

/// When it is too late for the next piece of a body whose answer has ended.
fn due(progress: &Progress) -> Option<Tick> {
    let limit = if progress.is_waiting() {
        NOT_SENT
    } else {
        NOT_TAKEN
    };
    progress
        .rests_since()
        .map(|since| Ticks::later(since, limit))
}

/// Whether the client has stopped sending a body whose answer has ended.
pub(super) fn is_silent(progress: &Progress, now: Tick) -> bool {
    progress.is_waiting() && due(progress).is_some_and(|due| due <= now)
}

/// How much of a body that nobody takes is still read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) bytes: u64,
    pub(super) quiet: Duration,
    pub(super) time: Duration,
}

impl Rest {
    /// Over HTTP/2 only the stream is at stake, which is then reset without an error: clients know
    /// what that means.
    pub(super) const H2: Self = Self {
        bytes: 1 << 20,
        quiet: Duration::from_secs(2),
        time: Duration::from_secs(2),
    };

    /// Over HTTP/1.1 the client may see nothing of the answer before it has sent as much as it may.
    pub(super) fn h1(bytes: u64) -> Self {
        Self {
            bytes,
            quiet: NOT_SENT,
            time: Duration::from_secs(30),
        }
    }
}

/// Reads the rest of a body and throws it away; `late` goes off when the time for all of it is
/// over. What it keeps lives as long.
pub(super) async fn discard<K>(
    mut incoming: Incoming,
    rest: Rest,
    (late, quiet): (Alarm, Alarm),
    kept: K,
) {
    let mut left = rest.bytes;
    poll_fn(|cx| {
        loop {
            match Pin::new(&mut incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    match left.checked_sub(len) {
                        Some(rest) => left = rest,
                        None => return Poll::Ready(()),
                    }
                    quiet.reset(rest.quiet);
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending if late.is_due(cx) || quiet.is_due(cx) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            // Also of a client that always has more at hand.
            if late.is_due(cx) {
                return Poll::Ready(());
            }
        }
    })
    .await;
    drop(incoming);
    drop(kept);
}
