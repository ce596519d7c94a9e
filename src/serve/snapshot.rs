//! The configuration that requests are judged by: one immutable value, replaced whole by a reload.

use std::rc::Rc;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::limits::Limits;
use crate::proxy::client::Pool;
use crate::proxy::cluster::Cluster;
use crate::proxy::connect::Connector;
use crate::route::upstream::ServerAddr;
use crate::route::{RouteId, RouteTable, Target, UpstreamId};
use crate::telemetry::LogSpec;
use crate::tick::Ticks;
use crate::tls::CertTable;

/// What all workers share of one configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Which door.
    pub routes: Arc<RouteTable>,
    /// How much.
    pub limits: Limits,
    /// Whether WebSockets are offered on streams of HTTP/2.
    pub h2_websockets: bool,
    /// How the TLS listeners shake hands.
    pub tls: Arc<ServerConfig>,
    /// Whom to trust behind it: one entry for each upstream, where it speaks TLS.
    pub upstream_tls: Vec<Option<Arc<ClientConfig>>>,
    /// Which certificate serves which name.
    pub certificates: Arc<CertTable>,
    /// What is logged.
    pub log: LogSpec,
    /// The port that redirects from plain HTTP name.
    pub public_port: u16,
}

/// A worker's own view of a snapshot. Requests hold it by `Rc`, so that no two workers write to one counter.
#[derive(Debug)]
pub struct Local {
    /// What it is a view of.
    pub snapshot: Arc<Snapshot>,
    clusters: Vec<Cluster>,
    labels: Vec<Label>,
}

/// What the access log calls a route and its upstream.
#[derive(Clone, Debug)]
pub struct Label {
    /// The route's path.
    pub route: Rc<str>,
    /// The upstream's name, where it leads to one.
    pub upstream: Option<Rc<str>>,
}

impl Local {
    /// Takes up a snapshot; connections to servers that it still knows are kept.
    pub fn new(snapshot: Arc<Snapshot>, ticks: &Rc<Ticks>, before: Option<&Self>) -> Rc<Self> {
        let clusters: Vec<Cluster> = snapshot
            .routes
            .upstreams()
            .iter()
            .enumerate()
            .map(|(at, spec)| {
                let config = snapshot.upstream_tls.get(at).and_then(Option::as_ref);
                // TLS may trust others now, so connections are only kept where there is none.
                let known = |addr: &ServerAddr| before.filter(|_| !addr.is_tls())?.pool(addr);
                let fresh = |addr: &ServerAddr| Pool::new(Connector::new(addr.clone(), &spec.tls, config), ticks);
                let pool = |addr: &ServerAddr| known(addr).unwrap_or_else(|| fresh(addr));
                Cluster::new(Arc::clone(spec), spec.servers.iter().map(pool).collect())
            })
            .collect();
        let kept = |pool: &Rc<Pool>| all_pools(&clusters).any(|other| Rc::ptr_eq(other, pool));
        let old = before.map_or(&[][..], |local| &local.clusters);
        all_pools(old).filter(|pool| !kept(pool)).for_each(|pool| pool.close());
        let labels = snapshot.routes.routes().iter().map(|route| {
            let upstream = match &route.target {
                Target::Forward(forward) => Some(Rc::from(&*snapshot.routes.upstream(forward.upstream).name)),
                Target::Files(_) | Target::Redirect(_) => None,
            };
            Label { route: route.path.to_string().into(), upstream }
        });
        let labels = labels.collect();
        Rc::new(Self { snapshot, clusters, labels })
    }

    /// An upstream and this worker's connections to it.
    pub fn upstream(&self, id: UpstreamId) -> &Cluster {
        &self.clusters[id.0]
    }

    fn pool(&self, addr: &ServerAddr) -> Option<Rc<Pool>> {
        all_pools(&self.clusters).find(|pool| pool.addr() == addr).map(Rc::clone)
    }

    /// A route's names in the access log.
    pub fn label(&self, id: RouteId) -> &Label {
        &self.labels[id.index()]
    }

    /// Drops idle upstream connections that have had their time.
    pub fn sweep(&self) {
        all_pools(&self.clusters).for_each(|pool| pool.sweep());
    }
}

fn all_pools(clusters: &[Cluster]) -> impl Iterator<Item = &Rc<Pool>> {
    clusters.iter().flat_map(Cluster::pools)
}
