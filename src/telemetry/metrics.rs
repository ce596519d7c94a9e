//! Counters. Each worker has its own and is the only one who writes them, so that counting is a
//! load and a store and no cache line travels between cores. Whoever asks ([`crate::status`]) sums
//! them.
//!
//! Labels are bounded whatever clients send: routes and upstreams by the configuration, reasons by
//! the words that this program has for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::access::{End, Line};
use crate::host::HostPattern;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts `n` more. Only one thread may do so: with one writer no atomic addition is needed.
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// Counts one more.
    pub fn one(&self) {
        self.add(1);
    }

    /// How much was counted. Any thread may ask.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// More words than the program has for any one thing.
const WORDS: usize = 64;

/// Counts by a word of this program. There are few, so that a search from the front is quick; a
/// slot is taken by the first use of its word.
#[derive(Debug)]
pub struct Tally {
    words: [(OnceLock<&'static str>, Count); WORDS],
    others: Count,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            words: std::array::from_fn(|_| Default::default()),
            others: Count::default(),
        }
    }
}

impl Tally {
    /// Counts one for the word.
    pub fn one(&self, word: &'static str) {
        let found = self
            .words
            .iter()
            .find(|(known, _)| *known.get_or_init(|| word) == word);
        found.map_or(&self.others, |(_, count)| count).one();
    }

    /// The words that were used, and how often.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = self
            .words
            .iter()
            .map_while(|(word, count)| Some((*word.get()?, count.get())));
        known.chain(Some(("other", self.others.get())).filter(|(_, n)| *n > 0))
    }
}

/// Classes of statuses: none at all (the client left before there was an answer), then 1xx to 5xx.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts by class of status.
pub type ByStatus = [Count; STATUS_CLASSES.len()];

/// Where a status is counted.
pub fn class_of(status: u16) -> usize {
    match usize::from(status / 100) {
        class @ 1..=5 => class,
        _ => 0,
    }
}

/// Upper bounds of durations in microseconds: from an answer out of memory to a long poll (30 s
/// with Janus, 60 s with BOSH) that comes in time.
pub const DURATIONS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 35_000_000, 75_000_000,
];

/// How long things took.
#[derive(Debug, Default)]
pub struct Durations {
    /// For each bound what lies at or below it and above the one before; then the rest.
    pub buckets: [Count; DURATIONS.len() + 1],
    /// The sum in microseconds.
    pub micros: Count,
}

impl Durations {
    fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = DURATIONS
            .iter()
            .position(|bound| micros <= *bound)
            .unwrap_or(DURATIONS.len());
        self.buckets[at].one();
        self.micros.add(micros);
    }
}

/// What one worker counts of one route.
#[derive(Debug, Default)]
pub struct RouteCounts {
    /// Requests, by what was answered. Tunnels are not among them.
    pub requests: ByStatus,
    /// From a request's head to the last byte of its answer.
    pub durations: Durations,
    /// Body and tunnel bytes from clients.
    pub received: Count,
    /// Body and tunnel bytes to clients.
    pub sent: Count,
    /// Tunnels that were opened.
    pub tunnels_opened: Count,
    /// Tunnels that have ended, by how.
    pub tunnels_ended: [Count; End::ALL.len()],
}

/// What one worker counts of one upstream.
#[derive(Debug, Default)]
pub struct UpstreamCounts {
    /// Answers, by status.
    pub answers: ByStatus,
    /// No server took a connection: counted for each that was tried.
    pub unreachable: Count,
    /// The connection broke, or what came was not HTTP.
    pub broken: Count,
    /// No answer in time.
    pub late: Count,
}

/// What a route is counted under. Names of two routes always differ in one of the two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteName {
    /// The host as configured; `*` where every host is served.
    pub host: Box<str>,
    /// The path as configured.
    pub path: Box<str>,
}

impl RouteName {
    /// The name of what is passed through by this server name: no route's path is spelled like it.
    pub fn passthrough(sni: &HostPattern) -> Self {
        Self {
            host: sni.to_string().into(),
            path: PASSTHROUGH.into(),
        }
    }

    /// Whether TLS is counted here that is not ours to end.
    pub fn is_passthrough(&self) -> bool {
        *self.path == *PASSTHROUGH
    }
}

const PASSTHROUGH: &str = "passthrough";

/// The name of requests that found no route: no path is spelled like it.
const NO_ROUTE: &str = "none";

/// Connections to the listeners of one kind.
#[derive(Debug, Default)]
pub struct ListenerCounts {
    /// Were let in.
    pub accepted: Count,
    /// Have ended since.
    pub closed: Count,
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// TLS 1.2.
    Full12,
    /// TLS 1.2, by a ticket.
    Resumed12,
    /// TLS 1.3.
    Full13,
    /// TLS 1.3, by a ticket.
    Resumed13,
    /// Nothing in common, no certificate for the name, or a client that broke off.
    Failed,
    /// Longer than `limits.header_timeout`.
    Timeout,
    /// The client spoke HTTP.
    PlainHttp,
    /// The client left without a word, as checks of open ports do.
    Silent,
    /// Another server's: passed through to it.
    PassedOn,
    /// A CA looked whether a name is ours, and was answered.
    Validation,
}

