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

/// Closes TLS and TCP for writing, and reads what is still unread. `is_sending`: the client has not
/// sent all of its last request.
pub(super) async fn finish(
    mut stream: Stream,
    is_sending: bool,
    control: &Registered<ConnControl>,
    ticks: &Rc<Ticks>,
) {
    let ended = within(SHORT, ticks, stream.shutdown()).await;
    if !matches!(ended, Some(Ok(()))) {
        return;
    }
    let has_sent_more =
        poll_fn(|cx| Poll::Ready(matches!(discard(&mut stream, cx), Poll::Ready(Ok(1..))))).await;
    if is_sending || has_sent_more {
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
