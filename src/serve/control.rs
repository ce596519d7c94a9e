//! The control block of a client connection: what the connection is doing and since when, and
//! commands for it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use super::handoff::Handoff;
use super::unread::Unread;
use crate::limits::Limits;
use crate::proxy::body::ClientConn;
use crate::registry::TaskWaker;
use crate::slot::UnreadShare;
use crate::tick::{TICK, Tick, Ticks};

/// How long a client may read nothing of what has been written to it.
const WRITE_STALLED: Duration = Duration::from_secs(75);

/// How long an idle connection may take to close after [`ConnCommand::Finish`].
const FINISH_GRACE: Duration = Duration::from_secs(10);

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// A part of a request head has been received.
    Head,
    /// A request is being answered.
    Busy,
}

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnCommand {
    /// Close after the requests under way.
    Finish,
    /// Close now: a request head took too long.
    LateHead,
    /// Close now: the client does not read its answers, or did not close when it should have.
    Abort,
}

/// The control block of a client connection.
#[derive(Debug)]
pub struct ConnControl {
    phase: Cell<Phase>,
    since: Cell<Tick>,
    blocked_since: Cell<Option<Tick>>,
    finishing_since: Cell<Option<Tick>>,
    in_flight: Cell<u32>,
    served: Cell<bool>,
    draining: Cell<bool>,
    /// In HTTP/1.1, bytes between requests are the start of a head. HTTP/2 has other frames.
    is_h1: Cell<bool>,
    /// A request was rejected before its body was read. Closing at once would reset the connection,
    /// and the client could lose the answer.
    lingers: Cell<bool>,
    command: Cell<Option<ConnCommand>>,
    handoff: RefCell<Option<Handoff>>,
    /// Memory that its bodies hold.
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
            command: Cell::new(None),
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

    /// Bytes were received.
    pub fn on_read(&self) {
        if self.phase.get() == Phase::Idle && self.is_h1.get() {
            self.enter(Phase::Head);
        }
    }

    /// Bytes could be written to the client, or not.
    pub fn on_write(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(self.ticks.now()));
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.ticks.now());
    }

    /// A request was rejected before its body was read.
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

    /// The tunnel that the connection becomes when HTTP is over.
    pub(super) fn take_handoff(&self) -> Option<Handoff> {
        self.handoff.borrow_mut().take()
    }

    /// Sends a command to the connection.
    pub fn send(&self, command: ConnCommand) {
        self.command.set(Some(command));
        self.finishing_since
            .set(self.finishing_since.get().or(Some(self.ticks.now())));
        self.task.wake();
    }

    /// Cuts a request of HTTP/1.1. While nothing can be written to the client, hyper does not ask
    /// for the next bytes of the answer, so the connection is closed instead.
    pub(super) fn on_cut(&self) {
        if self.blocked_since.get().is_some() {
            self.send(ConnCommand::Abort);
        } else {
            self.task.wake();
        }
    }

    /// Closes the connection after its requests. One that is idle is closed by [`Self::finish`], or
    /// after its next request. One that has not been used yet gets the time of one request head: a
    /// request may already be on its way.
    pub fn drain(&self) {
        self.draining.set(true);
        if self.phase.get() == Phase::Busy {
            self.finish();
        }
    }

    /// Whether it has been used, and nothing is under way.
    pub fn is_idle(&self) -> bool {
        let is_open = self.finishing_since.get().is_none();
        self.phase.get() == Phase::Idle && self.served.get() && is_open
    }

    /// Closes the connection after its requests.
    pub fn finish(&self) {
        self.send(ConnCommand::Finish);
    }

    /// Closes the connection if it is idle and has been for a tick.
    pub fn close_if_idle(&self) {
        if self.is_idle() && self.since.get() < self.ticks.now() {
            self.finish();
        }
    }

    /// Has the task of the connection look at its requests.
    pub(super) fn wake(&self) {
        self.task.wake();
    }

    /// The command since the last call. The task that is being polled is woken by the next one.
    pub fn take_command(&self, cx: &Context<'_>) -> Option<ConnCommand> {
        self.task.register(cx);
        self.command.take()
    }

    /// Enforces the deadlines.
    pub fn sweep(&self, limits: &Limits) {
        let past = |since: Tick, limit: Duration| {
            let ticks = limit.as_millis().div_ceil(TICK.as_millis());
            u128::from(self.ticks.now() - since) > ticks
        };
        let is_overdue =
            |since: &Cell<Option<Tick>>, limit| since.get().is_some_and(|since| past(since, limit));
        let since = self.since.get();
        let is_idle = self.phase.get() == Phase::Idle;
        if is_overdue(&self.blocked_since, WRITE_STALLED)
            || self
                .unread
                .is_unread_for_long(|since| past(since, WRITE_STALLED))
            || (is_idle && is_overdue(&self.finishing_since, FINISH_GRACE))
        {
            self.send(ConnCommand::Abort);
        } else if self.phase.get() == Phase::Head && past(since, limits.header_timeout) {
            self.send(ConnCommand::LateHead);
        } else if is_idle && self.finishing_since.get().is_none() {
            let limit = match self.draining.get() && !self.served.get() {
                true => limits.header_timeout,
                false => limits.idle_timeout,
            };
            if past(since, limit) {
                self.send(ConnCommand::Finish);
            }
        }
    }
}

/// Requests and bodies. A request's body may still be on its way when its answer has been sent.
impl ClientConn for ConnControl {
    fn begin(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.served.set(true);
        self.enter(Phase::Busy);
        // In HTTP/1.1 the answer says that the connection closes.
        if self.draining.get() && self.is_h2() {
            self.send(ConnCommand::Finish);
        }
    }

    fn end(&self) {
        let left = self.in_flight.get() - 1;
        self.in_flight.set(left);
        if left == 0 {
            self.enter(Phase::Idle);
            if self.lingers.get() {
                // HTTP/1.1 waits for the client's next byte, which is not needed any more.
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
