//! The data of the status listener: the workers' counters, the configuration in force, and the
//! results of reloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use super::unready::Unready;
use super::unready::{without_certificate, without_keys};
use crate::acme::{CertStatus, CertStatuses};
use crate::clock;
use crate::deploy::{DeployStatus, Hub};
use crate::overload;
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::telemetry::metrics::{
    Count, RefusedBy, RouteCounts, RouteName, UpstreamCounts, WorkerMetrics,
};

/// Written by the control thread, read by the status listener.
#[derive(Debug)]
pub struct Board {
    workers: Vec<Arc<WorkerMetrics>>,
    shared: Arc<SharedState>,
    snapshot: ArcSwap<Snapshot>,
    looks: Looks,
    draining: AtomicBool,
    /// Processes that this one has replaced and that still drain.
    older: Mutex<Older>,
    /// Locked by reloads and by requests to the status listener.
    reloads: Mutex<Reloads>,
    started: Instant,
    started_at: SystemTime,
}

/// Background services whose state can be read.
#[derive(Clone, Debug)]
pub struct Looks {
    /// ACME certificates.
    pub orders: Arc<CertStatuses>,
    /// Their deployments to other servers.
    pub hub: Arc<Hub>,
}

/// Processes that an upgrade has replaced and that still drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Older {
    /// How many they are.
    pub processes: usize,
    /// Their open connections.
    pub connections: usize,
}

/// The results of reloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// How many were applied.
    pub taken: u64,
    /// How many were rejected because of a problem.
    pub refused: u64,
    /// The time of the last one, and whether it was applied.
    pub last: Option<(SystemTime, bool)>,
}

impl Board {
    /// The board of a gateway that starts now.
    pub fn new(
        workers: Vec<Arc<WorkerMetrics>>,
        shared: Arc<SharedState>,
        snapshot: Arc<Snapshot>,
        looks: Looks,
    ) -> Arc<Self> {
        Arc::new(Self {
            workers,
            shared,
            snapshot: ArcSwap::new(snapshot),
            looks,
            draining: AtomicBool::new(false),
            older: Mutex::default(),
            reloads: Mutex::default(),
            started: clock::monotonic(),
            started_at: clock::wall(),
        })
    }

    /// Sets the configuration in force.
    pub fn set_snapshot(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
    }

    /// Counts a reload that was applied or rejected.
    pub fn reloaded(&self, is_taken: bool) {
        let mut reloads = self.reloads.lock();
        if is_taken {
            reloads.taken += 1;
        } else {
            reloads.refused += 1;
        }
        reloads.last = Some((clock::wall(), is_taken));
    }

    /// Notes that no more connections are accepted.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Notes what still drains.
    pub fn set_older(&self, older: Older) {
        *self.older.lock() = older;
    }

    /// What still drains.
    pub fn older(&self) -> Older {
        *self.older.lock()
    }

    /// Why the gateway is not ready; empty if it is.
    pub fn unready(&self) -> Vec<Unready> {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push(Unready::Draining);
        }
        if self.is_short_of_memory() {
            reasons.push(Unready::Memory(self.memory_limit().unwrap_or(0)));
        }
        let snapshot = self.snapshot();
        reasons.extend(without_keys(&snapshot).map(|name| Unready::Keys(Arc::clone(name))));
        reasons.extend(without_certificate(
            &snapshot,
            &self.orders(),
            clock::wall(),
        ));
        reasons
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The state of ACME certificates.
    pub(super) fn orders(&self) -> Vec<CertStatus> {
        self.looks.orders.all()
    }

    /// The state of deployments.
    pub(super) fn deploys(&self) -> Vec<DeployStatus> {
        self.looks.hub.seen()
    }

