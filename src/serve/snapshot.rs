//! The configuration that requests are judged by: one immutable value, replaced whole by a reload.

use std::rc::Rc;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use crate::limits::Limits;
use crate::proxy::client::Pool;
use crate::route::upstream::UpstreamSpec;
use crate::route::{RouteId, RouteTable, UpstreamId};
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
    /// How the TLS listeners shake hands.
    pub tls: Arc<ServerConfig>,
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
    pools: Vec<Rc<Pool>>,
    labels: Vec<Label>,
}

/// What the access log calls a route and its upstream.
#[derive(Clone, Debug)]
pub struct Label {
    /// The route's path.
    pub route: Rc<str>,
    /// The upstream's name.
    pub upstream: Rc<str>,
}

impl Local {
    /// Takes up a snapshot; connections to servers that it still knows are kept.
    pub fn new(snapshot: Arc<Snapshot>, ticks: &Rc<Ticks>, before: Option<&Self>) -> Rc<Self> {
        let old = before.map_or(&[][..], |local| &local.pools);
        let servers = snapshot.routes.upstreams().iter().map(|upstream| &upstream.server);
        let pools: Vec<Rc<Pool>> = servers
            .map(|server| {
                let kept = old.iter().find(|pool| pool.server() == server);
                kept.map_or_else(|| Pool::new(server.clone(), ticks), Rc::clone)
            })
            .collect();
        for gone in old.iter().filter(|pool| !pools.iter().any(|kept| Rc::ptr_eq(kept, pool))) {
            gone.close();
        }
        let labels = snapshot.routes.routes().iter().map(|route| {
            let crate::route::Target::Forward(forward) = &route.target;
            let upstream = snapshot.routes.upstream(forward.upstream);
            Label { route: route.path.to_string().into(), upstream: Rc::from(&*upstream.name) }
        });
        let labels = labels.collect();
        Rc::new(Self { snapshot, pools, labels })
    }

    /// An upstream and this worker's connections to it.
    pub fn upstream(&self, id: UpstreamId) -> (&Arc<UpstreamSpec>, &Rc<Pool>) {
        (self.snapshot.routes.upstream(id), &self.pools[id.0])
    }

    /// A route's names in the access log.
    pub fn label(&self, id: RouteId) -> &Label {
        &self.labels[id.index()]
    }

    /// Drops idle upstream connections that have had their time.
    pub fn sweep(&self) {
        self.pools.iter().for_each(|pool| pool.sweep());
    }
}
