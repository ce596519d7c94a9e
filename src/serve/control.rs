//! One client connection as its worker sees it: what it is doing, since when, and what it is told
//! to do.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;

use super::handoff::Handoff;
use super::unread::{Piece, Unread};
use crate::limits::Limits;
use crate::proxy::gather::Connection;
use crate::registry::TaskWaker;
use crate::slot::UnreadShare;
use crate::tick::{TICK, Tick, Ticks};

/// For a client to take what has been written for it.
const WRITE_STALLED: Duration = Duration::from_secs(75);

/// For a client to go, once told to.
const FINISH_GRACE: Duration = Duration::from_secs(10);

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// Bytes of a request head have come, not yet all.
    Head,
    /// A request is being answered.
    Busy,
}

/// What the connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnCommand {
    /// End after the requests under way; at once if there are none.
    Finish,
    /// End now: a request head took too long.
    LateHead,
    /// End now: the client does not take its answers, or did not go when told to.
    Abort,
}

/// The state.
#[derive(Debug)]
pub struct ConnControl {
    phase: Cell<Phase>,
    since: Cell<Tick>,
    blocked_since: Cell<Option<Tick>>,
    finishing_since: Cell<Option<Tick>>,
    in_flight: Cell<u32>,
    served: Cell<bool>,
    draining: Cell<bool>,
    /// Bytes between requests are the beginning of a head: not so in HTTP/2, which has other
    /// frames.
    is_h1: Cell<bool>,
    /// A request was refused with its body unread: the client must not lose the answer to a reset.
    lingers: Cell<bool>,
    order: Cell<Option<ConnCommand>>,
    handoff: RefCell<Option<Handoff>>,
    /// What its bodies hold in memory.
    unread: Unread,
    task: TaskWaker,
    ticks: Rc<Ticks>,
}

