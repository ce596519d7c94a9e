//! Reading the rest of a body that is no longer wanted. If a connection is closed while it has
//! unread bytes, it is reset, and the client may lose the answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use hyper::body::{Body, Incoming};

use super::progress::NOT_SENT;
use crate::tick::Alarm;

/// How much of an unwanted body is still read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) bytes: u64,
    /// How long to wait for each piece.
    pub(super) quiet: Duration,
    /// How long to read in all.
    pub(super) time: Duration,
}

impl Rest {
    /// HTTP/2: the rest ends with a reset of the stream without an error, which clients understand.
    pub(super) const H2: Self = Self {
        bytes: 1 << 20,
        quiet: Duration::from_secs(2),
        time: Duration::from_secs(2),
    };

    /// HTTP/1.1: a client may look at the answer only after it has sent all it is allowed to.
    pub(super) fn h1(bytes: u64) -> Self {
        Self {
            bytes,
            quiet: NOT_SENT,
            time: Duration::from_secs(30),
        }
    }
}

/// Reads the rest of a body and drops it. `late` ends it in any case, `quiet` if nothing comes for
/// a while. `kept` lives as long.
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
            // A client that always has more to send never gets to `Pending`.
            if late.is_due(cx) {
                return Poll::Ready(());
            }
        }
    })
    .await;
    drop(incoming);
    drop(kept);
}
