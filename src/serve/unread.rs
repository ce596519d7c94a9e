//! How much memory the bodies of one client connection may hold while the client does not read
//! answers, or has not sent the rest of its requests.
//!
//! Without a limit, a client that opens its HTTP/2 windows and reads nothing would have a buffer
//! for each of its streams. Each piece of an answer is counted from when it is handed to the
//! connection until it is written. While too much is held, bodies are not polled, and so their
//! servers are not read either. Request bodies that are being gathered count too.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

use slab::Slab;

use crate::proxy::body::SMALL_ANSWER;
use crate::slot::UnreadShare;
use crate::tick::Tick;

/// The limit of one answer over HTTP/2.
pub const PER_ANSWER: usize = 64 * 1024;

/// The limit of one answer over HTTP/1.1, besides what TLS holds of it.
const PER_ANSWER_H1: usize = 32 * 1024;

/// The limit of all bodies of one connection. From half of it on, an answer gets another piece only
/// if it holds none.
pub const PER_CONNECTION: usize = 1024 * 1024;

/// The limit of all connections of one client. Beyond it, each of its answers has one piece at a
/// time.
pub const PER_CLIENT: usize = 64 * 1024 * 1024;

/// An answer up to this size never waits for others: paused downloads must not delay it.
pub(super) const SMALL: usize = SMALL_ANSWER;

/// Up to this size, what a connection holds is not counted for its client, so that small answers
/// write to no shared counter.
const UNCOUNTED: usize = SMALL;

/// It is counted for the client in steps of this size.
const STEP: usize = 64 * 1024;

/// The bodies of one connection.
#[derive(Debug)]
pub struct Unread {
    answers: RefCell<Slab<UnreadResponse>>,
    per_answer: Cell<usize>,
    /// Bytes that are held now.
    held: Cell<usize>,
    /// Bytes that are counted for the client.
    counted: Cell<usize>,
    client: UnreadShare,
    /// Answers that wait for room, in the order in which they asked.
    waiting: RefCell<VecDeque<usize>>,
}

/// One answer.
#[derive(Debug)]
struct UnreadResponse {
    /// Whether its body is still there. Pieces that were handed over may outlive it.
    is_open: bool,
    held: usize,
    /// The size of its last piece; the next one is expected to be as large.
    last: usize,
    /// When a piece was last handed over or written.
    moved: Tick,
    waker: Option<Waker>,
}

impl Unread {
    /// For a new connection, which speaks HTTP/1.1 until `set_h2`.
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

    /// The connection speaks HTTP/2. Each answer may hold more, as TLS holds little of each.
    pub(super) fn set_h2(&self) {
        self.per_answer.set(PER_ANSWER);
    }

    /// Adds an answer, and returns its key.
    pub(super) fn open(&self) -> usize {
        self.answers.borrow_mut().insert(UnreadResponse {
            is_open: true,
            held: 0,
            last: 0,
            moved: 0,
            waker: None,
        })
    }

    /// The answer's body is gone. The key is free once nothing of it is held.
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

    /// Whether an answer may be polled for its next piece. If not, its task is woken when that may
    /// have changed.
    pub(super) fn may_ask(&self, key: usize, is_small: bool, cx: &Context<'_>) -> bool {
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        if self.has_room(answer, is_small) {
            if answer.waker.take().is_some() {
                self.waiting.borrow_mut().retain(|waiting| *waiting != key);
            }
            drop(answers);
            // There may be room for another answer: each that gets room wakes the next.
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

    fn has_room(&self, answer: &UnreadResponse, is_small: bool) -> bool {
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

    /// Counts bytes that are no longer held.
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
        // If it waited, then for its own piece.
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

    /// Whether the client has not read something of an answer for too long.
    pub(super) fn is_unread_for_long(&self, past: impl Fn(Tick) -> bool) -> bool {
        self.answers
            .borrow()
            .iter()
            .any(|(_, answer)| answer.held > 0 && past(answer.moved))
    }

    /// Wakes the first waiting answer for which there is room. When it asks, it wakes the next.
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
