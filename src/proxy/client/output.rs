//! What is still to be written to a server.
//!
//! A server may answer and then close while the request's body is still being written to it. The
//! write fails, but the answer can still be read. So what can no longer be written is dropped here,
//! and reading shows how the exchange ends.

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::proxy::connect::UpstreamStream;

/// Pieces of a body up to this size are copied behind what comes before them. Larger ones are
/// written from where they are.
const SMALL: usize = 4 * 1024;

/// No more is added once this much is waiting.
const FULL: usize = 16 * 1024;

/// A larger buffer does not stay with the worker.
const LARGEST: usize = 2 * FULL;

thread_local! {
    /// The buffer of the worker that requests are written into. Nearly all of them are written at
    /// once, so that no connection keeps it.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is still to be written to a server: `buffer`, then `piece`, then `suffix`.
#[derive(Debug, Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
    /// How much of the buffer has been written.
    written: usize,
    piece: Bytes,
    suffix: &'static [u8],
    /// What was written may still be in the TLS session.
    needs_flush: bool,
    /// The server has closed its side: what is written is dropped.
    drops: bool,
}

impl Output {
    /// Where to write into, behind everything else. Only while [`Self::has_room`].
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.piece.is_empty() && self.suffix.is_empty());
        if self.buffer.capacity() == 0 {
            self.buffer = BUFFER.take();
        }
        &mut self.buffer
    }

    /// Writes a piece of a body, and what comes behind it.
    pub(super) fn push(&mut self, piece: Bytes, suffix: &'static [u8]) {
        if piece.len() <= SMALL {
            let buffer = self.buffer();
            buffer.extend_from_slice(&piece);
            buffer.extend_from_slice(suffix);
        } else {
            (self.piece, self.suffix) = (piece, suffix);
        }
    }

    /// Whether more may be added.
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.suffix.is_empty() && self.buffer.len() < FULL
    }

    /// Whether everything has been written, or dropped.
    pub(super) fn is_empty(&self) -> bool {
        !self.needs_flush && !self.has_bytes()
    }

    /// Whether the server has closed its side.
    pub(super) fn drops(&self) -> bool {
        self.drops
    }

    fn has_bytes(&self) -> bool {
        !self.buffer.is_empty() || !self.piece.is_empty() || !self.suffix.is_empty()
    }

    /// Writes everything.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut UpstreamStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.has_bytes() && !self.drops {
            self.needs_flush = true;
            match ready!(self.poll_once(stream, cx)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(written) => self.advance(written),
                Err(error) => self.failed(error)?,
            }
        }
        if self.needs_flush && !self.drops {
            match ready!(Pin::new(stream).poll_flush(cx)) {
                Ok(()) => self.needs_flush = false,
                Err(error) => self.failed(error)?,
            }
        }
        if self.buffer.capacity() > 0 {
            // It was taken, and nothing was written into it, as for the end of a body.
            self.empty_buffer();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_once(
        &mut self,
        stream: &mut UpstreamStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let buffer = &self.buffer[self.written..];
        let stream = Pin::new(stream);
        if self.piece.is_empty() && self.suffix.is_empty() {
            return stream.poll_write(cx, buffer);
        }
        let parts = [buffer, &self.piece, self.suffix].map(IoSlice::new);
        stream.poll_write_vectored(cx, &parts)
    }

    fn advance(&mut self, mut written: usize) {
        let of_buffer = written.min(self.buffer.len() - self.written);
        self.written += of_buffer;
        written -= of_buffer;
        if self.written == self.buffer.len() {
            self.empty_buffer();
        }
        let of_piece = written.min(self.piece.len());
        self.piece.advance(of_piece);
        if self.piece.is_empty() {
            self.piece = Bytes::new();
        }
        self.suffix = &self.suffix[written - of_piece..];
    }

    /// Gives the buffer back to the worker.
    fn empty_buffer(&mut self) {
        self.written = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        if (1..=LARGEST).contains(&buffer.capacity()) {
            buffer.clear();
            BUFFER.set(buffer);
        }
    }

    /// If the server has closed, everything counts as written.
    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                self.empty_buffer();
                (self.piece, self.suffix) = (Bytes::new(), &[]);
                (self.drops, self.needs_flush) = (true, false);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn everything_is_written_in_order_however_little_the_server_accepts() {
        let (ours, mut server) = UnixStream::pair().unwrap();
        let mut stream = UpstreamStream::Unix(ours);
        let reading = tokio::spawn(async move {
            let (mut all, mut part) = (Vec::new(), [0; 777]);
            loop {
                match server.read(&mut part).await.unwrap() {
                    0 => return all,
                    read => all.extend_from_slice(&part[..read]),
                }
            }
        });
        let (mut output, mut expected) = (Output::default(), Vec::new());
        for (at, size) in [5, 400_000, 16, SMALL, SMALL + 1, 1, 700_000]
            .into_iter()
            .enumerate()
        {
            let piece = vec![at as u8; size];
            while !output.has_room() {
                let written = poll_fn(|cx| output.poll_write(&mut stream, cx)).await;
                written.unwrap();
            }
            output.buffer().extend_from_slice(b"before");
            output.push(Bytes::from(piece.clone()), b"behind");
            expected.extend([&b"before"[..], &piece, b"behind"].concat());
        }
        poll_fn(|cx| output.poll_write(&mut stream, cx))
            .await
            .unwrap();
        assert!(output.is_empty() && output.buffer.capacity() == 0);
        drop(stream);
        assert!(reading.await.unwrap() == expected);
    }

    #[tokio::test]
    async fn the_buffer_goes_back_to_the_worker_also_if_nothing_was_written_into_it() {
        let (ours, _server) = UnixStream::pair().unwrap();
        let mut stream = UpstreamStream::Unix(ours);
        let mut output = Output::default();
        for piece in [Bytes::new(), vec![0; SMALL + 1].into()] {
            output.buffer().reserve(1);
            output.push(piece, b"");
            poll_fn(|cx| output.poll_write(&mut stream, cx))
                .await
                .unwrap();
            assert_eq!(output.buffer.capacity(), 0);
        }
    }

    #[tokio::test]
    async fn what_a_closed_server_cannot_get_is_dropped() {
        let (ours, server) = UnixStream::pair().unwrap();
        let mut stream = UpstreamStream::Unix(ours);
        drop(server);
        let mut output = Output::default();
        output.push(vec![0; 100_000].into(), b"");
        poll_fn(|cx| output.poll_write(&mut stream, cx))
            .await
            .unwrap();
        assert!(output.drops() && output.is_empty() && output.buffer.capacity() == 0);
    }
}
