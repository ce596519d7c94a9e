//! Slots: every client connection holds one from accept until the last byte of its last tunnel has gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::addr::{ClientAddr, ClientGroup};
use crate::limits::{Limits, Rate};

/// All slots of the gateway, shared by its workers. Touched when a connection opens and closes, never by a request.
#[derive(Debug)]
pub struct Slots {
    open: AtomicUsize,
    /// Held for a look-up on accept and on close only.
    clients: Mutex<HashMap<ClientGroup, Arc<Client>>>,
    started: Instant,
}

impl Slots {
    /// No slot taken.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), clients: Mutex::default(), started: Instant::now() })
    }

    /// Slots taken now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a slot for a client.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn take(self: &Arc<Self>, client: ClientAddr, limits: &Limits) -> Result<Slot, Full> {
        let taken =
            self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limits.connections).then_some(n + 1));
        if taken.is_err() {
            return Err(Full::Gateway);
        }
        let group = client.group();
        let exempt = limits.exempts(client);
        let entry = Arc::clone(self.lock().entry(group).or_default());
        let slot = Slot { slots: Arc::clone(self), group, client: entry, exempt };
        // Counted before it is judged, given back by the guard's drop if it is one too many.
        let mine = slot.client.connections.fetch_add(1, Ordering::Relaxed) + 1;
        if mine > limits.connections_per_client && !exempt {
            return Err(Full::Client);
        }
        Ok(slot)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClientGroup, Arc<Client>>> {
        // The map is consistent after every statement, so a panic elsewhere does not spoil it.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// What is counted of one client. Only connections of this client write here.
#[derive(Debug, Default)]
struct Client {
    connections: AtomicUsize,
    /// When the client's allowance is whole again, in microseconds since start: a token bucket in one number (GCRA).
    whole_again: AtomicU64,
}

/// One counted connection.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    group: ClientGroup,
    client: Arc<Client>,
    exempt: bool,
}

impl Slot {
    /// Counts a request against the client's rate.
    ///
    /// # Errors
    /// How long the client should wait.
    pub fn request(&self, rate: Rate) -> Result<(), Duration> {
        if self.exempt {
            return Ok(());
        }
        let now = self.slots.micros();
        let window = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX);
        let cost = (window / u64::from(rate.events)).max(1);
        let step = |whole_again: u64| {
            let next = whole_again.max(now).saturating_add(cost);
            (next <= now.saturating_add(window)).then_some(next)
        };
        self.client
            .whole_again
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .map(drop)
            .map_err(|whole_again| Duration::from_micros(whole_again.saturating_add(cost) - now - window))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::Relaxed);
        if self.client.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut clients = self.slots.lock();
            // Looked at again under the lock: another connection of this client may just have come. A client that is
            // over its rate is remembered a little longer, or reconnecting would forgive it.
            let now = self.slots.micros();
            let gone =
                |c: &Client| c.connections.load(Ordering::Relaxed) == 0 && c.whole_again.load(Ordering::Relaxed) <= now;
            if clients.get(&self.group).is_some_and(|c| gone(c)) {
                clients.remove(&self.group);
            }
            if clients.len() > 2 * (self.slots.open() + 1024) {
                clients.retain(|_, c| !gone(c));
            }
        }
    }
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `limits.connections`.
    #[error("limits.connections is reached")]
    Gateway,
    /// `limits.connections_per_client`.
    #[error("limits.connections_per_client is reached")]
    Client,
}

impl Full {
    /// The key of the limit in `[limits]`.
    pub fn limit(self) -> &'static str {
        match self {
            Self::Gateway => "connections",
            Self::Client => "connections_per_client",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ip: &str) -> ClientAddr {
        ClientAddr::new(ip.parse().unwrap())
    }

    fn limits(connections: usize, per_client: usize) -> Limits {
        Limits { connections, connections_per_client: per_client, ..Limits::default() }
    }

    #[test]
    fn slots_are_given_back() {
        let (slots, limits) = (Slots::new(), limits(3, 2));
        let a = slots.take(client("192.0.2.1"), &limits).unwrap();
        let b = slots.take(client("192.0.2.1"), &limits).unwrap();
        assert_eq!(slots.take(client("192.0.2.1"), &limits).unwrap_err(), Full::Client);
        let c = slots.take(client("192.0.2.2"), &limits).unwrap();
        assert_eq!(slots.take(client("192.0.2.3"), &limits).unwrap_err(), Full::Gateway);
        assert_eq!(slots.open(), 3);
        drop((a, b, c));
        assert_eq!(slots.open(), 0);
        assert!(slots.lock().is_empty());
    }

    #[test]
    fn the_exempt_count_only_in_total() {
        let (slots, limits) = (Slots::new(), limits(3, 1));
        let held: Vec<_> = (0..3).map(|_| slots.take(client("127.0.0.1"), &limits).unwrap()).collect();
        assert_eq!(slots.take(client("127.0.0.1"), &limits).unwrap_err(), Full::Gateway);
        let slow = Rate { events: 1, per: Duration::from_secs(3600) };
        assert!((0..10).all(|_| held[0].request(slow).is_ok()));
    }

    #[test]
    fn the_rate_is_shared_by_a_clients_connections() {
        let (slots, limits) = (Slots::new(), limits(10, 10));
        let rate = Rate { events: 5, per: Duration::from_secs(3600) };
        let (a, b) =
            (slots.take(client("192.0.2.1"), &limits).unwrap(), slots.take(client("192.0.2.1"), &limits).unwrap());
        let other = slots.take(client("192.0.2.2"), &limits).unwrap();
        let passed = (0..10).filter(|n| if n % 2 == 0 { &a } else { &b }.request(rate).is_ok()).count();
        assert_eq!(passed, 5);
        let wait = a.request(rate).unwrap_err();
        assert!(wait > Duration::from_secs(600) && wait <= Duration::from_secs(720), "{wait:?}");
        assert!(other.request(rate).is_ok());
        // Reconnecting does not forgive.
        drop((a, b));
        assert!(slots.take(client("192.0.2.1"), &limits).unwrap().request(rate).is_err());
    }
}
