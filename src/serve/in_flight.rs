//! A request under way on a connection, and the pieces of its answer that are not written yet.

use std::rc::Rc;
use std::task::Context;

use bytes::{Buf, Bytes};

use super::control::ConnControl;
use super::unread::SMALL;
use crate::proxy::body::ClientConn as _;

/// A request under way.
#[derive(Debug)]
pub(super) struct InFlight {
    control: Rc<ConnControl>,
    key: usize,
}

impl InFlight {
    /// A request has arrived; it is under way until this is dropped.
    pub(super) fn new(control: &Rc<ConnControl>) -> Self {
        control.begin();
        Self {
            control: Rc::clone(control),
            key: control.unread().open(),
        }
    }

    /// Whether the next piece of the answer may be read; if not, the task is woken when that may
    /// have changed. A small answer does not wait for others.
    pub(super) fn may_ask(&self, is_small: bool, cx: &Context<'_>) -> bool {
        self.control.unread().may_ask(self.key, is_small, cx)
    }

    /// A piece of the answer, which is counted until it has been written. An HTTP/2 client that
    /// opens no window would leave the piece unread while its socket takes bytes:
    /// [`ConnControl::sweep`] checks for such pieces.
    pub(super) fn give(&self, bytes: Bytes) -> Piece {
        Piece::new(bytes, self.key, &self.control)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.control.unread().close(self.key);
        self.control.end();
    }
}

/// A piece of an answer, counted until it is dropped: when it has been written or discarded.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    pub(super) len: usize,
    key: usize,
    control: Rc<ConnControl>,
}

impl Piece {
    /// Counts a piece of an answer.
    pub(super) fn new(bytes: Bytes, key: usize, control: &Rc<ConnControl>) -> Self {
        let unread = control.unread();
        // A small piece may be a slice of a large buffer, which would be held with it.
        let is_copied = bytes.len() < SMALL && (control.is_h2() || unread.is_held(key));
        let bytes = if is_copied {
            Bytes::copy_from_slice(&bytes)
        } else {
            bytes
        };
        let len = bytes.len();
        unread.hold_for(key, len, control.now());
        Self {
            bytes,
            len,
            key,
            control: Rc::clone(control),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.control
            .unread()
            .release_for(self.key, self.len, self.control.now());
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.control.unread().moved(self.key, self.control.now());
    }
}
