//! The state of one worker that its connections share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::control::ConnControl;
use super::drain::{DrainPlan, DrainTimes};
use super::handshake_places::HandshakePlaces;
use super::handshake_turns::HandshakeTurns;
use super::login::Logins;
use super::names::Names;
use super::shared::SharedState;
use super::snapshot::Snapshot;
use super::under_way::UnderWay;
use super::view::WorkerView;
use crate::addr::PeerAddr;
use crate::auth::TokenCache;
use crate::overload::{Lag, LagChange, Overload};
use crate::registry::{Registered, Registry};
use crate::slot::Full;
use crate::telemetry::access::AccessSink;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::request_id::RequestIds;
use crate::telemetry::summed;
use crate::tick::Ticks;
use crate::tunnel::{CloseReason, TunnelControl};

/// The state of one worker that its connections share.
#[derive(Debug)]
pub struct Worker {
    /// What it shares with the other workers.
    pub shared: Arc<SharedState>,
    /// Its view of the configuration in force.
    pub view: RefCell<Rc<WorkerView>>,
    /// Its coarse clock.
    pub ticks: Rc<Ticks>,
    /// Client connections that speak HTTP.
    pub connections: Rc<Registry<ConnControl>>,
    /// The turns in which their handshakes begin.
    pub(super) handshakes: HandshakeTurns,
    /// The handshakes in progress.
    pub places: HandshakePlaces,
    /// Whether it can keep up.
    pub lag: RefCell<Lag>,
    /// Client connections that have become tunnels.
    pub tunnels: Rc<Registry<TunnelControl>>,
    /// Requests that are being served.
    pub under_way: Rc<UnderWay>,
    /// Where it writes access lines.
    pub access: Rc<AccessSink>,
    /// Its counters.
    pub metrics: Arc<WorkerMetrics>,
    /// Tokens that it has verified.
    pub tokens: TokenCache,
    /// What it remembers of logins.
    pub(super) logins: Logins,
    /// Names of TURN servers that it has resolved.
    pub names: Names,
    /// Makes the ids of requests.
    pub ids: RequestIds,
    /// Set while tunnels are being closed: a tunnel that opens now is closed as well.
    pub closing: Cell<Option<CloseReason>>,
    /// When things are closed, once the gateway is being stopped.
    pub(super) drain: Cell<Option<DrainPlan>>,
}

impl Worker {
    /// A worker without connections.
    pub fn new(
        shared: Arc<SharedState>,
        snapshot: Arc<Snapshot>,
        metrics: Arc<WorkerMetrics>,
    ) -> Rc<Self> {
        let ticks = Ticks::of(Arc::clone(&metrics.pulse));
        let access = AccessSink::new(shared.access.clone(), Arc::clone(&metrics));
        access.configure(snapshot.log.format, snapshot.log.access);
        let view = WorkerView::new(snapshot, &ticks, &shared, &metrics, None);
        Rc::new(Self {
            view: RefCell::new(view),
            under_way: UnderWay::new(&ticks),
            places: HandshakePlaces::new(Arc::clone(&shared.handshakes), &ticks),
            lag: RefCell::default(),
            ticks,
            connections: Registry::new(),
            handshakes: HandshakeTurns::default(),
            tunnels: Registry::new(),
            access,
            metrics,
            tokens: TokenCache::new(Arc::clone(&shared.tagger)),
            logins: Logins::default(),
            names: Names::new(&shared.resolver),
            ids: RequestIds::new(),
            drain: Cell::new(None),
            closing: Cell::new(None),
            shared,
        })
    }

    /// Its view of the configuration in force.
    pub fn view(&self) -> Rc<WorkerView> {
        Rc::clone(&self.view.borrow())
    }

    /// Applies a snapshot to every request from now on. Connections to servers that it still names
    /// stay open.
    pub fn apply(&self, snapshot: Arc<Snapshot>) {
        self.access
            .configure(snapshot.log.format, snapshot.log.access);
        let previous = self.view();
        let view = WorkerView::new(
            snapshot,
            &self.ticks,
            &self.shared,
            &self.metrics,
            Some(&previous),
        );
        *self.view.borrow_mut() = view;
        self.logins.forget();
    }

