//! A server's socket as hyper reads and writes it.
//!
//! A server may answer and then close while the request's body is still being written to it. The
//! write fails, but the answer can still be read. hyper would end the exchange at the failed write;
//! so what can no longer be written is dropped here, and hyper learns from reading how the exchange
//! ends.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::connect::UpstreamStream;
use crate::socket::poll_read;

/// Whether a byte has come from the server since this was last cleared.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerSeen(Rc<Cell<bool>>);

impl AnswerSeen {
    /// Starts anew.
    pub(super) fn clear(&self) {
        self.0.set(false);
    }

    /// Whether a byte has come.
    pub(super) fn is_set(&self) -> bool {
        self.0.get()
    }
}

/// The socket.
#[derive(Debug)]
pub(super) struct UpstreamIo {
    stream: UpstreamStream,
    answer_seen: AnswerSeen,
    /// The server has closed its side: what is written is dropped.
    drops_writes: bool,
}

impl UpstreamIo {
    pub(super) fn new(stream: UpstreamStream, answer_seen: &AnswerSeen) -> Self {
        Self {
            stream,
            answer_seen: answer_seen.clone(),
            drops_writes: false,
        }
    }

    pub(super) fn into_inner(self) -> UpstreamStream {
        self.stream
    }

    /// The result of writing `len` bytes: if the server has closed, all of them count as written.
    fn written(&mut self, polled: Poll<io::Result<usize>>, len: usize) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Err(error)) if is_closed(&error) => {
                self.drops_writes = true;
                Poll::Ready(Ok(len))
            }
            polled => polled,
        }
    }
}

/// Whether an error says that the other side has closed.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (polled, has_read) = poll_read(&mut self.stream, cx, buf);
        if has_read {
            self.answer_seen.0.set(true);
        }
        polled
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.drops_writes {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(polled, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = || bufs.iter().map(|buf| buf.len()).sum();
        if self.drops_writes {
            return Poll::Ready(Ok(len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if polled.is_pending() {
            polled
        } else {
            self.written(polled, len())
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.drops_writes {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) if is_closed(&error) => {
                self.drops_writes = true;
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
