//! A stream of HTTP/2 as a connection of its own: what a WebSocket runs on (RFC 8441).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes of a stream, both ways.
#[derive(Debug)]
pub(crate) struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    rest: Bytes,
}

impl Stream {
    pub(super) fn new(send: SendStream<Bytes>, receive: RecvStream) -> Self {
        Self {
            send,
            receive,
            rest: Bytes::new(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(this.receive.poll_data(context)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => this.rest = data.map_err(io::Error::other)?,
            }
            let length = this.rest.len();
            let released = this.receive.flow_control().release_capacity(length);
            released.map_err(io::Error::other)?;
        }
        let length = this.rest.len().min(out.remaining());
        out.put_slice(&this.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    /// Messages are small: what the window does not allow yet waits in memory.
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let data = Bytes::copy_from_slice(bytes);
        let sent = self.get_mut().send.send_data(data, false);
        Poll::Ready(sent.map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.get_mut().send.send_data(Bytes::new(), true);
        Poll::Ready(sent.map_err(io::Error::other))
    }
}
