//! What a worker keeps of each open tunnel: enough to judge it again after a change, and to close
//! it.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use super::earlier::EarlierTokens;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::policy::Permit;
use crate::registry::TaskWaker;
use crate::route::change::Place;
use crate::route::upstream::ServerAddr;
use crate::signalling::{Backend, Protocol};
use crate::telemetry::access::End;
use crate::tick::Tick;
use crate::token::issuer::{Tag, Verified};

/// What a tunnel was opened for. After a reload the same question is asked again.
#[derive(Debug)]
pub enum TunnelKey {
    /// A WebSocket.
    Route(RouteTunnelKey),
    /// TLS that is passed through.
    Passthrough {
        /// The server name in the client's hello.
        sni: HostName,
        /// The server it is connected to.
        to: ServerAddr,
    },
}

/// The request that a WebSocket began with, and where it went.
#[derive(Debug)]
pub struct RouteTunnelKey {
    /// The host that was requested.
    pub host: HostName,
    /// The path that was requested, normalised.
    pub path: Box<str>,
    /// What its query said about a room.
    pub rooms: Option<Box<str>>,
    /// The server it is connected to.
    pub server: ServerAddr,
    place: RefCell<Place>,
}

/// What is kept of the target of a request that takes long.
#[derive(Debug)]
pub struct RequestTarget {
    /// Its path, normalised.
    pub path: Box<str>,
    /// What its query says about a room, as a query; the rest may be secret.
    pub rooms: Option<Box<str>>,
}

impl RouteTunnelKey {
    /// The key of a new WebSocket.
    pub fn new(host: HostName, target: RequestTarget, server: ServerAddr, place: Place) -> Self {
        let RequestTarget { path, rooms } = target;
        Self {
            host,
            path,
            rooms,
            server,
            place: RefCell::new(place),
        }
    }

    /// The route it belongs to.
    pub fn place(&self) -> Place {
        self.place.borrow().clone()
    }

    /// After a reload: it belongs to a route of the new table, and the old table can be freed.
    pub fn set_place(&self, place: Place) {
        *self.place.borrow_mut() = place;
    }
}

/// By what a tunnel may go on.
#[derive(Debug, Default)]
pub struct Grant {
    /// What permits it. Passed-through TLS needs no permit.
    pub permit: Option<Permit>,
    /// The upstream by which its messages are judged; `None` if it is raw.
    pub backend: Option<Arc<Backend>>,
}

/// An open tunnel as its worker sees it.
#[derive(Debug)]
pub struct TunnelControl {
    /// What it was opened for.
    pub key: TunnelKey,
    /// Its client.
    pub client: ClientAddr,
    grant: RefCell<Grant>,
    earlier: RefCell<EarlierTokens>,
    /// Set until the tunnel's task has seen it.
    is_renewed: Cell<bool>,
    is_closing: Cell<bool>,
    /// Set until the tunnel's task has seen it.
    close_reason: Cell<Option<CloseReason>>,
    /// When a drain closes it.
    closes_at: Cell<Tick>,
    task: TaskWaker,
}

impl TunnelControl {
    /// For a tunnel that is about to begin.
    pub fn new(key: TunnelKey, client: ClientAddr, grant: Grant) -> Rc<Self> {
        Rc::new(Self {
            key,
            client,
            grant: RefCell::new(grant),
            earlier: RefCell::default(),
            is_renewed: Cell::new(false),
            is_closing: Cell::new(false),
            close_reason: Cell::new(None),
            closes_at: Cell::new(Tick::MAX),
            task: TaskWaker::default(),
        })
    }

    /// What permits it now.
    pub fn permit(&self) -> Option<Permit> {
        self.grant.borrow().permit.clone()
    }

    /// The token that permits it now, if one does.
    pub fn token(&self) -> Option<Rc<Verified>> {
        let grant = self.grant.borrow();
        grant.permit.as_ref().and_then(Permit::token).map(Rc::clone)
    }

    /// Whether this token permits it, or did before a renewal.
    pub fn has_had(&self, tag: &Tag) -> bool {
        let is_current = self.token().is_some_and(|token| token.tag == *tag);
        is_current || self.earlier.borrow().contains(tag)
    }

    /// Whether its client sends a token in order to renew, and not along with other messages.
    pub fn renews_by_request(&self) -> bool {
        let grant = self.grant.borrow();
        let backend = grant.backend.as_ref();
        backend.is_some_and(|backend| backend.protocol == Protocol::Kurento)
    }

    /// By what it may go on now. Not to be held across a call that replaces it.
    pub(super) fn grant(&self) -> Ref<'_, Grant> {
        self.grant.borrow()
    }

    /// Whether its messages are judged.
    pub fn is_understood(&self) -> bool {
        self.grant.borrow().backend.is_some()
    }

    /// Whether the gateway has begun to close it.
    pub fn is_being_closed(&self) -> bool {
        self.is_closing.get()
    }

    /// Replaces its permit.
    pub fn renew(&self, permit: Permit) {
        if let Some(token) = self.token() {
            self.earlier.borrow_mut().note(token.tag);
        }
        self.grant.borrow_mut().permit = Some(permit);
        self.note_renewed();
    }

    /// Replaces its permit and the upstream by which its messages are judged.
    pub fn replace(&self, grant: Grant) {
        *self.grant.borrow_mut() = grant;
        self.note_renewed();
    }

    /// What was admitted by the old permit may have to end.
    fn note_renewed(&self) {
        if self.is_understood() {
            self.is_renewed.set(true);
            self.task.wake();
        }
    }

    /// Whether what it may go on by has changed since the last call.
    pub(super) fn take_renewed(&self) -> bool {
        self.is_renewed.take()
    }

    /// Closes it if its permit has expired.
    pub fn close_if_expired(&self, now: UnixTime) {
        if self.is_closing.get() {
            return;
        }
        let expired = match &self.grant.borrow().permit {
            Some(permit) if permit.has_ended(now) => permit.expired(),
            _ => return,
        };
        self.close(CloseReason::by_policy(expired));
    }

    /// Sets when [`Self::close_if_due`] closes it.
    pub fn close_at(&self, tick: Tick) {
        self.closes_at.set(tick);
    }

    /// Closes it if its time in a drain is over.
    pub fn close_if_due(&self, now: Tick, reason: CloseReason) {
        if now >= self.closes_at.get() && !self.is_closing.get() {
            self.close(reason);
        }
    }

    /// Has its task close it, with a close frame if it is a WebSocket.
    pub fn close(&self, reason: CloseReason) {
        self.is_closing.set(true);
        self.close_reason.set(Some(reason));
        self.task.wake();
    }

    /// The reason to close, the first time that it is asked for.
    pub(super) fn take_close_reason(&self) -> Option<CloseReason> {
        self.close_reason.take()
    }

    /// Notes the tunnel's task, to be woken by [`Self::close`].
    pub(super) fn register_task(&self, cx: &Context<'_>) {
        self.task.register(cx);
    }
}

/// Why and how the gateway closes a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code of the close frame (RFC 6455, section 7.4).
    pub code: u16,
    /// The reason in the close frame.
    pub reason: &'static str,
    /// How the access log says that it ended.
    pub end: End,
}

impl CloseReason {
    /// The gateway is being stopped: code 1001.
    pub const GOING_AWAY: Self = Self {
        code: 1001,
        reason: "going away",
        end: End::Drain,
    };

    /// It is no longer permitted: code 1008 (RFC 6455, section 7.4.1).
    pub fn by_policy(reason: &'static str) -> Self {
        Self {
            code: 1008,
            reason,
            end: End::Policy,
        }
    }
}