    /// How many lines of the audit log were lost, by reason.
    pub(super) fn lost_audit_lines(&self) -> [(&'static str, u64); 2] {
        self.shared.audit.lost()
    }

    pub(super) fn reloads(&self) -> Reloads {
        *self.reloads.lock()
    }

    pub(super) fn started_at(&self) -> SystemTime {
        self.started_at
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The number of open client connections.
    pub(super) fn connections(&self) -> usize {
        self.shared.slots.open()
    }

    /// Whether new connections are rejected because of `limits.memory`.
    pub(super) fn is_short_of_memory(&self) -> bool {
        self.shared.memory.is_short()
    }

    /// `limits.memory` in bytes; `None` if there is none.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.shared.memory.limit()
    }

    /// The memory that the process has, in bytes; 0 if that cannot be read.
    pub(super) fn resident_memory(&self) -> u64 {
        overload::resident().unwrap_or(0)
    }

    /// How many workers cannot keep up.
    pub(super) fn overloaded_workers(&self) -> usize {
        let is_overloaded =
            |worker: &&Arc<WorkerMetrics>| worker.is_overloaded.load(Ordering::Relaxed);
        self.workers.iter().filter(is_overloaded).count()
    }

    /// The number of TLS handshakes in progress.
    pub(super) fn handshakes(&self) -> usize {
        self.shared.handshakes.get()
    }

    /// How many workers have stalled.
    pub fn stalled_workers(&self) -> usize {
        let workers = self.workers.iter();
        workers.filter(|worker| worker.pulse.is_stalled()).count()
    }

    pub(super) fn workers(&self) -> &[Arc<WorkerMetrics>] {
        &self.workers
    }

    /// The sum of a number over all workers.
    pub(super) fn sum(&self, of: impl Fn(&WorkerMetrics) -> &Count) -> u64 {
        self.workers.iter().map(|worker| of(worker).get()).sum()
    }

    /// A tally, summed over all workers.
    pub(super) fn words<'a, I>(
        &'a self,
        of: impl Fn(&'a WorkerMetrics) -> I,
    ) -> BTreeMap<&'static str, u64>
    where
        I: Iterator<Item = (&'static str, u64)>,
    {
        let mut sums = BTreeMap::new();
        for (word, count) in self.workers.iter().flat_map(|worker| of(worker)) {
            *sums.entry(word).or_default() += count;
        }
        sums
    }

    /// All routes since the start, each with the counters of every worker.
    pub(super) fn routes(&self) -> BTreeMap<RouteName, Group<RouteCounts>> {
        grouped(self.workers.iter().flat_map(|worker| worker.routes()))
    }

    /// The number of open WebSockets.
    pub fn tunnels(&self) -> u64 {
        self.routes().values().map(Group::tunnels).sum()
    }

    /// All upstreams since the start, each with the counters of every worker.
    pub(super) fn upstreams(&self) -> BTreeMap<Box<str>, Group<UpstreamCounts>> {
        grouped(self.workers.iter().flat_map(|worker| worker.upstreams()))
    }

    /// Refused messages by policy and by rule or reason, summed over all workers.
    pub(super) fn message_refusals(&self) -> BTreeMap<RefusedBy, u64> {
        let mut sums = BTreeMap::new();
        for (key, n) in self.workers.iter().flat_map(|w| w.message_refusals()) {
            *sums.entry(key).or_default() += n;
        }
        sums
    }

    /// The state of each server. If workers differ, the one that connected to it last is right.
    pub(super) fn server(&self, upstream: &str, server: &str) -> Server {
        let mut known = Server::default();
        for worker in &self.workers {
            let servers = worker.servers();
            let Some(seen) = servers
                .iter()
                .find(|s| *s.upstream == *upstream && *s.server == *server)
            else {
                continue;
            };
            known.busy += seen.busy;
            let Some(quiet) = seen.quiet else { continue };
            let is_news = known
                .quiet
                .is_none_or(|other| (quiet, !seen.failing) < (other, !known.is_failing));
            if is_news {
                (known.quiet, known.is_failing) = (Some(quiet), seen.failing);
            }
        }
        known
    }
}

fn grouped<N: Ord, C>(all: impl Iterator<Item = (N, Arc<C>)>) -> BTreeMap<N, Group<C>> {
    let mut groups = BTreeMap::<N, Group<C>>::new();
    for (name, counts) in all {
        groups.entry(name).or_default().0.push(counts);
    }
    groups
}

/// The counters of one route or upstream on every worker.
#[derive(Debug)]
pub(super) struct Group<C>(Vec<Arc<C>>);

impl<C> Default for Group<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C> Group<C> {
    /// The sum of a number over all workers.
    pub(super) fn sum(&self, of: impl Fn(&C) -> &Count) -> u64 {
        self.total(|counts| of(counts).get())
    }

    /// The sum of what a function returns for each worker.
    pub(super) fn total(&self, of: impl Fn(&C) -> u64) -> u64 {
        self.0.iter().map(|counts| of(counts)).sum()
    }
}

impl Group<RouteCounts> {
    /// The number of open tunnels. Saturating, because a worker may count while this reads.
    pub(super) fn tunnels(&self) -> u64 {
        let ended: u64 = (0..crate::telemetry::access::End::ALL.len())
            .map(|at| self.sum(|c| &c.tunnels_ended[at]))
            .sum();
        self.sum(|c| &c.tunnels_opened).saturating_sub(ended)
    }

    /// The number of requests with any status.
    pub(super) fn requests(&self) -> u64 {
        (0..crate::telemetry::metrics::STATUS_CLASSES.len())
            .map(|at| self.sum(|c| &c.requests[at]))
            .sum()
    }
}

/// The state of an upstream server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    /// The time since the last connection; `None` if there was none.
    pub(super) quiet: Option<Duration>,
    /// Whether the last attempt to connect failed.
    pub(super) is_failing: bool,
    /// Requests and tunnels in progress.
    pub(super) busy: usize,
}
