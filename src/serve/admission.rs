//! Whether a request that is being served may go on.

use std::rc::Rc;

use http::uri::PathAndQuery;

use super::Normal;
use super::judge::{Expiry, Question, Withdrawn};
use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::host::Authority;
use crate::policy::{Denied, Permit};
use crate::proxy::client::Pool;
use crate::route::RouteId;
use crate::route::change::Sent;
use crate::signalling::jitsi;
use crate::tick::{Tick, Ticks};
use crate::tls::BadCertificate;
use crate::tunnel::RequestTarget;

/// The permission by which a request is served, and the facts on which it was decided.
#[derive(Debug)]
pub(super) struct Admission {
    /// The configuration that `route` belongs to.
    pub(super) view: Rc<WorkerView>,
    pub(super) route: RouteId,
    pub(super) authority: Rc<Authority>,
    pub(super) path: Path,
    pub(super) client: ClientAddr,
    pub(super) permit: Permit,
    /// The connections to the server that answers; `None` before one does.
    pub(super) server: Option<Rc<Pool>>,
    /// It asks for a WebSocket, which its route may lead to an upstream of its own.
    is_websocket: bool,
    /// A WebSocket handshake: not judged here, because the tunnel is judged when it opens.
    pub(super) is_handshake: bool,
    /// The session of Janus for whose events it waits.
    pub(super) polled: Option<i64>,
    /// When a drain has it answered, if it waits for events.
    pub(super) poll_end: Tick,
    /// When it was admitted.
    pub(super) since: Tick,
    /// The number of changes when it was last judged.
    pub(super) changes: u64,
    /// When a reload changed its target.
    target_changed_at: Option<Tick>,
}

/// The path of a request, with its query.
#[derive(Debug)]
pub(super) enum Path {
    /// A slice of the request's head, which it keeps in memory.
    Shared(Option<PathAndQuery>),
    /// A copy, for a request that takes long.
    Copied(RequestTarget),
}

impl Path {
    fn as_str(&self) -> &str {
        match self {
            Self::Shared(target) => target.as_ref().map_or("/", PathAndQuery::path),
            Self::Copied(target) => &target.path,
        }
    }

    /// Its query; of a copy only what names a room.
    fn query(&self) -> &str {
        let query = match self {
            Self::Shared(target) => target.as_ref().and_then(PathAndQuery::query),
            Self::Copied(target) => target.rooms.as_deref(),
        };
        query.unwrap_or_default()
    }

    pub(super) fn into_copy(self) -> RequestTarget {
        match self {
            Self::Copied(target) => target,
            shared => RequestTarget {
                path: shared.as_str().into(),
                rooms: jitsi::rooms_of(shared.query()),
            },
        }
    }

    pub(super) fn copy(&mut self) {
        if let Self::Shared(_) = self {
            let shared = std::mem::replace(self, Self::Shared(None));
            *self = Self::Copied(shared.into_copy());
        }
    }
}

/// The moment at which requests are judged.
pub(super) struct Moment<'m> {
    pub(super) view: &'m Rc<WorkerView>,
    pub(super) now: UnixTime,
    pub(super) tick: Tick,
    /// The number of changes of configurations and issuers' keys so far.
    pub(super) changes: u64,
}

impl Admission {
    pub(super) fn new(normal: &Normal, route: RouteId, permit: &Permit) -> Self {
        let inbound = &normal.inbound;
        Self {
            view: Rc::clone(&inbound.view),
            route,
            authority: Rc::clone(&normal.authority),
            path: Path::Shared(inbound.request.uri().path_and_query().cloned()),
            client: inbound.client,
            permit: permit.clone(),
            server: None,
            is_websocket: inbound.is_websocket,
            is_handshake: false,
            polled: None,
            poll_end: Tick::MAX,
            since: 0,
            changes: 0,
            target_changed_at: None,
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question {
            belongs: (&self.view.snapshot.routes, self.route),
            host: &self.authority.host,
            sent: Sent {
                path: self.path.as_str(),
                is_websocket: self.is_websocket,
                server: self.server.as_ref().map(|pool| pool.addr()),
            },
            query: self.path.query(),
            client: self.client,
        }
    }

    /// Judges the request by another configuration.
    pub(super) fn judge(&mut self, view: &Rc<WorkerView>, expiry: Expiry) -> Result<(), Withdrawn> {
        let (route, permit) = view.ask_again(&self.question(), Some(&self.permit), expiry)?;
        let is_understood = |view: &WorkerView, route, permit: &Permit| {
            let backend = view.route_backend(route, self.is_websocket, permit);
            backend.is_some()
        };
        if is_understood(view, route, &permit)
            != is_understood(&self.view, self.route, &self.permit)
        {
            return Err(Withdrawn::Messages);
        }
        (self.route, self.permit, self.view) = (route, permit, Rc::clone(view));
        self.judge_poll()
    }

    /// Judges a long poll by the permit in force.
    pub(super) fn judge_poll(&self) -> Result<(), Withdrawn> {
        let Some(session) = self.polled else {
            return Ok(());
        };
        let result = self
            .view
            .may_still_poll(self.route, &self.permit, self.client, session);
        result.map_err(Withdrawn::Poll)
    }

    /// Whether it is a long poll that is to be answered now.
    pub(super) fn is_poll_due(&self, now: Tick) -> bool {
        now >= self.poll_end
    }

    /// Judges the request if the configuration has changed. A changed target is no reason against
    /// it: it goes to the server that it came for.
    pub(super) fn follow(&mut self, view: &Rc<WorkerView>) -> Result<(), Withdrawn> {
        if Rc::ptr_eq(&self.view, view) {
            return Ok(());
        }
        match self.judge(view, Expiry::Checked) {
            Err(Withdrawn::Target) => Ok(()),
            verdict => verdict,
        }
    }

    /// Judges the request if the result may differ from the last one.
    pub(super) fn judge_again(&mut self, moment: &Moment<'_>) -> Result<(), Withdrawn> {
        if self.permit.has_ended(moment.now) {
            return Err(match self.permit.login() {
                Some(_) => Withdrawn::Denied(Denied::Certificate(BadCertificate::Expired)),
                None => Withdrawn::Expired,
            });
        }
        let has_changed = self.changes != moment.changes || !Rc::ptr_eq(&self.view, moment.view);
        if !has_changed {
            return Ok(());
        }
        self.changes = moment.changes;
        let verdict = self.judge(moment.view, Expiry::Ignored);
        self.grant_time(verdict, moment)
    }

    /// A request whose target a reload has changed may go on for as long as in a drain: its server
    /// is at work on it, and a retry would go to another server. A long poll is cut at once, as a
    /// WebSocket is: by what rules it may wait there, the new configuration does not say.
    fn grant_time(
        &mut self,
        verdict: Result<(), Withdrawn>,
        moment: &Moment<'_>,
    ) -> Result<(), Withdrawn> {
        if verdict != Err(Withdrawn::Target) || self.polled.is_some() {
            self.target_changed_at = None;
            return verdict;
        }
        let since = *self.target_changed_at.get_or_insert(moment.tick);
        let last = Ticks::later(since, moment.view.snapshot.limits.drain);
        if moment.tick < last { Ok(()) } else { verdict }
    }
}
