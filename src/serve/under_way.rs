//! Requests under way on a worker, so that one whose answer takes long ends with its permission, as
//! a tunnel does: server-sent events, long polls, downloads and uploads.
//!
//! What a request needs for that is kept in a slot that is used again and again. It is looked at by
//! ticks, so requests that are over within one cost nothing more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use http::uri::PathAndQuery;
use slab::Slab;

use super::Inbound;
use super::control::ConnControl;
use super::judge::{Expiry, Question, Withdrawn};
use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::host::Authority;
use crate::policy::Permit;
use crate::proxy::client::Pool;
use crate::route::RouteId;
use crate::telemetry::access::{End, Exchange};
use crate::tick::{Tick, Ticks};
use crate::token::issuer::{Tag, Verified};

/// A request this many ticks old is under way for long enough to be judged again.
const JUDGED_AFTER: Tick = 2;

/// The requests of one worker.
#[derive(Debug)]
pub struct UnderWay {
    slots: RefCell<Slab<Slot>>,
    /// What permissions rest on has changed so many times: configurations and issuers' keys.
    changes: Cell<u64>,
    ticks: Rc<Ticks>,
}

#[derive(Debug)]
struct Slot {
    exchange: Rc<Exchange>,
    control: Rc<ConnControl>,
    is_h2: bool,
    /// The task of a stream of HTTP/2. Over HTTP/1.1 it is the connection's, which its control
    /// knows.
    task: Option<Waker>,
    /// From when a target serves it until its last byte is there.
    admission: Option<Admission>,
    /// It is to be cut.
    cut: Option<Withdrawn>,
}

/// Why a request may be served, and what that rests on.
#[derive(Debug)]
pub(super) struct Admission {
    /// The configuration of the route.
    pub(super) local: Rc<WorkerView>,
    pub(super) route: RouteId,
    pub(super) authority: Rc<Authority>,
    pub(super) path: Path,
    pub(super) client: ClientAddr,
    pub(super) permit: Permit,
    /// The connections to the server that answers, once one does.
    pub(super) server: Option<Rc<Pool>>,
    /// It may become a tunnel, which is judged on entry.
    is_handshake: bool,
    since: Tick,
    /// [`UnderWay::changes`] when it was last judged.
    changes: u64,
    /// It came when its permit had ended already, but not the leeway of its token.
    in_leeway: bool,
    /// Since when its target is another one.
    leaving_since: Option<Tick>,
}

/// The path of a request.
#[derive(Debug)]
pub(super) enum Path {
    /// A slice of the request's head, which stays alive with it.
    Shared(Option<PathAndQuery>),
    /// A copy, for a request that lasts.
    Copied(Box<str>),
}

impl Path {
    fn as_str(&self) -> &str {
        match self {
            Self::Shared(target) => target.as_ref().map_or("/", PathAndQuery::path),
            Self::Copied(path) => path,
        }
    }

    pub(super) fn into_text(self) -> Box<str> {
        match self {
            Self::Copied(path) => path,
            shared => shared.as_str().into(),
        }
    }

    fn copy(&mut self) {
        if let Self::Shared(_) = self {
            *self = Self::Copied(self.as_str().into());
        }
    }
}

/// The moment at which requests are looked at.
struct Moment<'m> {
    local: &'m Rc<WorkerView>,
    now: UnixTime,
    tick: Tick,
    changes: u64,
}

impl Admission {
    pub(super) fn new(
        inbound: &Inbound,
        authority: &Rc<Authority>,
        route: RouteId,
        permit: &Permit,
    ) -> Self {
        Self {
            local: Rc::clone(&inbound.local),
            route,
            authority: Rc::clone(authority),
            path: Path::Shared(inbound.request.uri().path_and_query().cloned()),
            client: inbound.client,
            permit: permit.clone(),
            server: None,
            is_handshake: false,
            since: 0,
            changes: 0,
            in_leeway: false,
            leaving_since: None,
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            belongs: (&self.local.snapshot.routes, self.route),
            host: &self.authority.host,
            path: self.path.as_str(),
            server: self.server.as_ref().map(|pool| pool.addr()),
            client: self.client,
        }
    }

    /// Asks the configuration in force whether the request would be let in.
    pub(super) fn judge(
        &mut self,
        local: &Rc<WorkerView>,
        expiry: Expiry,
    ) -> Result<(), Withdrawn> {
        let (route, permit) = local.ask_again(&self.question(), Some(&self.permit), expiry)?;
        (self.route, self.permit, self.local) = (route, permit, Rc::clone(local));
        Ok(())
    }

    /// The same, where there may be another answer than when it was last asked.
    fn look(&mut self, moment: &Moment<'_>) -> Result<(), Withdrawn> {
        if !self.in_leeway && self.permit.has_ended(moment.now) {
            return Err(Withdrawn::Expired);
        }
        let has_changed = self.changes != moment.changes || !Rc::ptr_eq(&self.local, moment.local);
        if !has_changed && !self.in_leeway {
            return Ok(());
        }
        self.changes = moment.changes;
        let expiry = if self.in_leeway {
            Expiry::Asked
        } else {
            Expiry::Ignored
        };
        let verdict = self.judge(moment.local, expiry);
        self.leave(verdict, moment)
    }

