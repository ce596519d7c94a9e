//! How often an endpoint is asked: normally, after failures, and on behalf of clients.

use std::time::{Duration, Instant};

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait: an issuer that is available again is noticed within this time.
const LAST: Duration = Duration::from_secs(300);

/// Keys are fetched at most this long before they are stale.
const AHEAD: Duration = Duration::from_secs(300);

/// How long to wait after this many failures. `chance`, from 0 to 1, spreads the retries of
/// gateways that lost an issuer at the same time.
pub(super) fn after_failures(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST);
    doubled.mul_f64(1.0 - 0.25 * chance)
}

/// When to fetch keys again that are fresh for this long: a little earlier.
pub(super) fn ahead(fresh: Duration, chance: f64) -> Duration {
    fresh - (fresh / 10).min(AHEAD).mul_f64(0.5 + 0.5 * chance)
}

/// A random number from 0 to 1.
pub(super) fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness, the retries are merely not spread.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// A rate limit (GCRA): `burst` fetches at once, then one per `every`.
#[derive(Debug)]
pub(super) struct Allowance {
    burst: u32,
    every: Duration,
    /// When the allowance is full again.
    whole: Option<Instant>,
}

impl Allowance {
    pub(super) fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst,
            every,
            whole: None,
        }
    }

    /// Takes one fetch, if the allowance has one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_there = self.has(1, now);
        if is_there {
            self.whole = Some(self.after(1, now));
        }
        is_there
    }

    /// Whether the allowance has this many fetches.
    pub(super) fn has(&self, count: u32, now: Instant) -> bool {
        self.after(count, now).duration_since(now) <= self.every * self.burst
    }

    /// Takes one fetch, if necessary in advance. Returns when it may be made.
    pub(super) fn reserve(&mut self, now: Instant) -> Instant {
        let whole = self.after(1, now);
        self.whole = Some(whole);
        whole
            .checked_sub(self.every * self.burst)
            .map_or(now, |free| free.max(now))
    }

    /// When the allowance is full again; `None` if nothing was ever taken.
    pub(super) fn full_at(&self) -> Option<Instant> {
        self.whole
    }

    fn after(&self, count: u32, now: Instant) -> Instant {
        self.whole.map_or(now, |whole| whole.max(now)) + self.every * count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_followed_by_longer_and_longer_times() {
        let seconds: Vec<u64> = (1..=11)
            .map(|failures| after_failures(failures, 0.0).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(after_failures(u32::MAX, 0.0), LAST);
        for failures in 1..12 {
            let (soonest, latest) = (after_failures(failures, 1.0), after_failures(failures, 0.0));
            assert_eq!(soonest, latest.mul_f64(0.75));
        }
    }

    #[test]
    fn keys_are_fetched_before_they_are_too_old() {
        for (fresh, soonest, latest) in [(60, 54, 57), (3600, 3300, 3450), (86_400, 86_100, 86_250)]
        {
            let fresh = Duration::from_secs(fresh);
            assert_eq!(
                (ahead(fresh, 1.0).as_secs(), ahead(fresh, 0.0).as_secs()),
                (soonest, latest)
            );
        }
    }

    #[test]
    fn clients_cause_no_more_fetches_than_are_allowed() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut one = Allowance::new(1, Duration::from_secs(10));
        let taken =
            [0, 1, 9_999, 10_000, 10_001, 19_999, 25_000].map(|millis| one.take(at(millis)));
        assert_eq!(taken, [true, false, false, true, false, false, true]);
        let mut ten = Allowance::new(10, Duration::from_secs(1));
        assert_eq!((0..100).filter(|_| ten.take(at(0))).count(), 10);
        assert_eq!((0..100).filter(|_| ten.take(at(3_000))).count(), 3);
        let reserved = [0, 0, 1].map(|millis| one.reserve(at(35_000 + millis)));
        assert_eq!(reserved, [at(35_000), at(45_000), at(55_000)]);
        // However long it is quiet, there are never more.
        assert_eq!((0..100).filter(|_| ten.take(at(1_000_000))).count(), 10);
    }

    #[test]
    fn chance_stays_between_its_ends() {
        assert!(
            (0..1000)
                .map(|_| chance())
                .all(|chance| (0.0..=1.0).contains(&chance))
        );
    }
}
