//! A worker's own view of the configuration in force.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::shared::SharedState;
use super::snapshot::{Snapshot, Upstream};
use crate::proxy::client::Pool;
use crate::proxy::cluster::Cluster;
use crate::proxy::connect::Connector;
use crate::route::upstream::ServerAddr;
use crate::route::{Route, RouteId, RouteLimits, Target, UpstreamId};
use crate::slot::{RouteRoom, ServerRoom};
use crate::telemetry::metrics::{RouteCounts, ServerSeen, WorkerMetrics};
use crate::tick::Ticks;
use crate::token::issuer::Issuer;
use crate::token::keys::KeySetId;

/// A worker's own view of a snapshot: its connections to upstream servers and its counters, so that
/// no two workers write to one counter. Requests hold the view by `Rc`.
#[derive(Debug)]
pub struct WorkerView {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    upstreams: Vec<UpstreamView>,
    labels: Vec<Label>,
    /// The counts of each route that has limits of its own.
    rooms: Vec<Option<Arc<RouteRoom>>>,
    /// Servers to which TLS is passed through. Each keeps its share of the sockets while it is
    /// configured, used or not.
    _passed_to: Vec<Arc<ServerRoom>>,
    /// The issuers' keys by which its tunnels were last judged.
    key_sets: RefCell<Vec<KeySetId>>,
}

/// A worker's connections to an upstream.
#[derive(Debug)]
struct UpstreamView {
    cluster: Cluster,
    /// The upstream's name in metrics.
    name: Arc<str>,
    /// The servers' names in metrics, in the order of the cluster's pools.
    servers: Vec<Arc<str>>,
}

/// What the access log calls a route and its upstream.
#[derive(Clone, Debug)]
pub struct Label {
    /// The route's path.
    pub route: Rc<str>,
    /// The upstream's name, if the route has an upstream.
    pub upstream: Option<Rc<str>>,
    /// The name of the upstream of its WebSockets, if that is another one.
    pub websocket: Option<Rc<str>>,
    /// The worker's counters of the route.
    pub counts: Arc<RouteCounts>,
}

impl WorkerView {
    /// A view of a snapshot. Connections to servers that the previous view had and the snapshot
    /// still names stay open; the others close.
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        ticks: &Rc<Ticks>,
        shared: &SharedState,
        metrics: &WorkerMetrics,
        previous: Option<&Self>,
    ) -> Rc<Self> {
        let upstream = |upstream| UpstreamView::new(upstream, ticks, shared, metrics, previous);
        let upstreams: Vec<_> = snapshot.upstreams.iter().map(upstream).collect();
        if let Some(previous) = previous {
            previous.close_pools_not_in(&upstreams);
        }
        let label = |route: &Route| Label::new(route, &snapshot, metrics);
        let room = |route: &Route| {
            let has_limits = route.limits != RouteLimits::default();
            has_limits.then(|| {
                let name = route.name();
                shared.route_rooms.room(&name.host, &name.path)
            })
        };
        let passthrough = snapshot.passthrough.iter();
        Rc::new(Self {
            upstreams,
            labels: snapshot.routes.routes().iter().map(label).collect(),
            rooms: snapshot.routes.routes().iter().map(room).collect(),
            _passed_to: passthrough
                .map(|entry| shared.sockets.server(&entry.to.to_string()))
                .collect(),
            key_sets: RefCell::new(key_sets(&snapshot)),
            snapshot,
        })
    }

    fn close_pools_not_in(&self, upstreams: &[UpstreamView]) {
        let is_kept = |pool: &Rc<Pool>| all_pools(upstreams).any(|kept| Rc::ptr_eq(kept, pool));
        all_pools(&self.upstreams)
            .filter(|pool| !is_kept(pool))
            .for_each(|pool| pool.close());
    }

    /// An upstream and this worker's connections to it.
    pub fn upstream(&self, id: UpstreamId) -> &Cluster {
        &self.upstreams[id.0].cluster
    }

    /// An upstream by its name.
    pub(super) fn upstream_named(&self, name: &str) -> Option<&Cluster> {
        let mut clusters = self.upstreams.iter().map(|upstream| &upstream.cluster);
        clusters.find(|cluster| *cluster.spec().name == *name)
    }

    fn pool(&self, upstream: &str, addr: &ServerAddr) -> Option<Rc<Pool>> {
        let clusters = self.upstreams.iter().map(|upstream| &upstream.cluster);
        let mut clusters = clusters.filter(|cluster| *cluster.spec().name == *upstream);
        let mut pools = clusters.next()?.pools().iter();
        pools.find(|pool| pool.addr() == addr).map(Rc::clone)
    }

    /// A route's names in the access log.
    pub fn label(&self, id: RouteId) -> &Label {
        &self.labels[id.index()]
    }

    /// The counts of a route, if it has limits of its own.
    pub(super) fn room(&self, id: RouteId) -> Option<&Arc<RouteRoom>> {
        self.rooms[id.index()].as_ref()
    }

    /// An issuer by its name.
    pub(super) fn issuer(&self, name: &str) -> Option<&Issuer> {
        let mut issuers = self.snapshot.issuers.iter();
        issuers
            .find(|issuer| *issuer.spec.name == *name)
            .map(|issuer| &**issuer)
    }

    /// Whether an issuer has other keys than at the last call.
    pub fn have_keys_changed(&self) -> bool {
        let now = key_sets(&self.snapshot);
        self.key_sets.replace_with(|_| now.clone()) != now
    }

    /// Publishes what this worker knows of the servers' health.
    pub fn publish(&self, metrics: &WorkerMetrics) {
        let mut seen = metrics.servers();
        seen.clear();
        seen.extend(self.upstreams.iter().flat_map(UpstreamView::seen));
    }

    /// Closes upstream connections that have been idle for too long.
    pub fn sweep(&self) {
        let clusters = self.upstreams.iter().map(|upstream| &upstream.cluster);
        clusters.for_each(Cluster::sweep);
    }
}

