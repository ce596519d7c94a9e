//! Failed authentications of each client: one that sends one forged token after the other is
//! answered later and later, and then not at all for a while.
//!
//! Only forged tokens and wrong API keys are counted and delayed. A whole school may be behind one
//! address: a good token is accepted whatever other clients there have sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use crate::addr::{ClientAddr, ClientGroup};
use crate::clock;
use crate::limits::{Limits, Rate};

/// At most this many clients are remembered.
const MOST: usize = 16 * 1024;

/// The first delay of an answer, and the longest.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(2);

/// A client whose failures are counted. An address on the policy's allow list is counted apart from
/// its network: unlisted neighbours must not be able to lock it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct FailureKey {
    group: ClientGroup,
    is_listed: bool,
}

impl FailureKey {
    /// `None` for a client that limits exempt.
    pub(super) fn new(client: ClientAddr, is_listed: bool, limits: &Limits) -> Option<Self> {
        (!limits.exempts(client)).then(|| Self {
            group: client.group(),
            is_listed,
        })
    }
}

/// Clients with failures, and in how many microseconds their allowance is full again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HandedFailures(Vec<(FailureKey, u64)>);

/// The failures that all workers have counted.
#[derive(Debug)]
pub struct AuthFailures {
    started: Instant,
    /// When the allowance of each client is full again, in microseconds since the start. The lock
    /// is held for a look-up, and only for tokens that are not in the cache.
    clients: Mutex<HashMap<FailureKey, u64>>,
}

impl AuthFailures {
    /// Without a failure.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            started: clock::monotonic(),
            clients: Mutex::default(),
        })
    }

    /// Whether one more failure of the client is answered.
    ///
    /// # Errors
    /// How long the client has to wait first.
    pub(super) fn check(&self, client: Option<FailureKey>, rate: Rate) -> Result<(), Duration> {
        client.map_or(Ok(()), |client| self.check_at(client, rate, self.micros()))
    }

    fn check_at(&self, client: FailureKey, rate: Rate, now: u64) -> Result<(), Duration> {
        let full_at = self.lock().get(&client).copied();
        full_at.map_or(Ok(()), |full_at| rate.take(full_at, now).map(drop))
    }

    /// Counts a failure, and says by how much its answer is to be delayed.
    pub(super) fn count(&self, client: Option<FailureKey>, rate: Rate) -> Duration {
        client.map_or(Duration::ZERO, |client| {
            self.count_at(client, rate, self.micros())
        })
    }

    fn count_at(&self, client: FailureKey, rate: Rate, now: u64) -> Duration {
        let mut clients = self.lock();
        if clients.len() >= MOST && !clients.contains_key(&client) {
            forget_some(&mut clients, now);
        }
        let full_at = clients.entry(client).or_default();
        // Two workers may have checked at once: a failure beyond the limit is not counted.
        if let Ok(later) = rate.take(*full_at, now) {
            *full_at = later;
        }
        delay(rate.used(*full_at, now), rate)
    }

    /// The failures, for the process that replaces this one.
    pub fn hand_over(&self) -> HandedFailures {
        let now = self.micros();
        let clients = self.lock();
        let all = clients.iter().filter(|(_, full_at)| **full_at > now);
        HandedFailures(all.map(|(key, full_at)| (*key, full_at - now)).collect())
    }

    /// Takes the failures of another process.
    pub fn take(&self, HandedFailures(handed): HandedFailures) {
        let now = self.micros();
        let handed = handed.into_iter().take(MOST);
        let full_at = |left: u64| now.saturating_add(left);
        self.lock()
            .extend(handed.map(|(key, left)| (key, full_at(left))));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FailureKey, u64>> {
        self.clients.lock()
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A quarter of the limit is free of delay: people paste the wrong text.
fn delay(used: u32, rate: Rate) -> Duration {
    let doublings = match used.saturating_sub(rate.at_once() / 4) {
        0 => return Duration::ZERO,
        over => (over - 1).min(8),
    };
    (FIRST_DELAY * (1 << doublings)).min(LAST_DELAY)
}

/// Forgets the clients whose allowance is full or, if these are too few, the half that has failed
/// least.
fn forget_some(clients: &mut HashMap<FailureKey, u64>, now: u64) {
    clients.retain(|_, full_at| *full_at > now);
    if clients.len() > MOST / 2 {
        let mut all: Vec<u64> = clients.values().copied().collect();
        let (_, middle, _) = all.select_nth_unstable(MOST / 2);
        let middle = *middle;
        clients.retain(|_, full_at| *full_at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(20, Duration::from_secs(60));
    const MINUTE: u64 = 60_000_000;

    fn failing(ip: &str, is_listed: bool) -> FailureKey {
        FailureKey::new(
            ClientAddr::new(ip.parse().unwrap()),
            is_listed,
            &Limits::default(),
        )
        .unwrap()
    }

    #[test]
    fn answers_come_later_and_then_not_at_all() {
        let (failures, who) = (AuthFailures::new(), failing("192.0.2.1", false));
        let delays: Vec<u128> = (0..20)
            .map(|_| {
                failures.check_at(who, RATE, 0).unwrap();
                failures.count_at(who, RATE, 0).as_millis()
            })
            .collect();
        assert_eq!(delays[..9], [0, 0, 0, 0, 0, 250, 500, 1000, 2000]);
        assert!(delays[9..].iter().all(|delay| *delay == 2000));
        let wait = failures.check_at(who, RATE, 0).unwrap_err();
        assert_eq!(wait, Duration::from_secs(3));
        assert!(failures.check_at(who, RATE, MINUTE / 20).is_ok());
        assert_eq!(failures.count_at(who, RATE, 2 * MINUTE), Duration::ZERO);
    }

    #[test]
    fn nobody_is_locked_out_by_others_elsewhere() {
        let failures = AuthFailures::new();
        let mallory = failing("2001:db8::bad", false);
        for _ in 0..20 {
            failures.count_at(mallory, RATE, 0);
        }
        assert!(
            failures
                .check_at(failing("2001:db8::2", false), RATE, 0)
                .is_err(),
            "one household is one client"
        );
        assert!(
            failures
                .check_at(failing("2001:db8:0:1::1", false), RATE, 0)
                .is_ok()
        );
        assert!(
            failures
                .check_at(failing("2001:db8::2", true), RATE, 0)
                .is_ok(),
            "an address on the allow list"
        );
        let local = ClientAddr::new("127.0.0.1".parse().unwrap());
        assert_eq!(FailureKey::new(local, false, &Limits::default()), None);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (failures, worst) = (AuthFailures::new(), failing("192.0.2.1", false));
        for _ in 0..20 {
            failures.count_at(worst, RATE, 0);
        }
        for at in 0..3 * u32::try_from(MOST).unwrap() {
            let client = ClientAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + at).into());
            let who = FailureKey::new(client, false, &Limits::default());
            failures.count_at(who.unwrap(), RATE, u64::from(at % 7));
        }
        assert!(failures.lock().len() <= MOST);
        assert!(failures.check_at(worst, RATE, 7).is_err());
        // After a while no client has to be remembered.
        failures.count_at(failing("192.0.2.2", false), RATE, 0);
        forget_some(&mut failures.lock(), 2 * MINUTE);
        assert!(failures.lock().is_empty());
    }
}
