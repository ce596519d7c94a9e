//! What is known of the keys of an ASAP server, by name: which are held, which are not there, when
//! to look again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::askers::Askers;
use super::client::Digest;
use super::pace::{self, Allowance};
use crate::token::issuer::Asker;

/// More keys than this are not held at once.
const MOST: usize = 256;

/// More names than this are not remembered as names of nothing.
const MOST_MISSING: usize = 256;

/// For so long a key that is not there is not looked for again.
pub(super) const MISSING: Duration = Duration::from_secs(30);

/// For so long one that could not be asked for is not asked for again.
pub(super) const AWAY: Duration = Duration::from_secs(5);

/// Anybody can make up names: for one client so many are asked for at once, then one each second.
const OF_CLIENT: (u32, Duration) = (10, Duration::from_secs(1));

/// And for all clients together: more than several that make up names can use.
const OF_ALL: (u32, Duration) = (64, Duration::from_millis(125));

/// So many of all are kept for names that were turned away before.
const KEPT: u32 = 16;

/// The SHA-256 of a key's name, so that long names take no room.
pub(super) type Id = Digest;

/// What is known.
#[derive(Debug)]
pub(super) struct Kids {
    held: HashMap<Id, Held>,
    /// Until when nobody looks again, and whether the server has said that there is no such key.
    missing: HashMap<Id, (Instant, bool)>,
    askers: Askers,
    all: Allowance,
    learnt: u64,
}

/// A key that is there.
#[derive(Debug)]
struct Held {
    kid: Box<str>,
    /// When it is to be fetched again; not while it is.
    next: Option<Instant>,
    failures: u32,
    /// Where it stands in the order in which keys came.
    place: u64,
}

impl Kids {
    /// Some are there already, and are looked at again now.
    pub(super) fn new(held: impl Iterator<Item = (Id, Box<str>)>, now: Instant) -> Self {
        let askers = Askers::new(OF_CLIENT.0, OF_CLIENT.1);
        let all = Allowance::new(OF_ALL.0, OF_ALL.1);
        let mut kids = Self {
            held: HashMap::new(),
            missing: HashMap::new(),
            askers,
            all,
            learnt: 0,
        };
        for (id, kid) in held {
            let _ = kids.came(id, &kid, now);
        }
        kids
    }

    /// Whether there would be any use in looking for a name.
    pub(super) fn is_open(&self, id: &Id, now: Instant) -> bool {
        let is_missing = self.missing.get(id).is_some_and(|(until, _)| *until > now);
        !is_missing && !self.held.contains_key(id)
    }

    /// Whether a name is looked for on behalf of this client.
    pub(super) fn may_look(&mut self, id: &Id, asker: Asker, now: Instant) -> bool {
        let all = &mut self.all;
        self.askers.take(asker, id, now, |is_back| {
            let kept = if is_back { 0 } else { KEPT };
            all.has(1 + kept, now) && all.take(now)
        })
    }

    /// Whether the server has said lately that there is no such key.
    pub(super) fn is_nobodys(&self, id: &Id, now: Instant) -> bool {
        self.missing
            .get(id)
            .is_some_and(|(until, is_said)| *is_said && *until > now)
    }

    /// When the first of the keys is to be fetched again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.held.values().filter_map(|held| held.next).min()
    }

    /// A key that is to be fetched again. It is not named again before something has become of it.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Id, Box<str>)> {
        let is_due = |held: &Held| held.next.is_some_and(|next| next <= now);
        let (id, held) = self.held.iter_mut().find(|(_, held)| is_due(held))?;
        held.next = None;
        Some((*id, held.kid.clone()))
    }

    /// A key is there, and is fetched again at `next`. Returns one that has to make room for it.
    #[must_use]
    pub(super) fn came(&mut self, id: Id, kid: &str, next: Instant) -> Option<Box<str>> {
        self.missing.remove(&id);
        let oldest = self
            .held
            .iter()
            .min_by_key(|(_, held)| held.place)
            .map(|(id, _)| *id);
        self.learnt += 1;
        let place = self.held.get(&id).map_or(self.learnt, |held| held.place);
        self.held.insert(
            id,
            Held {
                kid: kid.into(),
                next: Some(next),
                failures: 0,
                place,
            },
        );
        let gone = if self.held.len() > MOST {
            self.held.remove(&oldest?)
        } else {
            None
        };
        gone.map(|held| held.kid)
    }

    /// A key is not there, or not any more.
    pub(super) fn went(&mut self, id: Id, now: Instant) {
        self.held.remove(&id);
        self.note_missing(id, now + MISSING, true, now);
    }

    /// A key could not be had. One that is held is asked for again later, another not for so long.
    pub(super) fn failed(&mut self, id: Id, now: Instant, time: Duration, chance: f64) {
        match self.held.get_mut(&id) {
            Some(held) => {
                held.failures = held.failures.saturating_add(1);
                held.next = Some(now + pace::after_failures(held.failures, chance));
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

    /// What failed may have been mended.
    pub(super) fn try_again(&mut self, now: Instant) {
        self.missing.clear();
        for held in self
            .held
            .values_mut()
            .filter(|held| held.failures > 0 && held.next.is_some())
        {
            held.next = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;
