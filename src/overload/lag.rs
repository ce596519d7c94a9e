//! Whether a worker can keep up, by how late its ticks are.
//!
//! A tick is due at a moment and runs when the tasks before it have run, as everything does that a
//! client or a server waits for. As in CoDel, a queue is harmless while it empties from time to
//! time: a worker is overloaded only if every tick of some seconds was late.

use std::time::{Duration, Instant};

/// A tick that is this late counts against the worker.
const LATE: Duration = Duration::from_secs(1);

/// A tick that is no later than this counts for it.
const ON_TIME: Duration = Duration::from_millis(500);

/// How long all ticks must have been late, or on time.
const PERIOD: Duration = Duration::from_secs(5);

/// The rule, with what it has seen of one worker's ticks.
#[derive(Debug, Default)]
pub struct Lag {
    is_overloaded: bool,
    /// The first of the ticks without a break that are a reason to change the state.
    since: Option<Instant>,
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LagChange {
    /// The worker is overloaded.
    Begins,
    /// It is no longer overloaded.
    Ends,
}

impl Lag {
    /// Whether the worker is overloaded.
    pub fn is_overloaded(&self) -> bool {
        self.is_overloaded
    }

    /// Notes a tick that runs now and is this late.
    pub fn note(&mut self, late: Duration, now: Instant) -> Option<LagChange> {
        let is_reason = match self.is_overloaded {
            false => late >= LATE,
            true => late <= ON_TIME,
        };
        if !is_reason {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < PERIOD {
            return None;
        }
        self.since = None;
        self.is_overloaded = !self.is_overloaded;
        Some(match self.is_overloaded {
            true => LagChange::Begins,
            false => LagChange::Ends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Notes ticks, each by when it runs after the start and how late it is, in milliseconds.
    fn noted(lag: &mut Lag, start: Instant, ticks: &[(u64, u64)]) -> Vec<Option<LagChange>> {
        let note = |(at, late): &(u64, u64)| {
            lag.note(
                Duration::from_millis(*late),
                start + Duration::from_millis(*at),
            )
        };
        ticks.iter().map(note).collect()
    }

    #[test]
    fn a_worker_is_overloaded_only_if_every_tick_of_five_seconds_is_late() {
        let (mut lag, start) = (Lag::default(), clock::monotonic());
        let once = noted(&mut lag, start, &[(60_000, 60_000), (60_500, 0)]);
        assert_eq!(
            once,
            [None, None],
            "a process that was stopped for a minute"
        );
        let busy = [
            (0, 1200),
            (2000, 1500),
            (4000, 999),
            (6000, 1800),
            (8000, 1000),
        ];
        assert_eq!(noted(&mut lag, start, &busy), [None; 5]);
        assert!(!lag.is_overloaded());
        let late = [(11_001, 1000)];
        assert_eq!(noted(&mut lag, start, &late), [Some(LagChange::Begins)]);
        assert!(lag.is_overloaded());
    }

    #[test]
    fn an_overload_ends_after_five_seconds_without_a_late_tick() {
        let (mut lag, start) = (Lag::default(), clock::monotonic());
        noted(&mut lag, start, &[(0, 1000), (5000, 1000)]);
        assert!(lag.is_overloaded());
        let flapping = [
            (5500, 0),
            (8000, 0),
            (10_000, 501),
            (10_500, 0),
            (15_000, 500),
        ];
        assert_eq!(noted(&mut lag, start, &flapping), [None; 5]);
        assert_eq!(
            noted(&mut lag, start, &[(15_500, 10)]),
            [Some(LagChange::Ends)]
        );
        assert!(!lag.is_overloaded());
    }
}
