//! The kinds of counters, and those of one route and of one upstream.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::telemetry::access::End;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts `n` more. Only one thread may do so: with one writer no atomic addition is needed.
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// Counts one more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// The value. Any thread may read it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// More than the words of any one tally.
pub(super) const WORDS: usize = 128;

/// Counts by word. There are few words, so a linear search is fast; a slot belongs to the word that
/// first used it.
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
    /// Counts one more of the word.
    pub fn inc(&self, word: &'static str) {
        let found = self
            .words
            .iter()
            .find(|(known, _)| *known.get_or_init(|| word) == word);
        found.map_or(&self.others, |(_, count)| count).inc();
    }

    /// Every word that was counted, and how often.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = self
            .words
            .iter()
            .map_while(|(word, count)| Some((*word.get()?, count.get())));
        known.chain(Some(("other", self.others.get())).filter(|(_, n)| *n > 0))
    }
}

/// Status classes: none (the client disconnected before a response), then 1xx to 5xx.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts by class of status.
pub type ByStatus = [Count; STATUS_CLASSES.len()];

/// The index of a status in [`STATUS_CLASSES`].
pub fn class_of(status: u16) -> usize {
    match usize::from(status / 100) {
        class @ 1..=5 => class,
        _ => 0,
    }
}

/// Upper bounds of the duration buckets in microseconds: from responses out of memory to long polls
/// (30 s with Janus, 60 s with BOSH).
pub const DURATIONS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 35_000_000, 75_000_000,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Durations {
    /// For each bound, the durations up to it and above the previous one; then all longer ones.
    pub buckets: [Count; DURATIONS.len() + 1],
    /// The sum in microseconds.
    pub micros: Count,
}

impl Durations {
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = DURATIONS
            .iter()
            .position(|bound| micros <= *bound)
            .unwrap_or(DURATIONS.len());
        self.buckets[at].inc();
        self.micros.add(micros);
    }
}

/// The counters of one route on one worker, on cache lines that no other worker writes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RouteCounts {
    /// Requests by status class, without tunnels.
    pub requests: ByStatus,
    /// The time from a request's head to the last byte of its response.
    pub durations: Durations,
    /// Body and tunnel bytes from clients.
    pub received: Count,
    /// Body and tunnel bytes to clients.
    pub sent: Count,
    /// Tunnels that were opened.
    pub tunnels_opened: Count,
    /// Tunnels that were closed, by [`End`].
    pub tunnels_ended: [Count; End::ALL.len()],
}

/// Classes of messages, in the order of `signalling::MessageClass`.
pub const MESSAGE_CLASSES: [&str; 11] = [
    "server",
    "session",
    "handle",
    "message",
    "observe",
    "operate",
    "debug",
    "secrets",
    "message_plugin",
    "unknown",
    "unreadable",
];

/// Counts by class of message.
pub type ByMessageClass = [Count; MESSAGE_CLASSES.len()];

/// The counters of one upstream on one worker, on cache lines that no other worker writes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct UpstreamCounts {
    /// Responses by status class.
    pub answers: ByStatus,
    /// Failed connection attempts, one for each server that was tried.
    pub unreachable: Count,
    /// Connections that broke, or on which the server did not send HTTP.
    pub broken: Count,
    /// Requests without a response in time.
    pub late: Count,
    /// Requests that have waited for a connection because the server had all that it may have.
    pub queued: QueueCounts,
    /// Requests that were sent again, or to another server.
    pub retries: RetryCounts,
    /// Messages of clients that were judged and went on.
    pub messages_allowed: ByMessageClass,
    /// Messages of clients that were refused.
    pub messages_refused: ByMessageClass,
    /// Permissions that were renewed by a token in a message.
    pub token_renewals: Count,
    /// WebSockets whose client was slowed down by `limits.messages_per_tunnel`.
    pub tunnels_slowed: Count,
}

/// What has become of requests that had to wait for a connection to a server.
#[derive(Debug, Default)]
pub struct QueueCounts {
    /// They got one.
    pub served: Count,
    /// They waited for as long as `queue` allows.
    pub late: Count,
    /// Their client left.
    pub left: Count,
    /// There was no place in the queue.
    pub refused: Count,
}

/// What has become of requests that a server did not answer.
#[derive(Debug, Default)]
pub struct RetryCounts {
    /// They were sent once more, or to a server that may be down too.
    pub repeated: Count,
    /// The server had accepted no connection, and they went to another one that is up.
    pub moved: Count,
    /// Not sent again: there had been too many retries.
    pub over_budget: Count,
}

impl UpstreamCounts {
    /// How many requests a server has answered or failed to answer.
    pub fn sent(&self) -> u64 {
        let answers = self.answers.iter().map(Count::get).sum::<u64>();
        answers + self.broken.get() + self.late.get()
    }
}
