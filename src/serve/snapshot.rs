//! The configuration that requests are judged by: one immutable value, replaced whole by a reload.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::addr::Network;
use crate::files::Guard;
use crate::host::HostName;
use crate::limits::Limits;
use crate::proxy::client::Pool;
use crate::proxy::cluster::Cluster;
use crate::proxy::connect::Connector;
use crate::resolve::Resolver;
use crate::route::passthrough::Passthrough;
use crate::route::upstream::{ServerAddr, UpstreamSpec};
use crate::route::{RouteId, RouteTable, Target, UpstreamId};
use crate::slot::{ServerRoom, Sockets};
use crate::telemetry::LogSpec;
use crate::telemetry::metrics::{RouteCounts, ServerSeen, WorkerMetrics};
use crate::tick::Ticks;
use crate::tls::CertTable;
use crate::token::issuer::Issuer;
use crate::token::keys::KeySetId;
use crate::turn::{Turn, TurnId};

/// What all workers share of one configuration.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which door.
    pub routes: Arc<RouteTable>,
    /// What no route with files may show.
    pub guard: Arc<Guard>,
    /// How much.
    pub limits: Limits,
    /// How many sockets to upstream servers there may be.
    pub upstream_sockets: usize,
    /// How many files may be open.
    pub open_files: usize,
    /// Who signs tokens; policies name them by their position.
    pub issuers: Vec<Arc<Issuer>>,
    /// TURN credentials; routes name them by their position.
    pub turns: Vec<Arc<Turn>>,
    /// Server names whose TLS another server ends.
    pub passthrough: Vec<Passthrough>,
    /// Balancers that must say by PROXY protocol who connects.
    pub balancers: Vec<Network>,
    /// Proxies that are believed what they say about the client in headers.
    pub trusted_proxies: Vec<Network>,
    /// Whether WebSockets are offered on streams of HTTP/2.
    pub h2_websockets: bool,
    /// How the TLS listeners shake hands.
    pub tls: Arc<ServerConfig>,
    /// Whom to trust behind it: one entry for each upstream, where it speaks TLS.
    pub upstream_tls: Vec<Option<Arc<ClientConfig>>>,
    /// Whether names that no certificate has are answered with the first one.
    pub default_certificate: bool,
    /// Which certificate serves which name.
    pub certificates: Arc<CertTable>,
    /// What is logged.
    pub log: LogSpec,
    /// The port that redirects from plain HTTP name.
    pub public_port: u16,
    /// The ports of the TLS listeners.
    pub tls_ports: Vec<u16>,
    /// By which names the status listener may be asked, beside addresses and `localhost`.
    pub status_hosts: Vec<HostName>,
}

impl Snapshot {
    /// Whether clients that ask for this server name are answered.
    pub fn answers(&self, sni: &HostName) -> bool {
        self.default_certificate || self.certificates.serves(sni)
    }

    /// The credentials by their index.
    pub fn turn(&self, id: TurnId) -> &Turn {
        &self.turns[id.0]
    }
}

/// A worker's own view of a snapshot. Requests hold it by `Rc`, so that no two workers write to one
/// counter.
#[derive(Debug)]
pub struct WorkerView {
    /// What it is a view of.
    pub snapshot: Arc<Snapshot>,
    clusters: Vec<Cluster>,
    labels: Vec<Label>,
    /// The names of the upstream and server of each pool, in the order of [`all_pools`].
    servers: Vec<(Arc<str>, Arc<str>)>,
    /// Where TLS is passed through to: these servers have their part of the sockets, whether they
    /// use it or not.
    _passed_to: Vec<Arc<ServerRoom>>,
    /// The keys of the issuers, as its tunnels have been judged by them.
    key_sets: RefCell<Vec<KeySetId>>,
}

/// What a worker has for connections to servers.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'w> {
    /// Its clock.
    pub ticks: &'w Rc<Ticks>,
    /// Room for sockets.
    pub sockets: &'w Arc<Sockets>,
    /// Addresses of names.
    pub resolver: &'w Resolver,
}

/// What the access log calls a route and its upstream.
#[derive(Clone, Debug)]
pub struct Label {
    /// The route's path.
    pub route: Rc<str>,
    /// The upstream's name, where it leads to one.
    pub upstream: Option<Rc<str>>,
    /// Where the worker counts it.
    pub counts: Arc<RouteCounts>,
}

