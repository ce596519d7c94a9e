//! A client's socket as hyper reads and writes it. Reads and writes are noted in the connection's
//! state, for the sweep that closes idle connections.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::control::ConnControl;
use crate::socket::{TlsTransport, poll_read, socket_enum};

/// A client's socket.
#[derive(Debug)]
pub(super) enum Stream {
    /// With TLS. Boxed, because it is large and moves between tasks.
    Tls(Box<TlsStream<TlsTransport>>),
    /// Without TLS.
    Plain(TcpStream),
}

socket_enum!(Stream { Tls, Plain });

impl Stream {
    /// Ends TLS for writing, and leaves TCP open.
    ///
    /// # Errors
    /// The socket's own.
    pub(super) async fn end_tls(&mut self) -> io::Result<()> {
        if let Self::Tls(tls) = self {
            tls.get_mut().1.send_close_notify();
        }
        self.flush().await
    }
}

/// The socket and its connection's state.
#[derive(Debug)]
pub(super) struct ConnIo {
    stream: Stream,
    control: Rc<ConnControl>,
    has_ended: bool,
}

impl ConnIo {
    pub(super) fn new(stream: Stream, control: Rc<ConnControl>) -> Self {
        Self {
            stream,
            control,
            has_ended: false,
        }
    }

    /// Whether the client has closed its side and everything it sent has been read.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    fn noted<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.control.on_write(polled.is_pending());
        polled
    }
}

impl AsyncRead for ConnIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (polled, has_read) = poll_read(&mut self.stream, cx, buf);
        if has_read {
            self.control.on_read();
        } else if let Poll::Ready(result) = &polled {
            // Many clients close TCP without ending TLS, which is such an error.
            self.has_ended = match result {
                Ok(()) => buf.remaining() > 0,
                Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            };
        }
        polled
    }
}

impl AsyncWrite for ConnIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.noted(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.noted(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.noted(polled)
    }
}