impl ConnControl {
    /// A connection on which nothing has happened yet.
    pub fn new(ticks: &Rc<Ticks>, unread: UnreadShare) -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Idle),
            since: Cell::new(ticks.now()),
            blocked_since: Cell::new(None),
            finishing_since: Cell::new(None),
            in_flight: Cell::new(0),
            served: Cell::new(false),
            draining: Cell::new(false),
            is_h1: Cell::new(true),
            lingers: Cell::new(false),
            order: Cell::new(None),
            handoff: RefCell::new(None),
            unread: Unread::new(unread),
            task: TaskWaker::default(),
            ticks: Rc::clone(ticks),
        })
    }

    /// The connection speaks HTTP/2.
    pub fn set_h2(&self) {
        self.is_h1.set(false);
        self.unread.set_h2();
    }

    pub(super) fn is_h2(&self) -> bool {
        !self.is_h1.get()
    }

    pub(super) fn unread(&self) -> &Unread {
        &self.unread
    }

    pub(super) fn now(&self) -> Tick {
        self.ticks.now()
    }

    /// Bytes came from the client.
    pub fn on_read(&self) {
        if self.phase.get() == Phase::Idle && self.is_h1.get() {
            self.enter(Phase::Head);
        }
    }

    /// The client takes bytes, or does not.
    pub fn on_write(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(self.ticks.now()));
        }
    }

    /// A request has arrived; it is under way until the guard is dropped.
    pub fn on_request(self: &Rc<Self>) -> InFlight {
        self.begin();
        InFlight {
            control: Rc::clone(self),
            key: self.unread.open(),
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.ticks.now());
    }

    /// A request was refused before its body was read.
    pub fn set_lingers(&self) {
        self.lingers.set(true);
    }

    /// Whether to wait for the client to read the last answer.
    pub fn lingers(&self) -> bool {
        self.lingers.get()
    }

    /// The request has become a tunnel.
    pub(super) fn hand_off(&self, handoff: Handoff) {
        *self.handoff.borrow_mut() = Some(handoff);
    }

    /// The tunnel to be, once HTTP is over.
    pub(super) fn take_handoff(&self) -> Option<Handoff> {
        self.handoff.borrow_mut().take()
    }

    /// Tells the connection what to do.
    pub fn tell(&self, order: ConnCommand) {
        self.order.set(Some(order));
        self.finishing_since
            .set(self.finishing_since.get().or(Some(self.ticks.now())));
        self.task.wake();
    }

    /// A request of HTTP/1.1 is to be cut. Where the client takes no bytes, nobody would ask for
    /// the next ones.
    pub(super) fn on_cut(&self) {
        if self.blocked_since.get().is_some() {
            self.tell(ConnCommand::Abort);
        } else {
            self.task.wake();
        }
    }

    /// The gateway is being stopped. A connection that has not been used yet is given the time of
    /// one request head: its request may already be on the way, and its answer will close it.
    pub fn drain(&self) {
        if self.served.get() {
            self.tell(ConnCommand::Finish);
        } else {
            self.draining.set(true);
        }
    }

    /// What it has been told since it last looked.
    pub fn take_order(&self, cx: &Context<'_>) -> Option<ConnCommand> {
        self.task.register(cx);
        self.order.take()
    }

    /// Judges its deadlines.
    pub fn sweep(&self, limits: &Limits) {
        let past = |since: Tick, limit: Duration| {
            let ticks = limit.as_millis().div_ceil(TICK.as_millis());
            u128::from(self.ticks.now() - since) > ticks
        };
        let since = self.since.get();
        let is_idle = self.phase.get() == Phase::Idle;
        if self
            .blocked_since
            .get()
            .is_some_and(|since| past(since, WRITE_STALLED))
            || self.unread.is_untaken(|since| past(since, WRITE_STALLED))
            || (is_idle
                && self
                    .finishing_since
                    .get()
                    .is_some_and(|since| past(since, FINISH_GRACE)))
        {
            self.tell(ConnCommand::Abort);
        } else if self.phase.get() == Phase::Head && past(since, limits.header_timeout) {
            self.tell(ConnCommand::LateHead);
        } else if is_idle && self.finishing_since.get().is_none() {
            let limit = if self.draining.get() {
                limits.header_timeout
            } else {
                limits.idle_timeout
            };
            if past(since, limit) {
                self.tell(ConnCommand::Finish);
            }
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct InFlight {
    control: Rc<ConnControl>,
    key: usize,
}

impl InFlight {
    /// Whether its body may be asked for the next piece; if not, the task is woken when that may
    /// have changed. A small answer does not wait for others.
    pub(super) fn may_ask(&self, is_small: bool, cx: &Context<'_>) -> bool {
        self.control.unread.may_ask(self.key, is_small, cx)
    }

    /// A piece of its body, which counts until it has been written. An HTTP/2 client that opens no
    /// window would leave it there, and its socket looks fine: [`ConnControl::sweep`] looks at the
    /// pieces.
    pub(super) fn give(&self, bytes: Bytes) -> Piece {
        Piece::new(bytes, self.key, &self.control)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.control.unread.close(self.key);
        self.control.end();
    }
}

/// A request's body may still be on its way when the answer has gone.
impl Connection for ConnControl {
    fn begin(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.served.set(true);
        self.enter(Phase::Busy);
    }

    fn end(&self) {
        let left = self.in_flight.get() - 1;
        self.in_flight.set(left);
        if left == 0 {
            self.enter(Phase::Idle);
            if self.lingers.get() {
                // HTTP/1.1 waits for the client's next byte, although nothing wants it any more.
                self.task.wake();
            }
        }
    }

    fn may_gather(&self) -> bool {
        self.unread.may_gather()
    }

    fn hold(&self, bytes: usize) {
        self.unread.hold(bytes);
    }

    fn release(&self, bytes: usize) {
        self.unread.release(bytes);
    }
}

#[cfg(test)]
mod tests;
