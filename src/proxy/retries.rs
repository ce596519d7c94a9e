//! How many requests may be sent again: a tenth of all, so that a server that fails does not get
//! twice the load because of it.

use std::cell::Cell;
use std::sync::Arc;

use crate::telemetry::metrics::UpstreamCounts;
use crate::tick::Tick;

/// One request in this number may be sent again.
const SHARE: u64 = 10;

/// This many may be, however few requests there are: three a second.
const FLOOR: u64 = 30;

/// Counts are taken once in this number of ticks, and compared with the last but one: those of 5 s
/// to 10 s.
const STEP: Tick = 10;

/// The retries of an upstream at one worker.
#[derive(Debug)]
pub(super) struct RetryBudget {
    counts: Arc<UpstreamCounts>,
    retries: Cell<u64>,
    last: Cell<Seen>,
    before: Cell<Seen>,
}

/// Counts at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    at: Tick,
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    pub(super) fn new(counts: &Arc<UpstreamCounts>) -> Self {
        let seen = Seen {
            requests: counts.sent(),
            ..Seen::default()
        };
        Self {
            counts: Arc::clone(counts),
            retries: Cell::new(0),
            last: Cell::new(seen),
            before: Cell::new(seen),
        }
    }

    /// Whether a request may be sent again, which is counted then.
    pub(super) fn take(&self) -> bool {
        let before = self.before.get();
        let requests = self.counts.sent() - before.requests;
        let retries = self.retries.get() - before.retries;
        let may = retries < FLOOR.max(requests / SHARE);
        if may {
            self.retries.set(self.retries.get() + 1);
            self.counts.retries.repeated.inc();
        } else {
            self.counts.retries.over_budget.inc();
        }
        may
    }

    /// Forgets what is long ago. Called at each tick.
    pub(super) fn sweep(&self, now: Tick) {
        let last = self.last.get();
        if now.saturating_sub(last.at) >= STEP {
            self.before.set(last);
            self.last.set(Seen {
                at: now,
                requests: self.counts.sent(),
                retries: self.retries.get(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of this many retries are allowed.
    fn allowed(budget: &RetryBudget, wanted: usize) -> usize {
        (0..wanted).filter(|_| budget.take()).count()
    }

    fn pass(budget: &RetryBudget, from: Tick, ticks: Tick) {
        (from..=from + ticks).for_each(|now| budget.sweep(now));
    }

    #[test]
    fn a_few_are_always_allowed_and_come_back_within_ten_seconds() {
        let budget = RetryBudget::new(&Arc::default());
        assert_eq!(allowed(&budget, 100), 30);
        pass(&budget, 1, 9);
        assert_eq!(allowed(&budget, 100), 0);
        pass(&budget, 10, 10);
        assert_eq!(allowed(&budget, 100), 30);
        assert_eq!(budget.counts.retries.repeated.get(), 60);
        assert_eq!(budget.counts.retries.over_budget.get(), 240);
    }

    #[test]
    fn of_many_requests_a_tenth_may_be_sent_again() {
        let counts = Arc::<UpstreamCounts>::default();
        counts.answers[2].add(1_000_000);
        let budget = RetryBudget::new(&counts);
        assert_eq!(allowed(&budget, 1000), 30, "those before it do not count");
        counts.answers[2].add(4_000);
        counts.broken.add(1_000);
        assert_eq!(allowed(&budget, 1000), 470);
        pass(&budget, 1, 9);
        counts.late.add(1_000);
        assert_eq!(allowed(&budget, 1000), 100);
        pass(&budget, 10, 20);
        assert_eq!(allowed(&budget, 1000), 30, "all of these are long ago");
    }
}
