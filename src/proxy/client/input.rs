//! What has been read from a server.
//!
//! Each worker reads into one buffer, and a connection keeps only bytes that have come and have not
//! been used: while nothing comes, it has no buffer.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;

use crate::proxy::connect::UpstreamStream;

/// How much is read at once.
const READ: usize = 32 * 1024;

/// What is kept is copied out of the worker's buffer up to this size: a client that does not read
/// must not keep all of that buffer in memory.
const SMALL: usize = 8 * 1024;

thread_local! {
    /// The worker's buffer. It is empty between reads.
    static BUFFER: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Bytes that have come from a server and have not been used.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: BytesMut,
    /// Whether `bytes` is a part of the worker's buffer.
    is_shared: bool,
}

impl Input {
    /// Reads more. `false`: the server has closed its side.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut UpstreamStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut buffer = BUFFER.take().unwrap_or_default();
        buffer.reserve(self.bytes.len() + READ);
        buffer.extend_from_slice(&self.bytes);
        let polled = pin!(stream.read_buf(&mut buffer)).poll(cx);
        let polled = polled.map_ok(|read| read > 0);
        if let Poll::Ready(Ok(true)) = polled {
            self.bytes = buffer.split();
            self.is_shared = true;
        } else {
            buffer.clear();
            self.shrink();
        }
        BUFFER.set(Some(buffer));
        polled
    }

    /// The bytes, of which some may be taken from the beginning.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Gives the worker's buffer back, if little is left in it.
    pub(super) fn shrink(&mut self) {
        if self.is_shared && self.bytes.len() <= SMALL {
            self.bytes = match self.bytes.is_empty() {
                true => BytesMut::new(),
                false => BytesMut::from(&self.bytes[..]),
            };
            self.is_shared = false;
        }
    }

    /// Bytes that were taken from here, for longer.
    pub(super) fn keep(&self, bytes: Bytes) -> Bytes {
        match self.is_shared && bytes.len() <= SMALL {
            true => Bytes::copy_from_slice(&bytes),
            false => bytes,
        }
    }

    /// Whether it keeps nothing, and no part of the worker's buffer.
    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        self.bytes.is_empty() && self.bytes.capacity() == 0 && !self.is_shared
    }

    /// All that is left.
    pub(super) fn into_bytes(mut self) -> Bytes {
        self.shrink();
        self.bytes.freeze()
    }
}