    /// Registers a connection that speaks HTTP. A drain may have begun before its handshake ended.
    pub(super) fn enter_connection(&self, control: Rc<ConnControl>) -> Registered<ConnControl> {
        if self.is_draining() {
            control.drain();
        }
        self.connections.enter(control)
    }

    /// Why new work is rejected now.
    pub fn overload(&self) -> Option<Overload> {
        if self.shared.memory.is_short() {
            Some(Overload::Memory)
        } else if self.lag.borrow().is_overloaded() {
            Some(Overload::Lag)
        } else {
            None
        }
    }

    /// Notes how late a tick is.
    pub fn note_lag(&self, late: Duration, now: Instant) {
        let Some(change) = self.lag.borrow_mut().note(late, now) else {
            return;
        };
        let is_overloaded = change == LagChange::Begins;
        self.metrics
            .is_overloaded
            .store(is_overloaded, Ordering::Relaxed);
        let connections = self.connections.len();
        match change {
            LagChange::Begins => tracing::warn!(
                connections,
                late_ms = late.as_millis(),
                "a worker is overloaded: it has run its tasks more than a second late for five \
                 seconds; requests on new connections get 503, all others go on"
            ),
            LagChange::Ends => tracing::info!(
                connections,
                "a worker is no longer overloaded: new connections are served again"
            ),
        }
    }

    /// Registers a tunnel, so that it closes when its permission is withdrawn.
    pub(super) fn enter_tunnel(&self, control: Rc<TunnelControl>) -> Registered<TunnelControl> {
        if let Some(reason) = self.closing.get() {
            control.close(reason);
        } else if let Some(plan) = self.drain.get() {
            control.close_at(plan.tunnel_end());
        }
        self.tunnels.enter(control)
    }

    /// Closes all tunnels, and those that open later.
    pub fn close_tunnels(&self, reason: CloseReason) {
        self.closing.set(Some(reason));
        self.tunnels.each(|tunnel| tunnel.close(reason));
    }

    /// Closes the tunnels that would be rejected if they were opened now.
    pub fn judge_tunnels(&self) {
        let view = self.view();
        self.tunnels.each(|tunnel| {
            if let Some(reason) = view.judge(tunnel) {
                tunnel.close(reason);
            }
        });
    }

    /// Judges everything that is open by a login once more.
    pub(super) fn judge_logins(&self) {
        self.under_way.note_keys_changed();
        self.judge_tunnels();
    }

    /// Counts a connection that was rejected because a limit is reached.
    pub fn refuse(&self, peer: PeerAddr, full: Full) {
        tracing::debug!(%peer, reason = %full, "connection refused");
        self.metrics.refused.inc(full.limit());
        summed("refused", full.limit(), move |times| {
            tracing::warn!(times, reason = %full, "connections refused");
        });
    }

    /// Closes each connection after the requests that it is serving, and everything else in the
    /// course of these times. Another call replaces the times.
    pub fn drain(&self, times: DrainTimes) {
        let mut idle = 0;
        self.connections
            .each(|connection| idle += usize::from(connection.is_idle()));
        let plan = DrainPlan::new(times, self.ticks.now(), idle);
        self.drain.set(Some(plan));
        self.connections.each(ConnControl::drain);
        self.tunnels
            .each(|tunnel| tunnel.close_at(plan.tunnel_end()));
        self.under_way.drain(&plan);
        self.close_idle(&plan);
    }

    /// Whether each connection closes after the requests that it is serving.
    pub fn is_draining(&self) -> bool {
        self.drain.get().is_some()
    }

    /// Closes what is due in a drain.
    pub fn sweep_drain(&self) {
        let Some(plan) = self.drain.get() else { return };
        let now = self.ticks.now();
        self.close_idle(&plan);
        self.tunnels
            .each(|tunnel| tunnel.close_if_due(now, CloseReason::GOING_AWAY));
        if now >= plan.requests {
            self.under_way.end_all();
        }
    }

    /// Closes as many idle connections as are due on this tick.
    fn close_idle(&self, plan: &DrainPlan) {
        let mut left = plan.idle_per_tick;
        let is_due = self.ticks.now() >= plan.idle;
        self.connections.each(|connection| {
            let may_close = is_due || connection.is_h2();
            if left > 0 && may_close && connection.is_idle() {
                connection.finish();
                left -= 1;
            }
        });
    }
}
