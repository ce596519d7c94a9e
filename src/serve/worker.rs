//! What the connections of one worker share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::control::ConnControl;
use super::names::Names;
use super::renewals::Renewals;
use super::snapshot::WorkerView;
use super::under_way::UnderWay;
use crate::addr::PeerAddr;
use crate::auth::{AuthFailures, TokenCache};
use crate::host::HostName;
use crate::proxy::tunnel::{CloseReason, TunnelControl};
use crate::registry::{Registered, Registry};
use crate::resolve::Resolver;
use crate::slot::{Full, OpenFiles, Slots, Sockets};
use crate::telemetry::access::AccessSink;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::request_id::RequestIds;
use crate::tick::Ticks;
use crate::tls::challenges::Challenges;

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
    /// Failed authentications of each client, counted over all workers.
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
    pub(super) fn enter_tunnel(&self, control: Rc<TunnelControl>) -> Registered<TunnelControl> {
        if let Some(order) = self.closing.get() {
            control.close(order);
        }
        self.tunnels.enter(control)
    }

    /// Counts a handshake for a name that nothing serves.
    pub(super) fn note_unserved(&self, sni: &HostName) {
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
