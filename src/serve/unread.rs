//! How much memory the bodies of one client connection may hold while the client does not read, or
//! has not sent the rest.
//!
//! A client that opens its HTTP/2 windows and reads nothing could otherwise have a buffer for each
//! of its streams. Every piece of an answer is counted from the moment that it is handed to the
//! connection until it has been written; while too much is held, a body is not asked for more, and
//! so its server is not read either. Request bodies that are being gathered count too.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

use slab::Slab;

use crate::proxy::body::SMALL_ANSWER;
use crate::slot::UnreadShare;
use crate::tick::Tick;

/// Of one answer over HTTP/2.
pub const PER_ANSWER: usize = 64 * 1024;

/// Of one answer over HTTP/1.1, beside what TLS holds of it.
const PER_ANSWER_H1: usize = 32 * 1024;

/// Of all bodies of one connection. From half of it on, an answer gets another piece only when it
/// holds none.
pub const PER_CONNECTION: usize = 1024 * 1024;

/// Of all connections of one client. Beyond it, every answer of the client has one piece at a time.
pub const PER_CLIENT: usize = 64 * 1024 * 1024;

/// An answer that is no larger never waits for others: paused downloads must not hold up a small
/// answer beside them.
pub(super) const SMALL: usize = SMALL_ANSWER;

/// What a connection holds without being counted for its client, so that small answers touch
/// nothing that is shared.
const UNCOUNTED: usize = SMALL;

/// In these steps it is counted for the client.
const STEP: usize = 64 * 1024;

/// The bodies of one connection.
#[derive(Debug)]
pub struct Unread {
    answers: RefCell<Slab<Answer>>,
    per_answer: Cell<usize>,
    /// Bytes that are held now.
    held: Cell<usize>,
    /// How many of them are counted for the client.
    counted: Cell<usize>,
    client: UnreadShare,
    /// Answers that were refused a piece, in the order in which they asked.
    waiting: RefCell<VecDeque<usize>>,
}

/// One answer.
#[derive(Debug)]
struct Answer {
    /// Whether its body is still there. What was handed over outlives it.
    is_open: bool,
    held: usize,
    /// The size of its last piece: as much is expected of the next one.
    last: usize,
    /// When a piece was handed over or a byte was written.
    moved: Tick,
    waker: Option<Waker>,
}

impl Unread {
    /// Nothing is held yet, and HTTP/1.1 is spoken.
    pub fn new(client: UnreadShare) -> Self {
        Self {
            answers: RefCell::default(),
            per_answer: Cell::new(PER_ANSWER_H1),
            held: Cell::new(0),
            counted: Cell::new(0),
            client,
            waiting: RefCell::default(),
        }
    }

    /// HTTP/2 is spoken: TLS holds little of each of several answers.
    pub(super) fn set_h2(&self) {
        self.per_answer.set(PER_ANSWER);
    }

    /// A new answer's key.
    pub(super) fn open(&self) -> usize {
        self.answers.borrow_mut().insert(Answer {
            is_open: true,
            held: 0,
            last: 0,
            moved: 0,
            waker: None,
        })
    }

    /// The answer's body has gone. The key is free once nothing of it is held.
    pub(super) fn close(&self, key: usize) {
        let waker = {
            let mut answers = self.answers.borrow_mut();
            let answer = &mut answers[key];
            answer.is_open = false;
            let waker = answer.waker.take();
            if answer.held == 0 {
                answers.remove(key);
            }
            waker
        };
        if waker.is_some() {
            self.waiting.borrow_mut().retain(|waiting| *waiting != key);
        }
    }

    /// Whether an answer may be asked for its next piece; if not, its task is woken when that may
    /// have changed.
    pub(super) fn may_ask(&self, key: usize, is_small: bool, cx: &Context<'_>) -> bool {
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        if self.has_room(answer, is_small) {
            if answer.waker.take().is_some() {
                self.waiting.borrow_mut().retain(|waiting| *waiting != key);
            }
            drop(answers);
            // There may be room for one more: each that gets some wakes the next.
            self.wake_next();
            return true;
        }
        match &mut answer.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => {
                *none = Some(cx.waker().clone());
                self.waiting.borrow_mut().push_back(key);
            }
        }
        false
    }

    fn has_room(&self, answer: &Answer, is_small: bool) -> bool {
        let held = self.held.get();
        if answer.held == 0 {
            return is_small || held < PER_CONNECTION;
        }
        answer.held + answer.last <= self.per_answer.get()
            && held + answer.last <= PER_CONNECTION / 2
            && !self.is_client_full()
    }

    fn is_client_full(&self) -> bool {
        self.client.total() > PER_CLIENT
    }

    /// Whether there is room for more of a request body before it goes anywhere.
    pub(super) fn may_gather(&self) -> bool {
        self.held.get() < PER_CONNECTION && !self.is_client_full()
    }

    /// Counts bytes that belong to no answer.
    pub(super) fn hold(&self, bytes: usize) {
        self.set_held(self.held.get() + bytes);
    }

    /// They are no longer held.
    pub(super) fn release(&self, bytes: usize) {
        self.set_held(self.held.get() - bytes);
        self.wake_next();
    }

    pub(super) fn hold_for(&self, key: usize, bytes: usize, now: Tick) {
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        answer.held += bytes;
        (answer.last, answer.moved) = (bytes, now);
        drop(answers);
        self.hold(bytes);
    }

    pub(super) fn release_for(&self, key: usize, bytes: usize, now: Tick) {
        self.set_held(self.held.get() - bytes);
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        answer.held -= bytes;
        answer.moved = now;
        // It was its own piece that it waited for, if for any.
        let waker = if self.has_room(answer, false) {
            answer.waker.take()
        } else {
            None
        };
        if answer.held == 0 && !answer.is_open {
            answers.remove(key);
        }
        drop(answers);
        if let Some(waker) = waker {
            self.waiting.borrow_mut().retain(|waiting| *waiting != key);
            waker.wake();
        }
        self.wake_next();
    }

    pub(super) fn moved(&self, key: usize, now: Tick) {
        self.answers.borrow_mut()[key].moved = now;
    }

    pub(super) fn is_held(&self, key: usize) -> bool {
        self.answers.borrow()[key].held > 0
    }

    /// Whether the client has left something of an answer unread for too long.
    pub(super) fn is_untaken(&self, past: impl Fn(Tick) -> bool) -> bool {
        self.answers
            .borrow()
            .iter()
            .any(|(_, answer)| answer.held > 0 && past(answer.moved))
    }

    /// Wakes the first of those that wait for which there is room. It wakes the next when it has
    /// asked.
    fn wake_next(&self) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return;
        }
        let mut answers = self.answers.borrow_mut();
        let first = waiting
            .iter()
            .position(|key| self.has_room(&answers[*key], false));
        let key = first.and_then(|first| waiting.remove(first));
        let waker = key.and_then(|key| answers[key].waker.take());
        drop((waiting, answers));
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn set_held(&self, held: usize) {
        self.held.set(held);
        let counted = if held <= UNCOUNTED {
            0
        } else {
            held.next_multiple_of(STEP)
        };
        let before = self.counted.replace(counted);
        if counted != before {
            self.client.count(before, counted);
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.client.count(self.counted.get(), 0);
    }
}

#[cfg(test)]
mod tests;