impl WorkerView {
    /// Takes up a snapshot; connections to servers that it still knows are kept.
    pub fn new(
        snapshot: Arc<Snapshot>,
        ways: Ways<'_>,
        metrics: &WorkerMetrics,
        before: Option<&Self>,
    ) -> Rc<Self> {
        let Ways {
            ticks,
            sockets,
            resolver,
        } = ways;
        let clusters: Vec<Cluster> = snapshot
            .routes
            .upstreams()
            .iter()
            .enumerate()
            .map(|(at, spec)| {
                let config = snapshot.upstream_tls.get(at).and_then(Option::as_ref);
                // TLS may trust others now, so connections are only kept where there is none.
                let known = |addr: &ServerAddr| {
                    let pool = before.filter(|_| !addr.is_tls())?.pool(&spec.name, addr)?;
                    pool.follow(spec);
                    Some(pool)
                };
                let connector =
                    |addr: &ServerAddr| Connector::new(addr.clone(), &spec.tls, config, resolver);
                let fresh = |addr: &ServerAddr| Pool::new(connector(addr), spec, ticks, sockets);
                let pool = |addr: &ServerAddr| known(addr).unwrap_or_else(|| fresh(addr));
                Cluster::new(
                    Arc::clone(spec),
                    spec.servers.iter().map(pool).collect(),
                    metrics.upstream(&spec.name),
                )
            })
            .collect();
        let kept = |pool: &Rc<Pool>| all_pools(&clusters).any(|other| Rc::ptr_eq(other, pool));
        let old = before.map_or(&[][..], |local| &local.clusters);
        all_pools(old)
            .filter(|pool| !kept(pool))
            .for_each(|pool| pool.close());
        let labels = snapshot.routes.routes().iter().map(|route| {
            let counts = metrics.route(route.name());
            let upstream = match &route.target {
                Target::Forward(forward) => {
                    Some(Rc::from(&*snapshot.routes.upstream(forward.upstream).name))
                }
                Target::Files(_) | Target::Redirect(_) | Target::Turn(_) => None,
            };
            Label {
                route: route.path.to_string().into(),
                upstream,
                counts,
            }
        });
        let labels = labels.collect();
        let names = |spec: &Arc<UpstreamSpec>| {
            let upstream: Arc<str> = Arc::from(&*spec.name);
            spec.servers
                .iter()
                .map(|addr| (Arc::clone(&upstream), addr.to_string().into()))
                .collect::<Vec<_>>()
        };
        let servers = snapshot.routes.upstreams().iter().flat_map(names).collect();
        let key_sets = RefCell::new(key_sets(&snapshot));
        let passed_to = snapshot
            .passthrough
            .iter()
            .map(|entry| sockets.server(&entry.to.to_string()))
            .collect();
        Rc::new(Self {
            snapshot,
            clusters,
            labels,
            servers,
            _passed_to: passed_to,
            key_sets,
        })
    }

    /// An upstream and this worker's connections to it.
    pub fn upstream(&self, id: UpstreamId) -> &Cluster {
        &self.clusters[id.0]
    }

    fn pool(&self, upstream: &str, addr: &ServerAddr) -> Option<Rc<Pool>> {
        let cluster = self
            .clusters
            .iter()
            .find(|cluster| *cluster.spec().name == *upstream)?;
        cluster
            .pools()
            .iter()
            .find(|pool| pool.addr() == addr)
            .map(Rc::clone)
    }

    /// A route's names in the access log.
    pub fn label(&self, id: RouteId) -> &Label {
        &self.labels[id.index()]
    }

    /// An issuer by its name.
    pub(super) fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.snapshot
            .issuers
            .iter()
            .find(|issuer| *issuer.spec.name == *name)
            .map(|issuer| &**issuer)
    }

    /// Whether an issuer has other keys than when this was asked before.
    pub fn have_keys_changed(&self) -> bool {
        let now = key_sets(&self.snapshot);
        self.key_sets.replace_with(|_| now.clone()) != now
    }

    /// Tells what this worker has learnt of the servers.
    pub fn publish(&self, metrics: &WorkerMetrics) {
        let mut seen = metrics.servers();
        seen.clear();
        seen.extend(all_pools(&self.clusters).zip(&self.servers).map(
            |(pool, (upstream, server))| {
                let (quiet, failing) = pool.outcome();
                ServerSeen {
                    upstream: Arc::clone(upstream),
                    server: Arc::clone(server),
                    quiet,
                    failing,
                    busy: pool.busy(),
                }
            },
        ));
    }

    /// Drops idle upstream connections that have had their time.
    pub fn sweep(&self) {
        all_pools(&self.clusters).for_each(|pool| pool.sweep());
    }
}

fn key_sets(snapshot: &Snapshot) -> Vec<KeySetId> {
    snapshot
        .issuers
        .iter()
        .map(|issuer| issuer.key_set_id())
        .collect()
}

fn all_pools(clusters: &[Cluster]) -> impl Iterator<Item = &Rc<Pool>> {
    clusters.iter().flat_map(Cluster::pools)
}
