//! Counters. Each worker has its own and only its thread writes them, so that counting is a load
//! and a store, and no cache line moves between cores. [`crate::status`] adds them up.
//!
//! The number of labels does not depend on clients: routes and upstreams come from the
//! configuration, reasons are words in this program.

mod counts;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::access::Line;
use crate::host::HostPattern;
use crate::pulse::Pulse;

pub use counts::{
    ByMessageClass, ByStatus, Count, DURATIONS, Durations, MESSAGE_CLASSES, QueueCounts,
    RetryCounts, RouteCounts, STATUS_CLASSES, Tally, UpstreamCounts, class_of,
};

/// The labels of a route's metrics, unique for each route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteName {
    /// The host as configured; `*` for a route without `host`.
    pub host: Box<str>,
    /// The path as configured.
    pub path: Box<str>,
}

impl RouteName {
    /// The labels of a `[[passthrough]]` entry. Paths begin with a slash, so no route has the same.
    pub fn passthrough(sni: &HostPattern) -> Self {
        Self {
            host: sni.to_string().into(),
            path: PASSTHROUGH.into(),
        }
    }

    /// Whether these are the labels of a `[[passthrough]]` entry.
    pub fn is_passthrough(&self) -> bool {
        *self.path == *PASSTHROUGH
    }
}

const PASSTHROUGH: &str = "passthrough";

/// The label of requests without a route. Paths begin with a slash, so no route has the same.
const NO_ROUTE: &str = "none";

/// Connections to the listeners of one kind.
#[derive(Debug, Default)]
pub struct ListenerCounts {
    /// Connections that were accepted.
    pub accepted: Count,
    /// Accepted connections that were closed.
    pub closed: Count,
}

impl ListenerCounts {
    /// Connections that are open.
    pub fn open(&self) -> u64 {
        // Closed connections are read first, so that the difference is never negative.
        let closed = self.closed.get();
        self.accepted.get().saturating_sub(closed)
    }
}

/// The outcome of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// TLS 1.2.
    Full12,
    /// TLS 1.2, resumed with a ticket.
    Resumed12,
    /// TLS 1.3.
    Full13,
    /// TLS 1.3, resumed with a ticket.
    Resumed13,
    /// No common parameters, no certificate for the name, or closed by the client.
    Failed,
    /// Longer than `limits.header_timeout`.
    Timeout,
    /// The client spoke HTTP.
    PlainHttp,
    /// The client closed the connection without sending anything, as port scans do.
    Silent,
    /// Passed through to the server of a `[[passthrough]]` entry.
    PassedOn,
    /// The answered `tls-alpn-01` challenge of a CA.
    Validation,
}

impl Handshake {
    /// Every outcome, with its labels: TLS version and outcome.
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

/// The state of an upstream server as one worker last saw it.
#[derive(Clone, Debug)]
pub struct ServerSeen {
    /// The name of its upstream.
    pub upstream: Arc<str>,
    /// Its address.
    pub server: Arc<str>,
    /// The time since the worker last connected to the server; `None` if it never did.
    pub quiet: Option<Duration>,
    /// Whether the last attempt to connect failed.
    pub failing: bool,
    /// Requests and tunnels in progress.
    pub busy: usize,
}

/// Counts by the name of a rule, or by reason.
type ByRule = HashMap<Box<str>, u64>;

/// What has refused a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedBy {
    /// The policy.
    pub policy: Box<str>,
    /// Its rule, or the reason if no rule did.
    pub rule: Box<str>,
}

