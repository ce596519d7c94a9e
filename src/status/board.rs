//! What there is to be seen: the workers' counters, the configuration in force, and what became of
//! reloads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

pub use super::unready::Unready;
use super::unready::{without_certificate, without_keys};
use crate::acme::{CertStatus, Seen};
use crate::deploy::{DeployStatus, Hub};
use crate::serve::snapshot::Snapshot;
use crate::slot::Slots;
use crate::telemetry::metrics::{Count, RouteCounts, RouteName, UpstreamCounts, WorkerMetrics};

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
        reasons.extend(without_certificate(
            &snapshot,
            &self.orders(),
            SystemTime::now(),
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

    /// What becomes of certificates that are ordered.
    pub(super) fn orders(&self) -> Vec<CertStatus> {
        self.looks.orders.all()
    }

    /// What becomes of those that are brought to other servers.
    pub(super) fn deploys(&self) -> Vec<DeployStatus> {
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

    /// Every route that was ever counted, with what each worker counts of it.
    pub(super) fn routes(&self) -> BTreeMap<RouteName, Group<RouteCounts>> {
        grouped(self.workers.iter().flat_map(|worker| worker.routes()))
    }

    /// Every upstream that was ever counted, with what each worker counts of it.
    pub(super) fn upstreams(&self) -> BTreeMap<Box<str>, Group<UpstreamCounts>> {
        grouped(self.workers.iter().flat_map(|worker| worker.upstreams()))
    }

    /// What the workers together know of a server. A worker that has had nothing to do with it for
    /// longer than another knows less: the latest word counts.
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
    /// Tunnels that are open. A worker may be counting right now, so that an end is seen before its
    /// beginning.
    pub(super) fn tunnels(&self) -> u64 {
        let ended: u64 = (0..crate::telemetry::access::End::ALL.len())
            .map(|at| self.sum(|c| &c.tunnels_ended[at]))
            .sum();
        self.sum(|c| &c.tunnels_opened).saturating_sub(ended)
    }

    /// Requests, whatever was answered.
    pub(super) fn requests(&self) -> u64 {
        (0..crate::telemetry::metrics::STATUS_CLASSES.len())
            .map(|at| self.sum(|c| &c.requests[at]))
            .sum()
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
