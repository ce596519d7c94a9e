//! A server's socket that knows whether anything has come from it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::UpstreamStream;

/// Whether a byte has come since this was last cleared.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Rc<Cell<bool>>);

impl Heard {
    /// From here on.
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
pub(super) struct HeardStream {
    stream: UpstreamStream,
    heard: Heard,
}

impl HeardStream {
    pub(super) fn new(stream: UpstreamStream, heard: &Heard) -> Self {
        Self { stream, heard: heard.clone() }
    }

    pub(super) fn into_inner(self) -> UpstreamStream {
        self.stream
    }
}

impl AsyncRead for HeardStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard.0.set(true);
        }
        polled
    }
}

impl AsyncWrite for HeardStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
