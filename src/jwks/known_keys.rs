//! The keys of an ASAP server by their ids: which are known, which are missing, and when to fetch
//! them again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::client::Digest;
use super::pace::{self, Allowance};
use super::requesters::Requesters;
use crate::token::issuer::Requester;

/// At most this many keys are kept.
const MOST: usize = 256;

/// At most this many missing keys are remembered.
const MOST_MISSING: usize = 256;

/// A missing key is not looked for again for this long.
pub(super) const MISSING: Duration = Duration::from_secs(30);

/// A key is not looked for again for this long if the server is unavailable.
pub(super) const UNAVAILABLE: Duration = Duration::from_secs(5);

/// Clients can invent key ids: one client causes this many fetches at once, then one each second.
const PER_CLIENT: (u32, Duration) = (10, Duration::from_secs(1));

/// All clients together: more than several clients that invent key ids can use up.
const OF_ALL: (u32, Duration) = (64, Duration::from_millis(125));

/// This many of all are reserved for key ids that were turned away before.
const KEPT: u32 = 16;

/// The SHA-256 of a key id, so that long ids take no more memory.
pub(super) type Id = Digest;

/// The known and the missing keys.
#[derive(Debug)]
pub(super) struct KnownKeys {
    known: HashMap<Id, Known>,
    /// Until when a key is not looked for again, and whether the server said that it does not
    /// exist.
    missing: HashMap<Id, (Instant, bool)>,
    requesters: Requesters,
    all: Allowance,
    learnt: u64,
}

/// A known key.
#[derive(Debug)]
struct Known {
    kid: Box<str>,
    /// When it is to be fetched again; `None` during a fetch.
    next: Option<Instant>,
    failures: u32,
    /// Its place in the order of arrival.
    place: u64,
}

impl KnownKeys {
    /// With keys that are already known, to be fetched again now.
    pub(super) fn new(known: impl Iterator<Item = (Id, Box<str>)>, now: Instant) -> Self {
        let requesters = Requesters::new(PER_CLIENT.0, PER_CLIENT.1);
        let all = Allowance::new(OF_ALL.0, OF_ALL.1);
        let mut known_keys = Self {
            known: HashMap::new(),
            missing: HashMap::new(),
            requesters,
            all,
            learnt: 0,
        };
        for (id, kid) in known {
            let _ = known_keys.found(id, &kid, now);
        }
        known_keys
    }

    /// Whether a key may be looked for: it is neither known nor known to be missing.
    pub(super) fn may_exist(&self, id: &Id, now: Instant) -> bool {
        let is_missing = self.missing.get(id).is_some_and(|(until, _)| *until > now);
        !is_missing && !self.known.contains_key(id)
    }

    /// Whether a key is looked for on behalf of this client; counts the fetch if so.
    pub(super) fn may_fetch(&mut self, id: &Id, requester: Requester, now: Instant) -> bool {
        let all = &mut self.all;
        self.requesters.take(requester, id, now, |is_back| {
            let kept = if is_back { 0 } else { KEPT };
            all.has(1 + kept, now) && all.take(now)
        })
    }

    /// Whether the server said recently that the key does not exist.
    pub(super) fn is_missing(&self, id: &Id, now: Instant) -> bool {
        self.missing
            .get(id)
            .is_some_and(|(until, is_said)| *is_said && *until > now)
    }

    /// When the next key is to be fetched again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.known.values().filter_map(|known| known.next).min()
    }

    /// A key that is to be fetched again. It is not returned again before that fetch is finished.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Id, Box<str>)> {
        let is_due = |known: &Known| known.next.is_some_and(|next| next <= now);
        let (id, known) = self.known.iter_mut().find(|(_, known)| is_due(known))?;
        known.next = None;
        Some((*id, known.kid.clone()))
    }

    /// Notes a key that was found, to be fetched again at `next`. Returns the oldest key if that
    /// has to make room.
    #[must_use]
    pub(super) fn found(&mut self, id: Id, kid: &str, next: Instant) -> Option<Box<str>> {
        self.missing.remove(&id);
        let oldest = self
            .known
            .iter()
            .min_by_key(|(_, known)| known.place)
            .map(|(id, _)| *id);
        self.learnt += 1;
        let place = self.known.get(&id).map_or(self.learnt, |known| known.place);
        self.known.insert(
            id,
            Known {
                kid: kid.into(),
                next: Some(next),
                failures: 0,
                place,
            },
        );
        let evicted = if self.known.len() > MOST {
            self.known.remove(&oldest?)
        } else {
            None
        };
        evicted.map(|known| known.kid)
    }

    /// Notes a key that does not exist, or no longer.
    pub(super) fn lost(&mut self, id: Id, now: Instant) {
        self.known.remove(&id);
        self.note_missing(id, now + MISSING, true, now);
    }

    /// Notes a fetch that failed. A known key is fetched again later; another one is not looked for
    /// during `time`.
    pub(super) fn failed(&mut self, id: Id, now: Instant, time: Duration, chance: f64) {
        match self.known.get_mut(&id) {
            Some(known) => {
                known.failures = known.failures.saturating_add(1);
                known.next = Some(now + pace::after_failures(known.failures, chance));
            }
            None => self.note_missing(id, now + time, false, now),
        }
    }

    fn note_missing(&mut self, id: Id, until: Instant, is_said: bool, now: Instant) {
        self.missing.retain(|_, (until, _)| *until > now);
        if self.missing.len() < MOST_MISSING {
            self.missing.insert(id, (until, is_said));
        }
    }

    /// Retries at once whatever failed: the cause may be fixed.
    pub(super) fn try_again(&mut self, now: Instant) {
        self.missing.clear();
        for known in self
            .known
            .values_mut()
            .filter(|known| known.failures > 0 && known.next.is_some())
        {
            known.next = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;