/// All counters of one worker. Only its thread writes them.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// Its signs of life.
    pub pulse: Arc<Pulse>,
    /// Connections to TLS listeners.
    pub https: ListenerCounts,
    /// Connections to plain listeners.
    pub http: ListenerCounts,
    /// Plain listeners for proxies that end TLS.
    pub plain: ListenerCounts,
    /// Connections that it accepted and handed over to another worker.
    pub handed_over: Count,
    /// Connections that were rejected, by the limit that was reached.
    pub refused: Tally,
    /// Whether the worker is overloaded. Updated at each tick.
    pub is_overloaded: AtomicBool,
    /// TLS handshakes, by [`Handshake`].
    pub handshakes: [Count; Handshake::ALL.len()],
    /// Handshakes that failed, by reason.
    pub handshake_failures: Tally,
    /// Request heads that never became a request.
    pub heads: Tally,
    /// Requests that were rejected or cut off, by the `reason` in their log lines.
    pub refusals: Tally,
    unrouted: Arc<RouteCounts>,
    /// Locked by reloads and by the status listener, never by a request, which has a handle to its
    /// counters. Routes of earlier configurations stay, so that no sum ever decreases.
    routes: Mutex<HashMap<RouteName, Arc<RouteCounts>>>,
    upstreams: Mutex<HashMap<Box<str>, Arc<UpstreamCounts>>>,
    /// Updated at each tick.
    servers: Mutex<Vec<ServerSeen>>,
    /// Refused messages, by policy and by rule or reason: names of the configuration and of this
    /// program. Locked at each refusal and by the status listener.
    message_refusals: Mutex<HashMap<Box<str>, ByRule>>,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        let unrouted = Arc::<RouteCounts>::default();
        let none = RouteName {
            host: NO_ROUTE.into(),
            path: NO_ROUTE.into(),
        };
        Self {
            pulse: Arc::default(),
            https: ListenerCounts::default(),
            http: ListenerCounts::default(),
            plain: ListenerCounts::default(),
            handed_over: Count::default(),
            refused: Tally::default(),
            is_overloaded: AtomicBool::new(false),
            handshakes: Default::default(),
            handshake_failures: Tally::default(),
            heads: Tally::default(),
            refusals: Tally::default(),
            routes: Mutex::new(HashMap::from([(none, Arc::clone(&unrouted))])),
            unrouted,
            upstreams: Mutex::default(),
            servers: Mutex::default(),
            message_refusals: Mutex::default(),
        }
    }
}

impl WorkerMetrics {
    /// Counters that are all zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts a handshake.
    pub fn handshake(&self, how: Handshake) {
        self.handshakes[how as usize].inc();
    }

    /// Counts a handshake that failed for a reason.
    pub fn handshake_failed(&self, reason: &'static str) {
        self.handshake(Handshake::Failed);
        self.handshake_failures.inc(reason);
    }

    /// The counters of a route, which continue if an earlier route had the same name.
    pub fn route(&self, name: RouteName) -> Arc<RouteCounts> {
        Arc::clone(self.routes.lock().entry(name).or_default())
    }

    /// The counters of an upstream.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamCounts> {
        Arc::clone(self.upstreams.lock().entry(name.into()).or_default())
    }

    /// All routes since the start, with their counters.
    pub fn routes(&self) -> Vec<(RouteName, Arc<RouteCounts>)> {
        self.routes
            .lock()
            .iter()
            .map(|(name, counts)| (name.clone(), Arc::clone(counts)))
            .collect()
    }

    /// All upstreams since the start, with their counters.
    pub fn upstreams(&self) -> Vec<(Box<str>, Arc<UpstreamCounts>)> {
        self.upstreams
            .lock()
            .iter()
            .map(|(name, counts)| (name.clone(), Arc::clone(counts)))
            .collect()
    }

    /// The state of the servers at the last tick.
    pub fn servers(&self) -> MutexGuard<'_, Vec<ServerSeen>> {
        self.servers.lock()
    }

    /// Counts a message that a policy refused, by a rule or for a reason.
    pub fn message_refused(&self, policy: &str, rule: &str) {
        let mut refusals = self.message_refusals.lock();
        if !refusals.contains_key(policy) {
            refusals.insert(policy.into(), HashMap::new());
        }
        let Some(by_rule) = refusals.get_mut(policy) else {
            return;
        };
        match by_rule.get_mut(rule) {
            Some(count) => *count += 1,
            None => drop(by_rule.insert(rule.into(), 1)),
        }
    }

    /// The refused messages since the start.
    pub fn message_refusals(&self) -> Vec<(RefusedBy, u64)> {
        let refusals = self.message_refusals.lock();
        let each = refusals.iter().flat_map(|(policy, by_rule)| {
            let by_rule = by_rule.iter();
            by_rule.map(|(rule, count)| {
                let (policy, rule) = (policy.clone(), rule.clone());
                (RefusedBy { policy, rule }, *count)
            })
        });
        each.collect()
    }

    /// The counters of a request's route, or of requests without a route.
    pub(super) fn of<'a>(&'a self, route: Option<&'a Arc<RouteCounts>>) -> &'a RouteCounts {
        route.unwrap_or(&self.unrouted)
    }

    /// Counts a request or tunnel that has ended.
    pub(super) fn ended(&self, line: &Line) {
        let counts = self.of(line.counts.as_ref());
        if line.tunnel {
            counts.tunnels_ended[line.end as usize].inc();
            return;
        }
        counts.requests[class_of(line.status)].inc();
        counts.durations.record(line.took);
        if let Some(reason) = line.reason {
            self.refusals.inc(reason);
        }
    }
}

#[cfg(test)]
mod tests;
