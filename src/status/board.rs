//! What there is to be seen: the workers' counters, the configuration in force, and what became of reloads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

use crate::acme::{CertSeen, Seen};
use crate::clock::UnixTime;
use crate::deploy::{DeploySeen, Hub};
use crate::host::{HostName, HostPattern};
use crate::route::{NoRoute, passthrough};
use crate::serve::snapshot::Snapshot;
use crate::slot::Slots;
use crate::telemetry::metrics::{Count, RouteCounts, RouteName, UpstreamCounts, WorkerMetrics};
use crate::tls::{OutOfDate, Standing};

/// Shared by the control, which writes, and the status listener, which reads.
#[derive(Debug)]
pub struct Board {
    workers: Vec<Arc<WorkerMetrics>>,
    slots: Arc<Slots>,
    snapshot: ArcSwap<Snapshot>,
    looks: Looks,
    draining: AtomicBool,
    /// Locked by a reload and by whoever looks.
    reloads: Mutex<Reloads>,
    started: Instant,
    started_at: SystemTime,
}

/// What works beside the workers, and can be looked at.
#[derive(Clone, Debug)]
pub struct Looks {
    /// Certificates that are ordered.
    pub orders: Arc<Seen>,
    /// Where they are brought.
    pub hub: Arc<Hub>,
}

/// What became of reloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// How many were taken up.
    pub taken: u64,
    /// How many changed nothing because something was wrong.
    pub refused: u64,
    /// When the last one was, and whether it was taken up.
    pub last: Option<(SystemTime, bool)>,
}

impl Board {
    /// Of a gateway that starts now.
    pub fn new(
        workers: Vec<Arc<WorkerMetrics>>,
        slots: Arc<Slots>,
        snapshot: Arc<Snapshot>,
        looks: Looks,
    ) -> Arc<Self> {
        Arc::new(Self {
            workers,
            slots,
            snapshot: ArcSwap::new(snapshot),
            looks,
            draining: AtomicBool::new(false),
            reloads: Mutex::default(),
            started: Instant::now(),
            started_at: SystemTime::now(),
        })
    }

    /// A configuration is in force.
    pub fn set_snapshot(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
    }

    /// A reload was taken up, or changed nothing.
    pub fn reloaded(&self, is_taken: bool) {
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        if is_taken {
            reloads.taken += 1;
        } else {
            reloads.refused += 1;
        }
        reloads.last = Some((SystemTime::now(), is_taken));
    }

    /// No new connections are taken any more.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why nobody should be sent here; empty if all is well.
    pub fn unready(&self) -> Vec<Unready> {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push(Unready::Draining);
        }
        let snapshot = self.snapshot();
        reasons.extend(without_keys(&snapshot).map(|name| Unready::Keys(Arc::clone(name))));
        reasons.extend(without_certificate(&snapshot, &self.orders(), SystemTime::now()));
        reasons
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What becomes of certificates that are ordered.
    pub(super) fn orders(&self) -> Vec<CertSeen> {
        self.looks.orders.all()
    }

    /// What becomes of those that are brought to other servers.
    pub(super) fn deploys(&self) -> Vec<DeploySeen> {
        self.looks.hub.seen()
    }