impl UpstreamView {
    fn new(
        upstream: &Upstream,
        ticks: &Rc<Ticks>,
        shared: &SharedState,
        metrics: &WorkerMetrics,
        previous: Option<&WorkerView>,
    ) -> Self {
        let spec = &upstream.spec;
        // The CA that is trusted may have changed, so connections over TLS are not kept.
        let known = |addr: &ServerAddr| {
            let pool = previous
                .filter(|_| !addr.is_tls())?
                .pool(&spec.name, addr)?;
            pool.follow(spec);
            Some(pool)
        };
        let new = |addr: &ServerAddr| {
            let tls = upstream.tls.as_ref();
            let connector = Connector::new(addr.clone(), &spec.tls, tls, &shared.resolver);
            Pool::new(connector, spec, ticks, &shared.sockets)
        };
        let pool = |addr: &ServerAddr| known(addr).unwrap_or_else(|| new(addr));
        let pools = spec.servers.iter().map(pool).collect();
        Self {
            cluster: Cluster::new(
                Arc::clone(spec),
                pools,
                upstream.states.clone(),
                metrics.upstream(&spec.name),
            ),
            name: Arc::from(&*spec.name),
            servers: spec.server_names().map(Into::into).collect(),
        }
    }

    fn seen(&self) -> impl Iterator<Item = ServerSeen> {
        let pools = self.cluster.pools().iter().zip(&self.servers);
        pools.map(|(pool, server)| {
            let (quiet, failing) = pool.outcome();
            ServerSeen {
                upstream: Arc::clone(&self.name),
                server: Arc::clone(server),
                quiet,
                failing,
                busy: pool.busy(),
            }
        })
    }
}

impl Label {
    fn new(route: &Route, snapshot: &Snapshot, metrics: &WorkerMetrics) -> Self {
        let name = |id| Rc::from(&*snapshot.routes.upstream(id).name);
        let (upstream, websocket) = match &route.target {
            Target::Forward(to) => (Some(name(to.upstream)), to.websocket.map(name)),
            Target::Files(_) | Target::Redirect(_) | Target::Turn(_) => (None, None),
        };
        Self {
            route: route.path.to_string().into(),
            upstream,
            websocket,
            counts: metrics.route(route.name()),
        }
    }
}

fn key_sets(snapshot: &Snapshot) -> Vec<KeySetId> {
    let issuers = snapshot.issuers.iter();
    issuers.map(|issuer| issuer.key_set_id()).collect()
}

fn all_pools(upstreams: &[UpstreamView]) -> impl Iterator<Item = &Rc<Pool>> {
    upstreams
        .iter()
        .flat_map(|upstream| upstream.cluster.pools())
}
