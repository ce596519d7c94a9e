//! One side of an understood tunnel.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::messages::{Closed, Reader, Role, Writer};

/// How much of its own answers a side may leave unread before nothing more is read from it.
const UNREAD_REPLIES: usize = 4096;

/// Buffers up to this size are used again.
const SPARE_SIZE: usize = 64 * 1024;
const SPARES: usize = 8;

thread_local! {
    /// Empty buffers of the worker: a side has one only while something is left to write.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A socket, and the frames that go in and out.
#[derive(Debug)]
pub(super) struct Side<S> {
    socket: S,
    pub(super) reader: Reader,
    writer: Writer,
    /// The frames to be written.
    left: Vec<u8>,
    /// How much of `left` has been written.
    off: usize,
    /// How much of `left` are replies to what the side has sent itself.
    replies: usize,
    /// Something was written since the last flush.
    is_dirty: bool,
    /// Nothing more is read: the side has ended, or what it sends cannot be read.
    pub(super) is_over: bool,
    /// What it sends is read and thrown away, for it cannot be understood any more.
    pub(super) is_discarded: bool,
    /// Nothing more can be written.
    has_failed: bool,
    /// To be shut down once everything is written.
    is_ending: bool,
    is_shut: bool,
    pub(super) has_closed: bool,
    is_closed: bool,
    heard: Heard,
}

/// What was heard of a side since the last heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
    /// Nor for the heartbeat before, when a ping was sent.
    NothingAfterPing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Side<S> {
    /// The side whose own frames are those of `role`. Its messages have at most `limit` bytes.
    pub(super) fn new(socket: S, role: Role, limit: usize) -> Self {
        let other = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        Self {
            socket,
            reader: Reader::new(role, limit),
            writer: Writer(other),
            left: Vec::new(),
            off: 0,
            replies: 0,
            is_dirty: false,
            is_over: false,
            is_discarded: false,
            has_failed: false,
            is_ending: false,
            is_shut: false,
            has_closed: false,
            is_closed: false,
            heard: Heard::Something,
        }
    }

    /// Whether nothing is left to write to it.
    pub(super) fn is_written(&self) -> bool {
        self.left.is_empty() || self.has_failed
    }

    /// Whether it takes more.
    pub(super) fn is_open(&self) -> bool {
        !self.is_closed && !self.is_ending && !self.has_failed
    }

    /// Whether it reads the replies to what it sends.
    pub(super) fn reads_replies(&self) -> bool {
        self.replies <= UNREAD_REPLIES
    }

    /// Sends a message.
    pub(super) fn send(&mut self, text: &str) {
        self.queue(|writer, out| writer.text(text, out));
    }

    /// Sends a message in reply to one of its own.
    pub(super) fn reply(&mut self, text: &str) {
        self.replies += text.len();
        self.send(text);
    }

    /// Answers a ping.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        self.replies += payload.len() + 2;
        self.queue(|writer, out| writer.pong(payload, out));
    }

    /// Sends a close frame, unless it has got one.
    pub(super) fn close(&mut self, closed: Option<&Closed>) {
        self.queue(|writer, out| writer.close(closed, out));
        self.is_closed = true;
    }

    /// Shuts it down once everything is written.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
    }

    fn queue(&mut self, write: impl FnOnce(Writer, &mut Vec<u8>)) {
        if !self.is_open() {
            return;
        }
        if self.left.capacity() == 0 {
            self.left = SPARE.with_borrow_mut(|spare| spare.pop().unwrap_or_default());
        }
        write(self.writer, &mut self.left);
    }

    /// Notes that it has sent something.
    pub(super) fn hear(&mut self) {
        self.heard = Heard::Something;
    }

    /// Sends a ping if nothing was heard since the last call. `false` if the ping before has had no
    /// answer.
    pub(super) fn is_alive(&mut self) -> bool {
        self.heard = match self.heard {
            _ if self.is_over => return true,
            Heard::Something => Heard::Nothing,
            Heard::Nothing => {
                self.queue(Writer::ping);
                Heard::NothingAfterPing
            }
            Heard::NothingAfterPing => return false,
        };
        true
    }

    /// Reads into a buffer. Ready with nothing if the side has ended.
    pub(super) fn poll_read<'b>(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &'b mut [u8],
    ) -> Poll<&'b mut [u8]> {
        let mut read = ReadBuf::new(buffer);
        let result = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read));
        let length = if result.is_ok() {
            read.filled().len()
        } else {
            0
        };
        if length == 0 {
            self.is_over = true;
        }
        self.hear();
        Poll::Ready(&mut buffer[..length])
    }

    /// Writes what is left, and then shuts the socket down if the side is to end. Returns how many
    /// bytes were written; the task is woken when the socket accepts more.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> u64 {
        let mut written = 0;
        while self.off < self.left.len() && !self.has_failed {
            let left = &self.left[self.off..];
            match Pin::new(&mut self.socket).poll_write(cx, left) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.off += n;
                    self.is_dirty = true;
                    written += n as u64;
                }
                Poll::Ready(_) => self.has_failed = true,
                Poll::Pending => return written,
            }
        }
        if self.left.capacity() > 0 {
            self.recycle();
        }
        if self.is_dirty && !self.has_failed {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(result) => {
                    self.is_dirty = false;
                    self.has_failed = result.is_err();
                }
                Poll::Pending => return written,
            }
        }
        if self.is_ending && !self.is_shut && !self.has_failed {
            // If it cannot be shut down, there is nothing to do.
            self.is_shut = Pin::new(&mut self.socket).poll_shutdown(cx).is_ready();
        }
        written
    }

    fn recycle(&mut self) {
        let mut buffer = std::mem::take(&mut self.left);
        (self.off, self.replies) = (0, 0);
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARES && buffer.capacity() <= SPARE_SIZE {
                spare.push(buffer);
            }
        });
    }
}