    pub(super) fn reloads(&self) -> Reloads {
        *self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn started_at(&self) -> SystemTime {
        self.started_at
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Client connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.slots.open()
    }

    pub(super) fn workers(&self) -> &[Arc<WorkerMetrics>] {
        &self.workers
    }

    /// A number of all workers together.
    pub(super) fn sum(&self, of: impl Fn(&WorkerMetrics) -> &Count) -> u64 {
        self.workers.iter().map(|worker| of(worker).get()).sum()
    }

    /// Words and how often they were counted.
    pub(super) fn words<'a, I>(&'a self, of: impl Fn(&'a WorkerMetrics) -> I) -> BTreeMap<&'static str, u64>
    where
        I: Iterator<Item = (&'static str, u64)>,
    {
        let mut sums = BTreeMap::new();
        for (word, count) in self.workers.iter().flat_map(|worker| of(worker)) {
            *sums.entry(word).or_default() += count;
        }
        sums
    }

    /// Every route that was ever counted, with what each worker counts of it.
    pub(super) fn routes(&self) -> BTreeMap<RouteName, Group<RouteCounts>> {
        grouped(self.workers.iter().flat_map(|worker| worker.routes()))
    }

    /// Every upstream that was ever counted, with what each worker counts of it.
    pub(super) fn upstreams(&self) -> BTreeMap<Box<str>, Group<UpstreamCounts>> {
        grouped(self.workers.iter().flat_map(|worker| worker.upstreams()))
    }

    /// What the workers together know of a server. A worker that has had nothing to do with it for longer than another
    /// knows less: the latest word counts.
    pub(super) fn server(&self, upstream: &str, server: &str) -> Server {
        let mut known = Server::default();
        for worker in &self.workers {
            let servers = worker.servers();
            let Some(seen) = servers.iter().find(|s| *s.upstream == *upstream && *s.server == *server) else {
                continue;
            };
            known.busy += seen.busy;
            let Some(quiet) = seen.quiet else { continue };
            let is_news = known.quiet.is_none_or(|other| (quiet, !seen.failing) < (other, !known.is_failing));
            if is_news {
                (known.quiet, known.is_failing) = (Some(quiet), seen.failing);
            }
        }
        known
    }
}

/// Issuers whose tokens a route asks for, and whose keys have never been had.
fn without_keys(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<str>> {
    let needed = |name: &str| {
        let mut rules = snapshot.routes.routes().iter().filter_map(|route| route.policy.token_rule());
        rules.any(|rule| rule.issuers.iter().any(|accepted| *accepted.name == *name))
    };
    let lacking = snapshot.issuers.iter().filter(|issuer| issuer.lacks_keys());
    lacking.map(|issuer| &issuer.spec.name).filter(move |name| needed(name))
}

/// Hosts whose clients are refused, or refuse what they are shown.
fn without_certificate(snapshot: &Snapshot, orders: &[CertSeen], now: SystemTime) -> Vec<Unready> {
    let certificates = &snapshot.certificates;
    match certificates.standing_of_all(now) {
        Standing::Unserved => return vec![Unready::NoCertificate],
        Standing::OutOfDate(state) => return vec![Unready::AllOutOfDate(state)],
        Standing::Served | Standing::Ordered => {}
    }
    let ordered = certificates.ordered().iter().filter(|host| is_answered(snapshot, host));
    let ordered = ordered.cloned().map(HostPattern::Exact);
    let mut hosts: Vec<HostPattern> = snapshot.routes.hosts().cloned().chain(ordered).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let reason = |host: HostPattern| match certificates.standing(&host, now) {
        Standing::Served => None,
        Standing::OutOfDate(state) => Some(Unready::OutOfDate(host, state)),
        Standing::Ordered => Some(ordered_only(host, orders)),
        Standing::Unserved => Some(Unready::Host(host)),
    };
    hosts.into_iter().filter_map(reason).collect()
}

/// Whether there is still hope in the order that goes on, if there is one.
fn ordered_only(host: HostPattern, orders: &[CertSeen]) -> Unready {
    let is_for = |order: &&CertSeen| order.hosts.iter().any(|name| name.parse().is_ok_and(|name| host.matches(&name)));
    let is_waiting = |order: &CertSeen| order.failures > 0 && !order.is_ordering;
    let of_host: Vec<&CertSeen> = orders.iter().filter(is_for).collect();
    let next = of_host.iter().filter_map(|order| order.next).min();
    match next.filter(|_| of_host.iter().all(|order| is_waiting(order))) {
        Some(next) => Unready::OrderFailed(host, next),
        None => Unready::Ordered(host),
    }
}

/// Whether clients of a host are ours. What is ordered for a neighbour alone keeps nobody away from here.
fn is_answered(snapshot: &Snapshot, host: &HostName) -> bool {
    passthrough::find(&snapshot.passthrough, host).is_none() && snapshot.routes.find(host, "/") != Err(NoRoute::Host)
}

fn grouped<N: Ord, C>(all: impl Iterator<Item = (N, Arc<C>)>) -> BTreeMap<N, Group<C>> {
    let mut groups = BTreeMap::<N, Group<C>>::new();
    for (name, counts) in all {
        groups.entry(name).or_default().0.push(counts);
    }
    groups
}

/// What each worker counts of one thing.
#[derive(Debug)]
pub(super) struct Group<C>(Vec<Arc<C>>);

impl<C> Default for Group<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C> Group<C> {
    /// A number of all workers together.
    pub(super) fn sum(&self, of: impl Fn(&C) -> &Count) -> u64 {
        self.0.iter().map(|counts| of(counts).get()).sum()
    }
}

impl Group<RouteCounts> {
    /// Tunnels that are open. A worker may be counting right now, so that an end is seen before its beginning.
    pub(super) fn tunnels(&self) -> u64 {
        let ended: u64 =
            (0..crate::telemetry::access::End::ALL.len()).map(|at| self.sum(|c| &c.tunnels_ended[at])).sum();
        self.sum(|c| &c.tunnels_opened).saturating_sub(ended)
    }

    /// Requests, whatever was answered.
    pub(super) fn requests(&self) -> u64 {
        (0..crate::telemetry::metrics::STATUS_CLASSES.len()).map(|at| self.sum(|c| &c.requests[at])).sum()
    }
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    /// Since when nothing new is known; `None` if it has never been asked.
    pub(super) quiet: Option<Duration>,
    /// It took no connection when it was last asked for one.
    pub(super) is_failing: bool,
    /// Requests and tunnels under way.
    pub(super) busy: usize,
}

/// A reason not to be sent anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unready {
    /// The gateway is being stopped.
    Draining,
    /// There is no certificate at all.
    NoCertificate,
    /// A route's host has no certificate.
    Host(HostPattern),
    /// A host has no certificate yet: the CA is being asked for one.
    Ordered(HostPattern),
    /// A host has no certificate yet: what was ordered did not come, and this is when it is ordered next.
    OrderFailed(HostPattern, UnixTime),
    /// No client accepts the certificates that a route's host has.
    OutOfDate(HostPattern, OutOfDate),
    /// No client accepts any certificate that there is.
    AllOutOfDate(OutOfDate),
    /// A route asks for tokens of an issuer whose keys could not be fetched yet.
    Keys(Arc<str>),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("draining: the gateway is being stopped"),
            Self::NoCertificate => f.write_str("there is no TLS certificate"),
            Self::Host(host) => write!(f, "no certificate serves {host}, which a route names"),
            Self::Ordered(host) => write!(f, "no certificate for {host} yet: it is being ordered"),
            Self::OrderFailed(host, next) => write!(
                f,
                "no certificate for {host} yet: the last order failed and the next is at {next}; `ianitor certs` says why"
            ),
            Self::OutOfDate(host, state) => {
                write!(f, "no certificate that is valid now serves {host}, which a route names: the last one {state}")
            }
            Self::AllOutOfDate(state) => write!(f, "no TLS certificate is valid now: the last one {state}"),
            Self::Keys(issuer) => write!(f, "the keys of the issuer {issuer} could not be fetched yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(hosts: &[&str], failures: u32, next: u64) -> CertSeen {
        CertSeen {
            name: hosts[0].parse().unwrap(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            not_after: None,
            next: Some(UnixTime(next)),
            why: String::new(),
            issued: 0,
            failed: u64::from(failures),
            failures,
            error: None,
            is_ordering: false,
        }
    }

    #[test]
    fn an_order_that_has_failed_does_not_go_on() {
        let said = |host: &str, orders: &[CertSeen]| ordered_only(host.parse().unwrap(), orders).to_string();
        let failed = order(&["a.test", "b.test"], 2, 1_800_000_000);
        let words = "yet: the last order failed and the next is at 2027-01-15T08:00:00Z; `ianitor certs` says why";
        for host in ["b.test", "*.test"] {
            assert_eq!(said(host, std::slice::from_ref(&failed)), format!("no certificate for {host} {words}"));
        }
        let ordering = CertSeen { is_ordering: true, ..failed.clone() };
        for orders in [&[][..], &[ordering], &[order(&["c.test"], 1, 5)], &[failed, order(&["b.test"], 0, 5)]] {
            assert!(said("b.test", orders).ends_with("yet: it is being ordered"), "{orders:?}");
        }
    }
}
