//! What do they ask for: connections, and the layers that every request passes on its way to a
//! target.

pub mod conn;
pub mod connection_guard;
pub mod control;
pub mod judge;
pub mod names;
pub mod over_limit;
pub mod renewals;
pub mod snapshot;
pub mod under_way;
pub mod unread;

mod access;
mod answer;
mod authorize;
mod body;
mod client_addr;
mod dress;
mod handoff;
mod handshake;
mod hello;
mod io;
mod linger;
mod normalize;
mod origin;
mod own;
mod page;
mod passthrough;
mod proxy_protocol;
mod reader;
mod redirect;
mod reject;
mod sign_in;
mod stack;
mod step;
mod target;
mod turn;
mod validation;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::addr::{ClientAddr, PeerAddr};
use crate::auth::{AuthFailures, TokenCache};
use crate::host::{Authority, HostName};
use crate::policy::Permit;
use crate::proxy::body::RequestBody;
use crate::proxy::headers::Origin;
use crate::proxy::tunnel::{CloseReason, TunnelControl};
use crate::registry::{Registered, Registry};
use crate::resolve::Resolver;
use crate::route::RouteId;
use crate::slot::{CountedClient, Full, OpenFiles, Slots, Sockets};
use crate::telemetry::access::{AccessSink, Exchange};
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::request_id::RequestIds;
use crate::tick::Ticks;
use crate::tls::Shown;
use crate::tls::challenges::Challenges;
use connection_guard::ConnectionGuard;
use control::ConnControl;
use names::Names;
use renewals::Renewals;
use snapshot::WorkerView;
use under_way::UnderWay;

/// What the connections of one worker share.
#[derive(Debug)]
pub struct Worker {
    /// Its coarse clock.
    pub ticks: Rc<Ticks>,
    /// The configuration in force.
    pub local: RefCell<Rc<WorkerView>>,
    /// Client connections that speak HTTP.
    pub connections: Rc<Registry<ConnControl>>,
    /// Client connections that have become tunnels.
    pub tunnels: Rc<Registry<TunnelControl>>,
    /// Requests that are being served.
    pub under_way: Rc<UnderWay>,
    /// Where access lines go.
    pub access: Rc<AccessSink>,
    /// What it counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Tokens that it has verified.
    pub tokens: TokenCache,
    /// Names of TURN servers that it has looked up.
    pub names: Names,
    /// Forged tokens and wrong API keys of each client, of all workers.
    pub auth_failures: Arc<AuthFailures>,
    /// The way to the tunnels of all workers.
    pub renewals: Arc<Renewals>,
    /// What CAs are answered when they look at names of open orders, by any worker.
    pub challenges: Arc<Challenges>,
    /// Names for requests.
    pub ids: RequestIds,
    /// Slots of the whole gateway.
    pub slots: Arc<Slots>,
    /// Room for sockets to upstream servers.
    pub sockets: Arc<Sockets>,
    /// Room for open files.
    pub files: Arc<OpenFiles>,
    /// Looks up the names of servers.
    pub resolver: Resolver,
    /// Tunnels are being closed: those that begin now too.
    pub closing: Cell<Option<CloseReason>>,
    /// No request is to be the first of several any more.
    pub draining: Cell<bool>,
    /// Connections refused since the last tick, and by which limit the last one was.
    pub refused: Cell<(u64, Option<Full>)>,
    /// Handshakes since the last tick for names that nothing serves, and the last such name.
    pub unserved: RefCell<(u64, Option<HostName>)>,
}

impl Worker {
    /// The configuration in force.
    pub fn local(&self) -> Rc<WorkerView> {
        Rc::clone(&self.local.borrow())
    }

    /// Enters a tunnel. From now on whatever takes its permission away reaches it.
    fn enter_tunnel(&self, control: Rc<TunnelControl>) -> Registered<TunnelControl> {
        if let Some(order) = self.closing.get() {
            control.close(order);
        }
        self.tunnels.enter(control)
    }

    /// Counts a handshake for a name that nothing serves.
    fn note_unserved(&self, sni: &HostName) {
        let mut unserved = self.unserved.borrow_mut();
        *unserved = (unserved.0 + 1, Some(sni.clone()));
    }

    /// Logs, in one line a tick, what strangers could otherwise fill the log with.
    pub fn report(&self) {
        if let (times, Some(reason)) = self.refused.take() {
            tracing::warn!(times, %reason, "connections refused");
        }
        if let (times, Some(name)) = self.unserved.take() {
            tracing::warn!(times, %name, "clients asked for a name that no certificate has (see tls.default)");
        }
    }

    /// Counts a connection for which there is no slot.
    pub fn refuse(&self, peer: PeerAddr, full: Full) {
        tracing::debug!(%peer, reason = %full, "connection refused");
        self.metrics.refused.one(full.limit());
        self.refused.set((self.refused.get().0 + 1, Some(full)));
    }

    /// Has connections end after what is under way.
    pub fn drain(&self) {
        self.draining.set(true);
        self.connections.each(ConnControl::drain);
    }
}

/// What is known of a client connection.
#[derive(Debug)]
struct ConnInfo {
    worker: Rc<Worker>,
    control: Rc<ConnControl>,
    client: ClientAddr,
    /// Kept by the connection's tunnel when HTTP is over.
    slot: Rc<ConnectionGuard>,
    /// The port of its listener.
    port: u16,
    /// The TLS server name, where one was sent.
    sni: Option<HostName>,
    /// The certificate that it was answered with; none without TLS.
    certificate: Option<Shown>,
    origin: Rc<Origin>,
    /// The `Host` of the last request, which is the `Host` of the next one nearly always.
    last_host: RefCell<Option<(HeaderValue, Rc<Authority>)>>,
}

/// A request as it arrives.
struct Arrived {
    request: Request<Incoming>,
    conn: Rc<ConnInfo>,
}

/// A request with everything that goes along: the configuration as it stood on arrival, and its log
/// line.
struct Inbound {
    request: Request<RequestBody>,
    conn: Rc<ConnInfo>,
    local: Rc<WorkerView>,
    exchange: Rc<Exchange>,
    /// Which one it is among those under way.
    key: under_way::Key,
    /// Who it is from, and what the upstream is told of that.
    client: ClientAddr,
    origin: Rc<Origin>,
}

impl Inbound {
    /// The client as it is counted at servers and files.
    fn counted(&self) -> CountedClient {
        match self.client == self.conn.client {
            true => self.conn.slot.counted(),
            false => self
                .conn
                .worker
                .slots
                .counted(self.client, &self.local.snapshot.limits),
        }
    }
}

/// A request whose path has one spelling, in its URI, and whose authority is settled, in its
/// `Host`.
struct Normal {
    inbound: Inbound,
    authority: Rc<Authority>,
}

/// A request for which there is a door.
struct Routed {
    normal: Normal,
    route: RouteId,
}

/// A request that may pass. Targets take nothing else, and only `authorize` makes one.
struct Admitted {
    routed: Routed,
    permit: Permit,
}
