//! Passive health: a server that takes no connections is left alone for a while. Only failed
//! connects count. That a server breaks off a request says nothing: Janus does so to whoever asks
//! for it, and no client shall be able to take a server out of use.

use std::cell::Cell;
use std::time::Duration;

use crate::tick::{TICK, Tick, Ticks};

/// After the first failure; doubled with each that follows, up to the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// A server that has come back is often cold, and to whoever looks for the least busy one it is the
/// best of all. So it takes every eighth of its turns at first, then every fourth, every second,
/// and all of them.
const RETURN_PACES: [u64; 3] = [8, 4, 2];
const RETURN_STEP: Duration = Duration::from_secs(3);

/// What one worker has learnt of one server.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: Cell<u32>,
    rests_until: Cell<Tick>,
    learnt_at: Cell<Option<Tick>>,
    /// When it took a connection for the first time after a rest.
    returned_at: Cell<Option<Tick>>,
    turns: Cell<u64>,
}

impl Health {
    /// Whether requests should go there.
    pub(super) fn is_up(&self, ticks: &Ticks) -> bool {
        self.failures.get() == 0 || self.rests_until.get() <= ticks.now()
    }

    /// It takes connections; whether that is news.
    pub(super) fn succeeded(&self, ticks: &Ticks) -> bool {
        self.learnt_at.set(Some(ticks.now()));
        let is_news = self.failures.replace(0) > 0;
        if is_news {
            self.returned_at.set(Some(ticks.now()));
        }
        is_news
    }

    /// Of how many of its turns it should take one: more than one for a while after a rest.
    pub(super) fn pace(&self, ticks: &Ticks) -> u64 {
        let Some(at) = self.returned_at.get() else {
            return 1;
        };
        let steps = (TICK * (ticks.now() - at)).as_millis() / RETURN_STEP.as_millis();
        usize::try_from(steps)
            .ok()
            .and_then(|step| RETURN_PACES.get(step))
            .copied()
            .unwrap_or(1)
    }

    /// Counts a turn: the number of those before it.
    pub(super) fn next_turn(&self) -> u64 {
        self.turns.replace(self.turns.get().wrapping_add(1))
    }

    /// It took none; whether that is news.
    pub(super) fn failed(&self, ticks: &Ticks) -> bool {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        self.learnt_at.set(Some(ticks.now()));
        self.returned_at.set(None);
        self.rest(
            ticks,
            FIRST_REST * 2_u32.saturating_pow(failures.min(6) - 1),
        );
        failures == 1
    }

    /// How long ago something was learnt of it, if ever, and whether that was a failure.
    pub(super) fn outcome(&self, ticks: &Ticks) -> (Option<Duration>, bool) {
        let quiet = self.learnt_at.get().map(|at| TICK * (ticks.now() - at));
        (quiet, self.failures.get() > 0)
    }

    /// It is asked again after a rest: one request at a time, until one gets through.
    pub(super) fn tried(&self, ticks: &Ticks) {
        if self.failures.get() > 0 {
            self.rest(ticks, FIRST_REST);
        }
    }

    fn rest(&self, ticks: &Ticks, time: Duration) {
        self.rests_until.set(ticks.after(time.min(LONGEST_REST)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(ticks: &Ticks, time: Duration) {
        (0..time.as_millis() / TICK.as_millis()).for_each(|_| ticks.advance());
    }

    #[test]
    fn rests_grow_and_end_with_the_first_success() {
        let (ticks, health) = (Ticks::new(), Health::default());
        assert!(health.is_up(&ticks));
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            health.failed(&ticks);
            wait(&ticks, Duration::from_secs(rest));
            assert!(!health.is_up(&ticks), "after {rest} s");
            wait(&ticks, Duration::from_secs(1));
            assert!(health.is_up(&ticks), "a second later");
        }
        health.succeeded(&ticks);
        health.failed(&ticks);
        wait(&ticks, Duration::from_secs(2));
        assert!(health.is_up(&ticks));
    }

    #[test]
    fn a_server_comes_back_one_request_at_a_time() {
        let (ticks, health) = (Ticks::new(), Health::default());
        health.failed(&ticks);
        wait(&ticks, Duration::from_secs(2));
        assert!(health.is_up(&ticks));
        health.tried(&ticks);
        assert!(!health.is_up(&ticks));
        health.succeeded(&ticks);
        health.tried(&ticks);
        assert!(health.is_up(&ticks));
    }
}
