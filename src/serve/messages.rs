//! Whose messages are judged, and by what.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::observer::MessageObserver;
use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::clock::{self, UnixTime};
use crate::policy::Permit;
use crate::route::{Forward, RouteId, Target, UpstreamId};
use crate::signalling::janus::rest;
use crate::signalling::owners::{Owner, Owners};
use crate::signalling::{
    AnyInspector, Backend, Context, Direction, Ids, MessageToken, Observer, Protocol, judge,
};
use crate::tick::Tick;
use crate::tunnel::{Judge, TokenVerifier};

/// Judges the messages of a WebSocket.
pub(super) type MessageJudge = Judge<AnyInspector, MessageObserver>;

impl WorkerView {
    /// Forgets a part of the sessions that have not been used for long.
    pub fn forget_sessions(&self, tick: Tick, now: Instant) {
        let upstreams = self.snapshot.upstreams.iter();
        for owners in upstreams.filter_map(|upstream| upstream.owners.as_ref()) {
            owners.sweep(tick as usize, now);
        }
    }

    /// Whose sessions an upstream has; `None` if the gateway does not know any.
    pub(super) fn owners(&self, upstream: UpstreamId) -> Option<&Arc<Owners>> {
        self.snapshot.upstreams[upstream.0].owners.as_ref()
    }

    /// What the messages for an upstream are judged by; `None` if they are forwarded as they are.
    pub(super) fn backend(&self, upstream: UpstreamId, permit: &Permit) -> Option<&Arc<Backend>> {
        let backend = self.snapshot.upstreams[upstream.0].backend.as_ref()?;
        (permit.rules().is_some() || backend.changes_messages()).then_some(backend)
    }

    /// The same for the WebSockets of a route.
    pub(super) fn websocket_backend(
        &self,
        route: RouteId,
        permit: &Permit,
    ) -> Option<&Arc<Backend>> {
        self.route_backend(route, true, permit)
    }

    /// The same for the WebSockets or the other requests of a route.
    pub(super) fn route_backend(
        &self,
        route: RouteId,
        is_websocket: bool,
        permit: &Permit,
    ) -> Option<&Arc<Backend>> {
        let to = self.forward(route)?;
        self.backend(to.upstream_of(is_websocket), permit)
    }

    /// Whether a client may go on waiting for the events of a session.
    ///
    /// # Errors
    /// The reason to end its long poll.
    pub(super) fn may_still_poll(
        &self,
        route: RouteId,
        permit: &Permit,
        client: ClientAddr,
        session: i64,
    ) -> Result<(), &'static str> {
        let Some(backend) = self.route_backend(route, false, permit) else {
            return Ok(());
        };
        let ids = rest::Place::Session(session).ids();
        rest::may_still_poll(&context(backend, permit, client, ids, &()))
    }

    /// How requests of the route are forwarded, if they are.
    pub(super) fn forward(&self, route: RouteId) -> Option<&Forward> {
        match &self.snapshot.routes.route(route).target {
            Target::Forward(to) => Some(to),
            Target::Files(_) | Target::Redirect(_) | Target::Turn(_) => None,
        }
    }

    /// The largest message of the route in bytes.
    pub(super) fn message_size(&self, route: RouteId) -> usize {
        self.forward(route)
            .map_or(Forward::MESSAGE_SIZE, |to| to.message_size)
    }

    /// Judges the messages of a new WebSocket.
    pub(super) fn judge_of(
        &self,
        route: RouteId,
        backend: &Backend,
        (permit, client): (&Permit, ClientAddr),
        observer: MessageObserver,
        verifier: Rc<dyn TokenVerifier>,
    ) -> Box<MessageJudge> {
        let inspector = AnyInspector::new(backend.protocol, random());
        let owner = owner(permit).unwrap_or_else(|| match backend.protocol {
            Protocol::Janus | Protocol::JanusAdmin => Owner::of_connection(random()),
            // Application servers are admitted by address, and connect again to their sessions.
            Protocol::Kurento => Owner::of_address(client),
        });
        let limits = &self.snapshot.limits;
        let messages = (!limits.exempts(client)).then_some(limits.messages_per_tunnel);
        let size = self.message_size(route);
        Box::new(Judge::new(
            (inspector, observer),
            verifier,
            owner,
            size,
            (limits.refusals_per_tunnel, messages),
        ))
    }
}

/// Learns from what the server has said to a client over HTTP.
pub(super) fn learn(backend: &Backend, owner: Owner, said: &str) {
    let context = Context {
        backend,
        ids: Ids::default(),
        rules: None,
        claims: None,
        owner,
        time: UnixTime::now(),
        now: clock::monotonic(),
        is_in_grace: false,
        token: MessageToken::Absent,
        observer: &(),
    };
    let mut inspector = AnyInspector::new(backend.protocol, 0);
    judge(&mut inspector, Direction::ToClient, said, &context).for_each(drop);
}

/// What a message of a request over HTTP is judged by. Without a subject the client is known by its
/// address.
pub(super) fn context<'c>(
    backend: &'c Backend,
    permit: &'c Permit,
    client: ClientAddr,
    ids: Ids,
    observer: &'c dyn Observer,
) -> Context<'c> {
    let time = UnixTime::now();
    Context {
        backend,
        ids,
        rules: permit.rules(),
        claims: permit.user().map(|token| &token.claims),
        owner: owner(permit).unwrap_or_else(|| Owner::of_address(client)),
        time,
        now: clock::monotonic(),
        is_in_grace: permit.is_in_grace(time),
        token: MessageToken::Absent,
        observer,
    }
}

/// Who is not to open another WebSocket after a flood of refusals: the subject of its token, or
/// without a subject its address.
pub(super) fn flooder(permit: &Permit, client: ClientAddr) -> Owner {
    owner(permit).unwrap_or_else(|| Owner::of_address(client))
}

/// The subject of the permit's token, if it has one.
pub(super) fn owner(permit: &Permit) -> Option<Owner> {
    let token = permit.user()?;
    let subject = token.claims.subject()?;
    Some(Owner::of_token(&token.issuer, token.claims.iss(), subject))
}

/// The user of the permit's token, if it names one: its subject, and the user beside it in the
/// tokens of Jitsi, whose subject is a tenant or a domain.
pub(super) fn user(permit: &Permit) -> Option<Owner> {
    let token = permit.user()?;
    let (user, subject) = (token.claims.user_id(), token.claims.subject());
    if user.is_none() && subject.is_none() {
        return None;
    }
    let (user, subject) = (user.as_deref(), subject.unwrap_or_default());
    let (issuer, iss) = (&token.issuer, token.claims.iss());
    let user = user.unwrap_or_default();
    Some(Owner::of_user(issuer, iss, subject, user))
}

/// A number that no client can guess.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness a client could only mistake its own answers.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
