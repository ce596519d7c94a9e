//! What is known of the keys of an ASAP server, by name: which are held, which are not there, when to look again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::client::Digest;
use super::pace::{self, Allowance};

/// More keys than this are not held at once.
const MOST: usize = 256;

/// More names than this are not remembered as names of nothing.
const MOST_MISSING: usize = 256;

/// For so long a key that is not there is not looked for again.
pub(super) const MISSING: Duration = Duration::from_secs(30);

/// For so long one that could not be asked for is not asked for again.
pub(super) const AWAY: Duration = Duration::from_secs(5);

/// Anybody can make up names: so many are asked for at once, then one each second.
const WANTED: (u32, Duration) = (10, Duration::from_secs(1));

/// The SHA-256 of a key's name, so that long names take no room.
pub(super) type Id = Digest;

/// What is known.
#[derive(Debug)]
pub(super) struct Kids {
    held: HashMap<Id, Held>,
    /// Until when nobody looks again, and whether the server has said that there is no such key.
    missing: HashMap<Id, (Instant, bool)>,
    allowance: Allowance,
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
        let (burst, every) = WANTED;
        let allowance = Allowance::new(burst, every);
        let mut kids = Self { held: HashMap::new(), missing: HashMap::new(), allowance, learnt: 0 };
        for (id, kid) in held {
            let _ = kids.came(id, &kid, now);
        }
        kids
    }

    /// Whether a name that a request came with is looked for.
    pub(super) fn may_look(&mut self, id: &Id, now: Instant) -> bool {
        let is_missing = self.missing.get(id).is_some_and(|(until, _)| *until > now);
        !is_missing && !self.held.contains_key(id) && self.allowance.take(now)
    }

    /// Whether the server has said lately that there is no such key.
    pub(super) fn is_nobodys(&self, id: &Id, now: Instant) -> bool {
        self.missing.get(id).is_some_and(|(until, is_said)| *is_said && *until > now)
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
        let oldest = self.held.iter().min_by_key(|(_, held)| held.place).map(|(id, _)| *id);
        self.learnt += 1;
        let place = self.held.get(&id).map_or(self.learnt, |held| held.place);
        self.held.insert(id, Held { kid: kid.into(), next: Some(next), failures: 0, place });
        let gone = if self.held.len() > MOST { self.held.remove(&oldest?) } else { None };
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
        for held in self.held.values_mut().filter(|held| held.failures > 0 && held.next.is_some()) {
            held.next = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Id {
        let mut id = Id::default();
        id[..8].copy_from_slice(&number.to_be_bytes());
        id
    }

    fn none(now: Instant) -> Kids {
        Kids::new(std::iter::empty(), now)
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_name_of_nothing_is_not_looked_for_again_at_once() {
        let now = Instant::now();
        let mut kids = none(now);
        assert!(kids.may_look(&id(1), now));
        kids.went(id(1), now);
        assert!(!kids.may_look(&id(1), now + MISSING / 2));
        assert!(kids.may_look(&id(1), now + MISSING));
        kids.failed(id(1), now + MISSING, AWAY, 0.0);
        assert!(!kids.may_look(&id(1), now + MISSING + AWAY / 2));
        assert!(kids.may_look(&id(1), now + MISSING + AWAY));
    }

    #[test]
    fn strangers_with_names_of_nothing_cause_few_fetches_and_take_little_room() {
        let now = Instant::now();
        let mut kids = none(now);
        assert_eq!((0..1000).filter(|number| kids.may_look(&id(*number), now)).count(), 10);
        (0..1000).for_each(|number| kids.went(id(number), now));
        assert_eq!(kids.missing.len(), MOST_MISSING);
        kids.went(id(2000), now + MISSING);
        assert_eq!(kids.missing.len(), 1);
    }

    #[test]
    fn a_key_that_is_held_is_fetched_again_when_it_is_due_and_not_twice_at_once() {
        let now = Instant::now();
        let mut kids = none(now);
        assert_eq!(kids.came(id(1), "one", now + HOUR), None);
        assert!(!kids.may_look(&id(1), now), "it is there");
        assert_eq!((kids.next(), kids.due(now)), (Some(now + HOUR), None));
        assert_eq!(kids.due(now + HOUR), Some((id(1), "one".into())));
        assert_eq!((kids.next(), kids.due(now + HOUR)), (None, None));
        // It stays through failures, and is tried after longer and longer times.
        kids.failed(id(1), now, AWAY, 0.0);
        assert_eq!(kids.next(), Some(now + Duration::from_secs(1)));
        kids.failed(id(1), now, AWAY, 0.0);
        assert_eq!(kids.next(), Some(now + Duration::from_secs(2)));
        kids.try_again(now);
        assert_eq!(kids.next(), Some(now));
        // Taken back.
        kids.went(id(1), now);
        assert_eq!(kids.next(), None);
        assert!(!kids.may_look(&id(1), now));
    }

    #[test]
    fn the_key_that_came_first_makes_room() {
        let now = Instant::now();
        let mut kids = none(now);
        for number in 0..MOST {
            assert_eq!(kids.came(id(number), &number.to_string(), now + HOUR), None);
        }
        // Fetching one again does not change its place.
        assert_eq!(kids.came(id(0), "0", now + HOUR), None);
        assert_eq!(kids.came(id(1000), "new", now + HOUR).as_deref(), Some("0"));
        assert_eq!(kids.came(id(1001), "newer", now + HOUR).as_deref(), Some("1"));
        assert_eq!(kids.held.len(), MOST);
    }
}
