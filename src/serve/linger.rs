//! Closing a client's connection. What the client is still sending is read for a while: if a
//! connection is closed while it has unread bytes, it is reset, and the client may lose the answer.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::control::ConnControl;
use super::io::Stream;
use super::timeout::within;
use crate::registry::Registered;
use crate::tick::Ticks;

/// How long sending the end of TLS may take, and how long a client may still send once its
/// connection has to close.
pub(super) const SHORT: Duration = Duration::from_secs(2);

/// How long a client may still send in all.
const LONG: Duration = Duration::from_secs(30);

/// How long to wait for each piece.
const QUIET: Duration = Duration::from_secs(5);

/// How many bytes are read.
const MOST: u64 = 256 << 20;

/// What a client may still send when its connection is closed.
#[derive(Clone, Copy, Debug)]
pub(super) enum StillToCome {
    /// Nothing: it has closed its side.
    Nothing,
    /// Another request, perhaps.
    Unknown,
    /// The rest of its last request.
    Rest,
}

/// Closes TLS and TCP, and before that reads what the client still sends. TCP is closed for writing
/// first if there is something to read; else closing the socket does that too.
pub(super) async fn finish(
    mut stream: Stream,
    still: StillToCome,
    control: &Registered<ConnControl>,
    ticks: &Rc<Ticks>,
) {
    let ended = within(SHORT, ticks, stream.end_tls()).await;
    if !matches!(ended, Some(Ok(()))) {
        return;
    }
    let is_sending = match still {
        StillToCome::Nothing => false,
        StillToCome::Unknown => {
            poll_fn(|cx| Poll::Ready(matches!(discard(&mut stream, cx), Poll::Ready(Ok(1..)))))
                .await
        }
        StillToCome::Rest => true,
    };
    if is_sending && stream.shutdown().await.is_ok() {
        discard_all(stream, control, ticks).await;
    }
}

async fn discard_all(mut stream: Stream, control: &Registered<ConnControl>, ticks: &Rc<Ticks>) {
    let (late, quiet) = (ticks.alarm(LONG), ticks.alarm(QUIET));
    let mut left = MOST;
    poll_fn(|cx| {
        if control.take_command(cx).is_some() {
            late.put_off(late.due().min(ticks.after(SHORT)));
        }
        loop {
            if late.is_due(cx) || quiet.is_due(cx) {
                return Poll::Ready(());
            }
            match discard(&mut stream, cx) {
                Poll::Ready(Ok(read @ 1..)) => left = left.saturating_sub(read as u64),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            if left == 0 {
                return Poll::Ready(());
            }
            quiet.reset(QUIET);
        }
    })
    .await;
}

fn discard(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut read = ReadBuf::uninit(&mut buffer);
    Pin::new(stream)
        .poll_read(cx, &mut read)
        .map_ok(|()| read.filled().len())
}
