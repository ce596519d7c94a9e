//! One direction of a raw tunnel.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Follower;

const BUFFER_SIZE: usize = 32 * 1024;

thread_local! {
    /// Shared by all tunnels of a worker: what is read is written on at once.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_SIZE].into());
}

/// Bytes on their way from one socket, the reader, to another, the writer.
#[derive(Debug)]
pub(super) struct Flow {
    /// What the writer did not accept at once.
    left: Vec<u8>,
    /// How much of it has been written since.
    off: usize,
    /// Follows the frames of a WebSocket; `None` for any other protocol.
    follower: Option<Follower>,
    bytes: u64,
    /// Something was written since the last flush.
    is_dirty: bool,
    /// The reader has ended.
    eof: bool,
    /// The writer has been shut down or has failed.
    shut: bool,
    /// The writer has failed. The other direction still reads what its peer sent before that.
    failed: bool,
    /// The gateway has sent the writer a close frame; what the reader still sends is dropped.
    closed_by_us: bool,
}

impl Flow {
    /// `early` is what the reader has sent already.
    pub(super) fn new(early: &[u8], is_framed: bool) -> Self {
        let mut follower = is_framed.then(Follower::new);
        if let Some(follower) = &mut follower {
            follower.follow(early);
        }
        Self {
            left: early.to_vec(),
            off: 0,
            follower,
            bytes: early.len() as u64,
            is_dirty: false,
            eof: false,
            shut: false,
            failed: false,
            closed_by_us: false,
        }
    }

    /// Bytes forwarded so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether these are the frames of a WebSocket.
    pub(super) fn is_framed(&self) -> bool {
        self.follower.is_some()
    }

    /// Whether the reader has ended.
    pub(super) fn has_reached_eof(&self) -> bool {
        self.eof
    }

    /// Whether the writer has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the gateway has sent the writer a close frame.
    pub(super) fn is_closed_by_us(&self) -> bool {
        self.closed_by_us
    }

    /// Whether the reader has nothing more to say: it has ended or has sent a close frame.
    pub(super) fn is_over(&self) -> bool {
        self.eof || self.has_closed()
    }

    /// Whether the reader has sent a close frame.
    pub(super) fn has_closed(&self) -> bool {
        self.follower.as_ref().is_some_and(Follower::has_seen_close)
    }

    /// Moves bytes until one of the sockets has to be waited for. Ready when the reader has ended
    /// and the writer has been shut down. `close` is the close frame to send, if there is one.
    pub(super) fn pump<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        close: impl Fn() -> Option<Vec<u8>>,
    ) -> Poll<()> {
        loop {
            if !self.shut && ready!(self.write_left(cx, writer)).is_err() {
                self.fail();
            }
            if !self.shut
                && !self.closed_by_us
                && self.may_close()
                && let Some(frame) = close()
            {
                self.left = frame;
                self.closed_by_us = true;
                continue;
            }
            if self.eof {
                return self.shut_down(cx, writer);
            }
            if self.read_some(cx, reader, writer).is_pending() {
                if self.is_dirty && !self.shut {
                    let flushed = ready!(Pin::new(&mut *writer).poll_flush(cx));
                    self.is_dirty = false;
                    if flushed.is_err() {
                        self.fail();
                    }
                }
                return Poll::Pending;
            }
        }
    }

    /// Shuts the writer down, unless that has been done or the writer has failed.
    pub(super) fn shut_down<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<()> {
        if !self.shut {
            // If it cannot be shut down, there is nothing to do.
            let _ = ready!(Pin::new(writer).poll_shutdown(cx));
            self.shut = true;
        }
        Poll::Ready(())
    }

    fn fail(&mut self) {
        (self.shut, self.failed) = (true, true);
        (self.left, self.off) = (Vec::new(), 0);
    }

    /// Whether a close frame could be sent now.
    fn may_close(&self) -> bool {
        self.left.is_empty()
            && self
                .follower
                .as_ref()
                .is_some_and(Follower::is_between_frames)
            && !self.is_over()
    }

    fn write_left<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.off < self.left.len() {
            let n = ready!(Pin::new(&mut *writer).poll_write(cx, &self.left[self.off..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.off += n;
            self.is_dirty = true;
        }
        if !self.left.is_empty() {
            (self.left, self.off) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into the worker's buffer and writes from it at once. Only what the writer does not
    /// accept is copied to a buffer of the tunnel's own.
    fn read_some<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let result = ready!(Pin::new(reader).poll_read(cx, &mut read));
            let bytes = read.filled();
            if result.is_err() || bytes.is_empty() {
                self.eof = true;
                return Poll::Ready(());
            }
            if let Some(follower) = &mut self.follower {
                follower.follow(bytes);
            }
            if self.shut || self.closed_by_us {
                return Poll::Ready(());
            }
            self.bytes += bytes.len() as u64;
            self.write_through(cx, writer, bytes);
            Poll::Ready(())
        })
    }

    fn write_through<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        mut bytes: &[u8],
    ) {
        while !bytes.is_empty() {
            match Pin::new(&mut *writer).poll_write(cx, bytes) {
                Poll::Ready(Ok(n)) if n > 0 => bytes = &bytes[n..],
                Poll::Ready(_) => return self.fail(),
                Poll::Pending => break,
            }
        }
        self.is_dirty = true;
        self.left = bytes.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts everything, and counts how often it is shut down.
    #[derive(Default)]
    struct Writer {
        shutdowns: u32,
    }

    impl AsyncWrite for Writer {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.shutdowns += 1;
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_writer_is_shut_down_once() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut flow, mut writer) = (Flow::new(b"early", false), Writer::default());
        let mut reader = &b"the rest"[..];
        assert!(
            flow.pump(&mut cx, &mut reader, &mut writer, || None)
                .is_ready()
        );
        assert!(flow.shut_down(&mut cx, &mut writer).is_ready());
        assert_eq!(writer.shutdowns, 1);
    }
}
