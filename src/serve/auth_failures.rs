//! Guessing tokens: who sends one after the other that nobody can have given him is answered later
//! and later, and then not at all for a while.
//!
//! Only tokens and keys that prove nothing are counted and held back. Behind one address may be a
//! whole school: a good one is accepted whatever others there have sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::addr::{ClientAddr, ClientGroup};
use crate::limits::{Limits, Rate};

/// So many clients are remembered at most.
const MOST: usize = 16 * 1024;

/// The first answer that is late, and the latest.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(2);

/// Who guesses. An address on the policy's allow list is counted apart from others of its network,
/// which are not: they must not be able to lock it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FailureKey {
    group: ClientGroup,
    is_listed: bool,
}

impl FailureKey {
    /// `None` for those who are not counted.
    pub(super) fn new(client: ClientAddr, is_listed: bool, limits: &Limits) -> Option<Self> {
        (!limits.exempts(client)).then(|| Self {
            group: client.group(),
            is_listed,
        })
    }
}

/// What is counted, for all workers.
#[derive(Debug)]
pub struct AuthFailures {
    started: Instant,
    /// When the allowance of each is whole again, in microseconds since the start. Held for a
    /// look-up, and only for tokens that are not known.
    clients: Mutex<HashMap<FailureKey, u64>>,
}

impl AuthFailures {
    /// Nobody has guessed yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            clients: Mutex::default(),
        })
    }

    /// Whether one more guess is answered.
    ///
    /// # Errors
    /// How long the client has to wait for that.
    pub(super) fn check(&self, who: Option<FailureKey>, rate: Rate) -> Result<(), Duration> {
        who.map_or(Ok(()), |who| self.check_at(who, rate, self.micros()))
    }

    fn check_at(&self, who: FailureKey, rate: Rate, now: u64) -> Result<(), Duration> {
        let full_at = self.lock().get(&who).copied();
        full_at.map_or(Ok(()), |full_at| rate.take(full_at, now).map(drop))
    }

    /// Counts a guess, and says how much later it is to be answered.
    pub(super) fn count(&self, who: Option<FailureKey>, rate: Rate) -> Duration {
        who.map_or(Duration::ZERO, |who| {
            self.count_at(who, rate, self.micros())
        })
    }

    fn count_at(&self, who: FailureKey, rate: Rate, now: u64) -> Duration {
        let mut clients = self.lock();
        if clients.len() >= MOST && !clients.contains_key(&who) {
            forget_some(&mut clients, now);
        }
        let full_at = clients.entry(who).or_default();
        // Two workers may have looked at once: what is too much is not counted.
        if let Ok(later) = rate.take(*full_at, now) {
            *full_at = later;
        }
        delay(rate.used(*full_at, now), rate)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<FailureKey, u64>> {
        // The map is consistent after every statement, so a panic elsewhere does not spoil it.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A quarter of what is allowed is free: people paste the wrong thing.
fn delay(used: u32, rate: Rate) -> Duration {
    let doublings = match used.saturating_sub(rate.events / 4) {
        0 => return Duration::ZERO,
        late => (late - 1).min(8),
    };
    (FIRST_DELAY * (1 << doublings)).min(LAST_DELAY)
}

/// Forgets those whose allowance is whole, or else the half that has guessed least.
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

    const RATE: Rate = Rate {
        events: 20,
        per: Duration::from_secs(60),
    };
    const MINUTE: u64 = 60_000_000;

    fn guesser(ip: &str, is_listed: bool) -> FailureKey {
        FailureKey::new(
            ClientAddr::new(ip.parse().unwrap()),
            is_listed,
            &Limits::default(),
        )
        .unwrap()
    }

    #[test]
    fn answers_come_later_and_then_not_at_all() {
        let (guesses, who) = (AuthFailures::new(), guesser("192.0.2.1", false));
        let delays: Vec<u128> = (0..20)
            .map(|_| {
                guesses.check_at(who, RATE, 0).unwrap();
                guesses.count_at(who, RATE, 0).as_millis()
            })
            .collect();
        assert_eq!(delays[..9], [0, 0, 0, 0, 0, 250, 500, 1000, 2000]);
        assert!(delays[9..].iter().all(|delay| *delay == 2000));
        let wait = guesses.check_at(who, RATE, 0).unwrap_err();
        assert_eq!(wait, Duration::from_secs(3));
        assert!(guesses.check_at(who, RATE, MINUTE / 20).is_ok());
        assert_eq!(guesses.count_at(who, RATE, 2 * MINUTE), Duration::ZERO);
    }

    #[test]
    fn nobody_is_locked_out_by_others_elsewhere() {
        let guesses = AuthFailures::new();
        let mallory = guesser("2001:db8::bad", false);
        for _ in 0..20 {
            guesses.count_at(mallory, RATE, 0);
        }
        assert!(
            guesses
                .check_at(guesser("2001:db8::2", false), RATE, 0)
                .is_err(),
            "one household is one client"
        );
        assert!(
            guesses
                .check_at(guesser("2001:db8:0:1::1", false), RATE, 0)
                .is_ok()
        );
        assert!(
            guesses
                .check_at(guesser("2001:db8::2", true), RATE, 0)
                .is_ok(),
            "an address on the allow list"
        );
        let local = ClientAddr::new("127.0.0.1".parse().unwrap());
        assert_eq!(FailureKey::new(local, false, &Limits::default()), None);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (guesses, worst) = (AuthFailures::new(), guesser("192.0.2.1", false));
        for _ in 0..20 {
            guesses.count_at(worst, RATE, 0);
        }
        for at in 0..3 * u32::try_from(MOST).unwrap() {
            let client = ClientAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + at).into());
            let who = FailureKey::new(client, false, &Limits::default());
            guesses.count_at(who.unwrap(), RATE, u64::from(at % 7));
        }
        assert!(guesses.lock().len() <= MOST);
        assert!(guesses.check_at(worst, RATE, 7).is_err());
        // After a while nobody has to be remembered.
        guesses.count_at(guesser("192.0.2.2", false), RATE, 0);
        forget_some(&mut guesses.lock(), 2 * MINUTE);
        assert!(guesses.lock().is_empty());
    }
}