impl Handshake {
    /// Every end, with its labels: the version and the outcome.
    pub const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Full12, "1.2", "ok"),
        (Self::Resumed12, "1.2", "resumed"),
        (Self::Full13, "1.3", "ok"),
        (Self::Resumed13, "1.3", "resumed"),
        (Self::Failed, "none", "failed"),
        (Self::Timeout, "none", "timeout"),
        (Self::PlainHttp, "none", "plain_http"),
        (Self::Silent, "none", "silent"),
        (Self::PassedOn, "none", "passed_on"),
        (Self::Validation, "none", "validation"),
    ];
}

/// What a worker last saw of a server.
#[derive(Clone, Debug)]
pub struct ServerSeen {
    /// The name of its upstream.
    pub upstream: Arc<str>,
    /// Its address.
    pub server: Arc<str>,
    /// Since when there is nothing new of it; `None` if it has never been asked.
    pub quiet: Option<Duration>,
    /// Whether the last attempt to connect failed.
    pub failing: bool,
    /// Requests and tunnels under way.
    pub busy: usize,
}

/// Everything that one worker counts. Only its thread writes here.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// Connections to TLS listeners.
    pub https: ListenerCounts,
    /// Connections to plain listeners.
    pub http: ListenerCounts,
    /// Connections that no limit let in, by limit.
    pub refused: Tally,
    /// TLS handshakes, by [`Handshake`].
    pub handshakes: [Count; Handshake::ALL.len()],
    /// Request heads that never became a request.
    pub heads: Tally,
    /// Requests refused or cut short, by the `reason` of their log lines.
    pub refusals: Tally,
    unrouted: Arc<RouteCounts>,
    /// Locked by a reload and by whoever asks, never by a request: that has its counters already.
    /// Names stay, so that no sum ever goes back; their number is bounded by the configurations
    /// that there were.
    routes: Mutex<HashMap<RouteName, Arc<RouteCounts>>>,
    upstreams: Mutex<HashMap<Box<str>, Arc<UpstreamCounts>>>,
    /// Written by each tick.
    servers: Mutex<Vec<ServerSeen>>,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        let unrouted = Arc::<RouteCounts>::default();
        let none = RouteName {
            host: NO_ROUTE.into(),
            path: NO_ROUTE.into(),
        };
        Self {
            https: ListenerCounts::default(),
            http: ListenerCounts::default(),
            refused: Tally::default(),
            handshakes: Default::default(),
            heads: Tally::default(),
            refusals: Tally::default(),
            routes: Mutex::new(HashMap::from([(none, Arc::clone(&unrouted))])),
            unrouted,
            upstreams: Mutex::default(),
            servers: Mutex::default(),
        }
    }
}

impl WorkerMetrics {
    /// All at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts a handshake.
    pub fn shaken(&self, how: Handshake) {
        self.handshakes[how as usize].one();
    }

    /// Where a route is counted: where it was before, if there was one of the name.
    pub fn route(&self, name: RouteName) -> Arc<RouteCounts> {
        Arc::clone(lock(&self.routes).entry(name).or_default())
    }

    /// Where an upstream is counted.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamCounts> {
        Arc::clone(lock(&self.upstreams).entry(name.into()).or_default())
    }

    /// Every route that was ever counted.
    pub fn routes(&self) -> Vec<(RouteName, Arc<RouteCounts>)> {
        lock(&self.routes)
            .iter()
            .map(|(name, counts)| (name.clone(), Arc::clone(counts)))
            .collect()
    }

    /// Every upstream that was ever counted.
    pub fn upstreams(&self) -> Vec<(Box<str>, Arc<UpstreamCounts>)> {
        lock(&self.upstreams)
            .iter()
            .map(|(name, counts)| (name.clone(), Arc::clone(counts)))
            .collect()
    }

    /// The servers as they were at the last tick.
    pub fn servers(&self) -> MutexGuard<'_, Vec<ServerSeen>> {
        lock(&self.servers)
    }

    /// Where a request is counted whose route is known, or not.
    pub(super) fn of<'a>(&'a self, route: Option<&'a Arc<RouteCounts>>) -> &'a RouteCounts {
        route.unwrap_or(&self.unrouted)
    }

    /// Counts what a log line says, whether it is written or not.
    pub(super) fn ended(&self, line: &Line) {
        let counts = self.of(line.counts.as_ref());
        if line.tunnel {
            counts.tunnels_ended[line.end as usize].one();
            return;
        }
        counts.requests[class_of(line.status)].one();
        counts.durations.record(line.took);
        if let Some(reason) = line.reason {
            self.refusals.one(reason);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole after every statement, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
