//! Requests whose answers change what belongs to whom.
//!
//! A client chooses the transactions (Janus) or ids (JSON-RPC) of its requests, so that it could
//! have the answer to one taken for the answer to another: a handle of EchoTest for one of
//! VideoRoom. These requests therefore go on with a key of the gateway's, which the client never
//! sees, and their answers come back with the client's.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::document::Text;

/// With what the gateway's keys begin.
const PREFIX: &str = "ianitor-";

/// The requests of one connection that wait for their answers.
#[derive(Debug)]
pub(super) struct Calls<C> {
    /// Random, so that a client cannot guess a key.
    nonce: u64,
    next: u64,
    most: usize,
    /// What all that wait weigh.
    weight: usize,
    /// Mostly none, which takes no memory, and seldom more than one.
    waiting: Vec<Waiting<C>>,
}

#[derive(Debug)]
struct Waiting<C> {
    number: u64,
    /// What to do when the answer comes.
    call: C,
    weight: usize,
    /// The client's, as it was written.
    key: Box<str>,
    since: Instant,
}

/// The length of a key in bytes. A longer one weighs more.
const USUAL_KEY: usize = 256;

/// How long a call counts. Some errors of servers do not name the request that they answer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl<C> Calls<C> {
    /// With a random number, for at most this many answers at once. A request of which more has to
    /// be remembered weighs more than one; together they weigh at most about twice the number.
    pub(super) fn new(nonce: u64, most: usize) -> Self {
        Self {
            nonce,
            next: 0,
            most,
            weight: 0,
            waiting: Vec::new(),
        }
    }

    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        if self.has_most() {
            let waits = |one: &Waiting<C>| now.saturating_duration_since(one.since) < LONGEST_WAIT;
            self.waiting.retain(waits);
            self.weight = self.waiting.iter().map(|one| one.weight).sum();
        }
        self.has_most()
    }

    fn has_most(&self) -> bool {
        self.waiting.len() >= self.most || self.weight >= 2 * self.most
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Remembers a request, and how much it weighs, with the client's key; the key that it goes on
    /// with.
    pub(super) fn begin(&mut self, (call, weight): (C, usize), key: &str, now: Instant) -> String {
        self.next += 1;
        let weight = weight + key.len() / USUAL_KEY;
        self.weight += weight;
        self.waiting.push(Waiting {
            number: self.next,
            call,
            weight,
            key: key.into(),
            since: now,
        });
        format!("{PREFIX}{:016x}-{}", self.nonce, self.next)
    }

    /// Puts the client's key into an answer that cannot be read, by which the client knows it. The
    /// request goes on to wait: what has become of it is not known.
    pub(super) fn restore<'m>(&self, message: &'m str) -> Cow<'m, str> {
        if self.waiting.is_empty() {
            return Cow::Borrowed(message);
        }
        let own = format!("\"{PREFIX}{:016x}-", self.nonce);
        let found = message.split_once(&own).and_then(|(before, rest)| {
            let (number, after) = rest.split_once('"')?;
            let number: u64 = number.parse().ok()?;
            let call = self.waiting.iter().find(|one| one.number == number)?;
            Some([before, &*call.key, after].concat())
        });
        found.map_or(Cow::Borrowed(message), Cow::Owned)
    }

    /// The request that has this key, with the client's key.
    pub(super) fn end(&mut self, key: Text<'_>) -> Option<(C, Box<str>)> {
        if self.waiting.is_empty() {
            return None;
        }
        // The gateway's have no escapes, and servers write them as they are.
        let (nonce, number) = key.raw().strip_prefix(PREFIX)?.split_once('-')?;
        let is_own = u64::from_str_radix(nonce, 16) == Ok(self.nonce);
        let number: u64 = number.parse().ok().filter(|_| is_own)?;
        let at = self.waiting.iter().position(|one| one.number == number)?;
        let ended = self.waiting.swap_remove(at);
        self.weight -= ended.weight;
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        Some((ended.call, ended.key))
    }
}
