//! How far a request's body and its answer have come. The body, the answer and the connection
//! between them share this.

use std::cell::Cell;
use std::time::Duration;

use crate::tick::{Tick, Ticks};

/// How long a server may take to accept another piece of a body that it has already answered.
pub(in crate::proxy) const NOT_TAKEN: Duration = Duration::from_secs(2);

/// How long a client may take to send another piece of a body that has already been answered.
pub(super) const NOT_SENT: Duration = Duration::from_secs(5);

/// How far a request's body and its answer have come.
#[derive(Debug, Default)]
pub struct Progress {
    last: Cell<Tick>,
    has_ended: Cell<bool>,
    is_waiting: Cell<bool>,
    is_early: Cell<bool>,
    was_given_up: Cell<bool>,
    answered: Cell<Option<Tick>>,
}

impl Progress {
    /// When the last piece of the body was passed on, in the worker's ticks.
    pub fn last(&self) -> Tick {
        self.last.get()
    }

    /// Whether all of the body has come.
    pub fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Whether the rest of the body is not read: the server has answered and closed, for example.
    pub(in crate::proxy) fn was_given_up(&self) -> bool {
        self.was_given_up.get()
    }

    /// Whether the answer has begun before the body has ended.
    pub(super) fn is_early(&self) -> bool {
        self.is_early.get()
    }

    /// Notes that the answer has begun before the body has ended.
    pub(in crate::proxy) fn set_early(&self) {
        self.is_early.set(true);
    }

    /// Notes that the answer has ended.
    pub(in crate::proxy) fn set_answered(&self, now: Tick) {
        self.answered.set(self.answered.get().or(Some(now)));
    }

    /// Notes that a piece was passed on.
    pub(super) fn note_passed_on(&self, now: Tick) {
        self.last.set(now);
    }

    /// Notes that a piece has come from the client.
    pub(super) fn note_received(&self, now: Tick) {
        self.last.set(now);
        self.is_waiting.set(false);
    }

    /// Notes that the client has to send the next piece.
    pub(super) fn note_waiting(&self) {
        self.is_waiting.set(true);
    }

    /// Notes that all of the body has come.
    pub(super) fn note_end(&self) {
        self.has_ended.set(true);
    }

    /// Notes that the rest of the body is not read.
    pub(super) fn note_given_up(&self) {
        self.was_given_up.set(true);
    }

    /// Once the answer has ended: the tick at which the next piece of the body is too late.
    pub(in crate::proxy) fn deadline(&self) -> Option<Tick> {
        let limit = if self.is_waiting.get() {
            NOT_SENT
        } else {
            NOT_TAKEN
        };
        let answered = self.answered.get()?;
        Some(Ticks::later(answered.max(self.last()), limit))
    }

    /// Whether the client has stopped sending a body whose answer has ended.
    pub(super) fn is_silent(&self, now: Tick) -> bool {
        self.is_waiting.get() && self.deadline().is_some_and(|due| due <= now)
    }
}
