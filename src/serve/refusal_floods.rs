//! Clients whose WebSockets were closed because too many of their messages were refused.
//!
//! kurento-client connects again at once, whatever the reason that its WebSocket was closed for,
//! and waits longer only after a handshake that was rejected. So its handshakes are rejected for a
//! while.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::route::Route;
use crate::signalling::owners::Owner;

/// How long handshakes are rejected at first, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LAST_WAIT: Duration = Duration::from_secs(5 * 60);

/// How long a client is remembered once its handshakes are accepted again.
const REMEMBERED: Duration = LAST_WAIT;

/// At most this many clients are remembered.
const MOST: usize = 16 * 1024;

/// A client on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FloodKey {
    client: Owner,
    /// A hash of the route's host and path, which a reload keeps.
    route: u64,
}

impl FloodKey {
    /// A client on this route.
    pub(super) fn new(client: Owner, route: &Route) -> Self {
        let mut hasher = DefaultHasher::new();
        (&route.host, &route.path).hash(&mut hasher);
        Self {
            client,
            route: hasher.finish(),
        }
    }
}

/// The floods of refusals that all workers have seen, apart from what stands beside them: a lock is
/// written, and requests read the rest.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RefusalFloods {
    clients: Mutex<HashMap<FloodKey, Flood>>,
    /// How many clients there are: mostly none, and then no handshake takes the lock.
    count: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Flood {
    /// When handshakes are accepted again.
    until: Instant,
    /// How long they are rejected.
    wait: Duration,
}

impl RefusalFloods {
    /// Whether a client may open a WebSocket. The key is computed only if some client may not.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn check(
        &self,
        key: impl FnOnce() -> FloodKey,
        now: Instant,
    ) -> Result<(), Duration> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let flood = self.clients.lock().get(&key()).copied();
        let wait = flood.map_or(Duration::ZERO, |flood| {
            flood.until.saturating_duration_since(now)
        });
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// A WebSocket of a client is closed because too many of its messages were refused.
    pub(super) fn note(&self, key: FloodKey, now: Instant) {
        let mut clients = self.clients.lock();
        if clients.len() >= MOST && !clients.contains_key(&key) {
            forget_some(&mut clients, now);
        }
        match clients.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Flood::first(now));
            }
            Entry::Occupied(mut entry) => entry.get_mut().repeat(now),
        }
        self.count.store(clients.len(), Ordering::Relaxed);
    }

    /// Forgets those that have not sent too much for long.
    pub fn sweep(&self, now: Instant) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let mut clients = self.clients.lock();
            clients.retain(|_, flood| flood.is_remembered(now));
            self.count.store(clients.len(), Ordering::Relaxed);
        }
    }
}

impl Flood {
    fn first(now: Instant) -> Self {
        Self {
            until: now + FIRST_WAIT,
            wait: FIRST_WAIT,
        }
    }

    fn repeat(&mut self, now: Instant) {
        if !self.is_remembered(now) {
            *self = Self::first(now);
        } else if now >= self.until {
            self.wait = (self.wait * 2).min(LAST_WAIT);
            self.until = now + self.wait;
        }
        // Else its handshakes are rejected already. The flood came over another of its WebSockets,
        // opened before that, so the client has not come back too early: the wait stays the same.
    }

    fn is_remembered(&self, now: Instant) -> bool {
        now < self.until + REMEMBERED
    }
}

/// Forgets the clients that need not be remembered or, if these are too few, the half that may
/// come back first.
fn forget_some(clients: &mut HashMap<FloodKey, Flood>, now: Instant) {
    clients.retain(|_, flood| flood.is_remembered(now));
    if clients.len() > MOST / 2 {
        let mut all: Vec<Instant> = clients.values().map(|flood| flood.until).collect();
        let (_, middle, _) = all.select_nth_unstable(MOST / 2);
        let middle = *middle;
        clients.retain(|_, flood| flood.until > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: &str) -> FloodKey {
        FloodKey {
            client: Owner::of_subject("iss", subject),
            route: 1,
        }
    }

    /// How many seconds a client has to wait.
    fn wait(floods: &RefusalFloods, subject: &str, now: Instant) -> u64 {
        let checked = floods.check(|| key(subject), now);
        checked.map_or_else(|wait| wait.as_secs(), |()| 0)
    }

    #[test]
    fn each_flood_that_follows_another_soon_is_answered_by_twice_the_wait() {
        let (floods, mut now) = (RefusalFloods::default(), Instant::now());
        assert_eq!(wait(&floods, "alice", now), 0);
        for expected in [10, 20, 40, 80, 160, 300, 300] {
            floods.note(key("alice"), now);
            // One of several WebSockets that were open.
            floods.note(key("alice"), now);
            assert_eq!(wait(&floods, "alice", now), expected);
            assert_eq!(wait(&floods, "bob", now), 0);
            now += Duration::from_secs(expected);
            floods.sweep(now);
            assert_eq!(wait(&floods, "alice", now), 0);
        }
        now += REMEMBERED;
        floods.note(key("alice"), now);
        assert_eq!(wait(&floods, "alice", now), 10);
        now += FIRST_WAIT + REMEMBERED;
        floods.sweep(now);
        assert!(floods.clients.lock().is_empty());
        assert_eq!(floods.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_longest_waits_are_remembered() {
        let (floods, now) = (RefusalFloods::default(), Instant::now());
        floods.note(key("alice"), now);
        floods.note(key("alice"), now + FIRST_WAIT);
        for number in 0..MOST * 2 {
            floods.note(key(&number.to_string()), now);
        }
        assert!(floods.clients.lock().len() <= MOST);
        assert_eq!(wait(&floods, "alice", now + FIRST_WAIT), 20);
    }

    #[test]
    fn no_key_is_computed_while_no_client_has_to_wait() {
        let checked = RefusalFloods::default().check(|| unreachable!(), Instant::now());
        assert_eq!(checked, Ok(()));
    }
}
