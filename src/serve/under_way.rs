//! Requests under way on a worker. One that takes long (server-sent events, a long poll, a download
//! or an upload) is cut when its permission is withdrawn, like a tunnel.
//!
//! A request's entry is in a slab whose slots are reused, and only ticks look at it: a request that
//! ends before the next tick costs nothing more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::admission::{Admission, Moment};
use super::control::ConnControl;
use super::drain::DrainPlan;
use super::judge::Withdrawn;
use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::policy::Permit;
use crate::proxy::client::Pool;
use crate::route::RouteId;
use crate::telemetry::access::Exchange;
use crate::tick::{Tick, Ticks};
use crate::token::issuer::{Tag, Verified};

/// The age in ticks from which a request is judged again.
const JUDGED_AFTER: Tick = 2;

/// The requests of one worker.
#[derive(Debug)]
pub struct UnderWay {
    requests: RefCell<Slab<RequestEntry>>,
    /// How often the issuers' keys have changed.
    changes: Cell<u64>,
    /// When long polls are answered, once the gateway is being stopped.
    drain: Cell<Option<DrainPlan>>,
    ticks: Rc<Ticks>,
}

#[derive(Debug)]
struct RequestEntry {
    exchange: Rc<Exchange>,
    control: Rc<ConnControl>,
    is_h2: bool,
    /// The task of an HTTP/2 stream. In HTTP/1.1 it is the connection's task, which `control`
    /// wakes.
    task: Option<Waker>,
    /// Present while a target serves the request.
    admission: Option<Admission>,
    /// Why it is to be cut.
    cut: Option<Withdrawn>,
}

impl RequestEntry {
    fn sweep(&mut self, moment: &Moment<'_>) {
        let Some(admission) = &mut self.admission else {
            return;
        };
        // On each tick until it has ended: the client may have stopped to read in between.
        if self.cut.is_some() {
            return self.wake();
        }
        admission.path.copy();
        if admission.is_poll_due(moment.tick) {
            self.wake_task();
            return;
        }
        if moment.tick - admission.since < JUDGED_AFTER {
            return;
        }
        if admission.is_handshake {
            return;
        }
        if let Err(why) = admission.judge_again(moment) {
            self.cut(why);
        }
    }

    fn cut(&mut self, why: Withdrawn) {
        self.cut = Some(why);
        self.exchange
            .note(|line| (line.end, line.reason) = (why.end(), Some(why.reason())));
        self.wake();
    }

    /// Renews a request of the old token if its policy accepts the new one.
    fn renew(&mut self, old: Tag, new: &Rc<Verified>, view: &WorkerView, now: UnixTime) {
        let Some(admission) = &mut self.admission else {
            return;
        };
        if admission
            .permit
            .token()
            .is_none_or(|token| token.tag != old)
        {
            return;
        }
        if let Ok(permit) = view.ask_anew(&admission.question(), new, now) {
            admission.permit = permit;
            if let Err(why) = admission.judge_poll() {
                self.cut(why);
            }
        }
    }

    /// Has the task look at the request, whose response has not begun.
    fn wake_task(&self) {
        match &self.task {
            Some(task) => task.wake_by_ref(),
            None => self.control.wake(),
        }
    }

    fn wake(&self) {
        match &self.task {
            Some(task) => task.wake_by_ref(),
            // No task waits for it: HTTP/2 asks for the rest when the client opens its window.
            None if self.is_h2 => {}
            None => self.control.on_cut(),
        }
    }
}