    /// A request that still goes where a reload no longer leads may take as long as one that is
    /// under way in a drain: its server is at work on it, and a retry would ask another one.
    fn leave(
        &mut self,
        verdict: Result<(), Withdrawn>,
        moment: &Moment<'_>,
    ) -> Result<(), Withdrawn> {
        if verdict != Err(Withdrawn::Target) {
            self.leaving_since = None;
            return verdict;
        }
        let since = *self.leaving_since.get_or_insert(moment.tick);
        let last = Ticks::later(since, moment.local.snapshot.limits.drain);
        if moment.tick < last { Ok(()) } else { verdict }
    }
}

impl Slot {
    fn look(&mut self, moment: &Moment<'_>) {
        let Some(admission) = &mut self.admission else {
            return;
        };
        // At each look until it is over: its client may have stopped to read since the last one.
        if self.cut.is_some() {
            return self.tell();
        }
        if moment.tick - admission.since < JUDGED_AFTER {
            return;
        }
        admission.path.copy();
        if admission.is_handshake {
            return;
        }
        if let Err(why) = admission.look(moment) {
            self.cut = Some(why);
            self.exchange
                .note(|line| (line.end, line.reason) = (End::Policy, Some(why.reason())));
            self.tell();
        }
    }

    fn tell(&self) {
        match &self.task {
            Some(task) => task.wake_by_ref(),
            // Nothing of it is waited for: HTTP/2 asks for the rest when the client's window opens.
            None if self.is_h2 => {}
            None => self.control.on_cut(),
        }
    }
}

impl UnderWay {
    /// None yet.
    pub fn new(ticks: &Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self {
            slots: RefCell::default(),
            changes: Cell::new(0),
            ticks: Rc::clone(ticks),
        })
    }

    /// A request has come; it is under way until the guard is dropped.
    pub(super) fn enter(
        self: &Rc<Self>,
        exchange: &Rc<Exchange>,
        control: &Rc<ConnControl>,
        is_h2: bool,
    ) -> Entered {
        let (exchange, control) = (Rc::clone(exchange), Rc::clone(control));
        let slot = Slot {
            exchange,
            control,
            is_h2,
            task: None,
            admission: None,
            cut: None,
        };
        let key = Key(self.slots.borrow_mut().insert(slot));
        Entered {
            under_way: Rc::clone(self),
            key,
        }
    }

    /// The request may be served. If it had to wait for that, for an issuer's key or a form, what
    /// has changed meanwhile is made up for.
    pub(super) fn admit(
        &self,
        key: Key,
        mut admission: Admission,
        local: &Rc<WorkerView>,
    ) -> Result<(), Withdrawn> {
        if !Rc::ptr_eq(&admission.local, local) {
            let verdict = admission.judge(local, Expiry::Asked);
            if verdict != Err(Withdrawn::Target) {
                verdict?;
            }
        }
        // The clock is not asked where it cannot matter.
        let permit = &admission.permit;
        admission.in_leeway = permit.ends().is_some() && permit.has_ended(UnixTime::now());
        (admission.since, admission.changes) = (self.ticks.now(), self.changes.get());
        self.slots.borrow_mut()[key.0].admission = Some(admission);
        Ok(())
    }

    /// A server is asked for a WebSocket. Nothing goes through until it has agreed.
    pub(super) fn is_handshake(&self, key: Key) {
        if let Some(admission) = &mut self.slots.borrow_mut()[key.0].admission {
            admission.is_handshake = true;
        }
    }

    /// A server answers.
    pub(super) fn answers(&self, key: Key, server: Option<&Rc<Pool>>) {
        if let Some(admission) = &mut self.slots.borrow_mut()[key.0].admission {
            (admission.server, admission.is_handshake) = (server.cloned(), false);
        }
    }

    /// The request is over; what it rested on goes to what it has become.
    pub(super) fn take(&self, key: Key) -> Option<Admission> {
        self.slots.borrow_mut()[key.0].admission.take()
    }

    /// Whether the request is to be cut, and why.
    pub(super) fn cut(&self, key: Key) -> Option<Withdrawn> {
        self.slots.borrow()[key.0].cut
    }

    /// The task that is being polled is woken when that changes.
    pub(super) fn watch(&self, key: Key, cx: &Context<'_>) {
        let slot = &mut self.slots.borrow_mut()[key.0];
        if slot.is_h2
            && !slot
                .task
                .as_ref()
                .is_some_and(|task| task.will_wake(cx.waker()))
        {
            slot.task = Some(cx.waker().clone());
        }
    }

    /// Issuers have other keys.
    pub fn note_keys_changed(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Cuts the requests that would not be let in any more.
    pub fn sweep(&self, local: &Rc<WorkerView>, now: UnixTime) {
        let moment = Moment {
            local,
            now,
            tick: self.ticks.now(),
            changes: self.changes.get(),
        };
        self.slots
            .borrow_mut()
            .iter_mut()
            .for_each(|(_, slot)| slot.look(&moment));
    }

    /// Requests of the old token go on by the new one, where their policies take it.
    pub fn renew(&self, old: Tag, new: &Rc<Verified>, local: &WorkerView, now: UnixTime) {
        let mut slots = self.slots.borrow_mut();
        let admissions = slots
            .iter_mut()
            .filter_map(|(_, slot)| slot.admission.as_mut());
        for admission in
            admissions.filter(|it| it.permit.token().is_some_and(|token| token.tag == old))
        {
            if let Some(permit) = local.ask_anew(&admission.question(), new, now) {
                (admission.permit, admission.in_leeway) = (permit, false);
            }
        }
    }
}

/// Which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(usize);

/// A request's stay among those under way.
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
        // Dropped outside of the borrow: the last one of an exchange writes its line.
        let _slot = self.under_way.slots.borrow_mut().remove(self.key.0);
    }
}
