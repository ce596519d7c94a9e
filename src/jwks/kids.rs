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

    fn asker(number: usize) -> Asker {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap());
        Asker {
            group: crate::addr::ClientAddr::new(address.into()).group(),
            is_listed: false,
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn made_up_names_from_several_places_leave_room_for_a_real_one() {
        let now = Instant::now();
        let mut kids = none(now);
        let mut names = 1..;
        for tick in 0..600u32 {
            let now = now + Duration::from_millis(100) * tick;
            for stranger in 1..=4 {
                kids.may_look(&id(names.next().unwrap()), asker(stranger), now);
            }
            if tick % 100 == 99 {
                assert!(
                    kids.may_look(&id(usize::MAX - names.start), asker(5), now),
                    "{tick}"
                );
            }
        }
        // From a thousand places: the one that comes back gets through.
        let now = now + Duration::from_secs(60);
        for stranger in 10..1010 {
            kids.may_look(&id(names.next().unwrap()), asker(stranger), now);
        }
        assert!(!kids.may_look(&id(0), asker(5), now));
        assert!(kids.may_look(&id(0), asker(5), now));
    }

    #[test]
    fn a_name_of_nothing_is_not_looked_for_again_at_once() {
        let now = Instant::now();
        let mut kids = none(now);
        assert!(kids.is_open(&id(1), now));
        kids.went(id(1), now);
        assert!(!kids.is_open(&id(1), now + MISSING / 2));
        assert!(kids.is_open(&id(1), now + MISSING));
        kids.failed(id(1), now + MISSING, AWAY, 0.0);
        assert!(!kids.is_open(&id(1), now + MISSING + AWAY / 2));
        assert!(kids.is_open(&id(1), now + MISSING + AWAY));
    }

    #[test]
    fn strangers_with_names_of_nothing_cause_few_fetches_and_take_little_room() {
        let now = Instant::now();
        let mut kids = none(now);
        // One of a client's ten is for names that come back.
        assert_eq!(
            (0..1000)
                .filter(|number| kids.may_look(&id(*number), asker(1), now))
                .count(),
            9
        );
        assert!(kids.may_look(&id(999), asker(1), now) && !kids.may_look(&id(999), asker(1), now));
        // From however many places they come.
        let many = (0..1000)
            .filter(|number| kids.may_look(&id(*number), asker(*number), now))
            .count();
        assert_eq!(many, 64 - 16 - 10);
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
        assert!(!kids.is_open(&id(1), now), "it is there");
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
        assert!(!kids.is_open(&id(1), now));
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
        assert_eq!(
            kids.came(id(1001), "newer", now + HOUR).as_deref(),
            Some("1")
        );
        assert_eq!(kids.held.len(), MOST);
    }
}