impl UnderWay {
    /// No request is under way yet.
    pub fn new(ticks: &Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self {
            requests: RefCell::default(),
            changes: Cell::new(0),
            drain: Cell::new(None),
            ticks: Rc::clone(ticks),
        })
    }

    /// Adds a request; it is under way until the guard is dropped.
    pub(super) fn enter(
        self: &Rc<Self>,
        exchange: &Rc<Exchange>,
        control: &Rc<ConnControl>,
        is_h2: bool,
    ) -> Entered {
        let (exchange, control) = (Rc::clone(exchange), Rc::clone(control));
        let entry = RequestEntry {
            exchange,
            control,
            is_h2,
            task: None,
            admission: None,
            cut: None,
        };
        let key = Key(self.requests.borrow_mut().insert(entry));
        Entered {
            under_way: Rc::clone(self),
            key,
        }
    }

    /// Adds the permission of a request that may be served. If the configuration has changed while
    /// the request waited (for an issuer's key or a form), it is judged again.
    pub(super) fn admit(
        &self,
        key: Key,
        mut admission: Admission,
        view: &Rc<WorkerView>,
    ) -> Result<(), Withdrawn> {
        admission.follow(view)?;
        (admission.since, admission.changes) = (self.ticks.now(), self.changes.get());
        self.requests.borrow_mut()[key.0].admission = Some(admission);
        Ok(())
    }

    /// The permission of a request whose body had to be waited for. If the configuration has
    /// changed in the meantime, it is judged again.
    pub(super) fn permit(&self, key: Key, view: &Rc<WorkerView>) -> Result<Permit, Withdrawn> {
        let mut requests = self.requests.borrow_mut();
        let admission = requests[key.0].admission.as_mut();
        let admission = admission.ok_or(Withdrawn::Route)?;
        admission.follow(view)?;
        Ok(admission.permit.clone())
    }

    /// By which configuration a request is served, by which of its routes, and for whom.
    pub(super) fn place(&self, key: Key) -> Option<(Rc<WorkerView>, RouteId, ClientAddr)> {
        let requests = self.requests.borrow();
        let admission = requests[key.0].admission.as_ref()?;
        Some((
            Rc::clone(&admission.view),
            admission.route,
            admission.client,
        ))
    }

    /// Renews a request, if its policy accepts the new token.
    pub(super) fn renew_request(
        &self,
        key: Key,
        new: &Rc<Verified>,
        view: &Rc<WorkerView>,
        now: UnixTime,
    ) -> Result<Permit, Withdrawn> {
        let mut requests = self.requests.borrow_mut();
        let admission = requests[key.0].admission.as_mut();
        let admission = admission.ok_or(Withdrawn::Route)?;
        admission.follow(view)?;
        admission.permit = view.ask_anew(&admission.question(), new, now)?;
        Ok(admission.permit.clone())
    }

    /// The request is a WebSocket handshake, which a server has not answered yet.
    pub(super) fn is_handshake(&self, key: Key) {
        if let Some(admission) = &mut self.requests.borrow_mut()[key.0].admission {
            admission.is_handshake = true;
        }
    }

    /// The request waits for the events of this session of Janus.
    pub(super) fn polls(&self, key: Key, session: i64) {
        if let Some(admission) = &mut self.requests.borrow_mut()[key.0].admission {
            admission.polled = Some(session);
            if let Some(plan) = self.drain.get() {
                admission.poll_end = plan.poll_end();
            }
        }
    }

    /// Ready when a drain has a long poll answered.
    pub(super) fn until_poll_due(&self, key: Key, cx: &Context<'_>) -> Poll<()> {
        self.watch(key, cx);
        let requests = self.requests.borrow();
        let is_due = |admission: &Admission| admission.is_poll_due(self.ticks.now());
        match requests[key.0].admission.as_ref().is_some_and(is_due) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The gateway is being stopped: each long poll gets its answer.
    pub(super) fn drain(&self, plan: &DrainPlan) {
        self.drain.set(Some(*plan));
        for (_, entry) in self.requests.borrow_mut().iter_mut() {
            if let Some(admission) = &mut entry.admission
                && admission.polled.is_some()
            {
                admission.poll_end = plan.poll_end();
            }
        }
    }

    /// Cuts all requests: the time of the drain is over.
    pub(super) fn end_all(&self) {
        for (_, entry) in self.requests.borrow_mut().iter_mut() {
            let is_served = entry.admission.is_some();
            if is_served && entry.cut.is_none() {
                entry.cut(Withdrawn::Stopped);
            }
        }
    }

    /// A server has answered.
    pub(super) fn answers(&self, key: Key, server: Option<&Rc<Pool>>) {
        if let Some(admission) = &mut self.requests.borrow_mut()[key.0].admission {
            (admission.server, admission.is_handshake) = (server.cloned(), false);
        }
    }

    /// Ends a request that becomes something else, which takes its permission over.
    pub(super) fn take(&self, key: Key) -> Option<Admission> {
        self.requests.borrow_mut()[key.0].admission.take()
    }

    /// Why the request is to be cut, if it is.
    pub(super) fn cut(&self, key: Key) -> Option<Withdrawn> {
        self.requests.borrow()[key.0].cut
    }

    /// Wakes the task that is being polled when the request is cut.
    pub(super) fn watch(&self, key: Key, cx: &Context<'_>) {
        let entry = &mut self.requests.borrow_mut()[key.0];
        if entry.is_h2
            && !entry
                .task
                .as_ref()
                .is_some_and(|task| task.will_wake(cx.waker()))
        {
            entry.task = Some(cx.waker().clone());
        }
    }

    /// Issuers have other keys: every request is judged again.
    pub fn note_keys_changed(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Cuts the requests that would be rejected if they arrived now.
    pub fn sweep(&self, view: &Rc<WorkerView>, now: UnixTime) {
        let moment = Moment {
            view,
            now,
            tick: self.ticks.now(),
            changes: self.changes.get(),
        };
        self.requests
            .borrow_mut()
            .iter_mut()
            .for_each(|(_, entry)| entry.sweep(&moment));
    }

    /// Renews requests of the old token whose policies accept the new one.
    pub fn renew(&self, old: Tag, new: &Rc<Verified>, view: &WorkerView, now: UnixTime) {
        self.requests
            .borrow_mut()
            .iter_mut()
            .for_each(|(_, entry)| entry.renew(old, new, view, now));
    }
}

/// The key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(usize);

/// Keeps a request among those under way.
#[derive(Debug)]
pub(super) struct Entered {
    under_way: Rc<UnderWay>,
    key: Key,
}

impl Entered {
    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn cut(&self) -> Option<Withdrawn> {
        self.under_way.cut(self.key)
    }

    pub(super) fn watch(&self, cx: &Context<'_>) {
        self.under_way.watch(self.key, cx);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped after the borrow: dropping the last handle of an exchange writes its line.
        let _entry = self.under_way.requests.borrow_mut().remove(self.key.0);
    }
}
