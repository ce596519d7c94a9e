//! How often a place is asked: when nothing is wrong, when something is, and when strangers want it
//! to be.

use std::time::{Duration, Instant};

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// However long nothing comes: an issuer that is back is seen within this time.
const LAST: Duration = Duration::from_secs(300);

/// The longest time by which keys are fetched before they would be too old.
const AHEAD: Duration = Duration::from_secs(300);

/// When to look again after so many failures. `chance`, from 0 to 1, keeps gateways that lost an
/// issuer together from coming back together.
pub(super) fn after_failures(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST);
    doubled.mul_f64(1.0 - 0.25 * chance)
}

/// When to look again at keys that are fresh for so long: a little before that ends.
pub(super) fn ahead(fresh: Duration, chance: f64) -> Duration {
    fresh - (fresh / 10).min(AHEAD).mul_f64(0.5 + 0.5 * chance)
}

/// A number from 0 to 1 that nobody can foretell.
pub(super) fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness all come at the same time, which is no worse than that.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// What requests may cause: so many fetches at once, and then one in each span of time.
#[derive(Debug)]
pub(super) struct Allowance {
    burst: u32,
    every: Duration,
    /// When all of it will be there again (GCRA).
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

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_there = self.has(1, now);
        if is_there {
            self.whole = Some(self.after(1, now));
        }
        is_there
    }

    /// Whether there are so many.
    pub(super) fn has(&self, count: u32, now: Instant) -> bool {
        self.after(count, now).duration_since(now) <= self.every * self.burst
    }

    /// Takes one, also where it will only be there later: returns when that is.
    pub(super) fn reserve(&mut self, now: Instant) -> Instant {
        let whole = self.after(1, now);
        self.whole = Some(whole);
        whole
            .checked_sub(self.every * self.burst)
            .map_or(now, |free| free.max(now))
    }

    /// When all of it will be there again; `None` if nothing has ever been taken.
    pub(super) fn whole_at(&self) -> Option<Instant> {
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
    fn strangers_cause_no_more_fetches_than_are_allowed() {
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
