//! Passive health: a server that does not accept connections gets no requests for a while. Only
//! failed connects count. A broken-off request does not: with Janus a client can cause one, and no
//! client must be able to take a server out of use. A probe that succeeds
//! ([`crate::route::health`]) ends the pause early.

use std::cell::Cell;
use std::time::Duration;

use crate::tick::{TICK, Tick, Ticks};

/// The pause after the first failure. It is doubled with each further one, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A server that has come back is often slow at first, but with `balance = "least"` it would get
/// all requests. So it gets one in eight of its turns at first, then one in four, one in two, and
/// all.
const RETURN_PACES: [u64; 3] = [8, 4, 2];
const RETURN_STEP: Duration = Duration::from_secs(3);

/// What one worker knows about one server.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: Cell<u32>,
    paused_until: Cell<Tick>,
    /// Whether the request that is sent after a pause, to see whether the pause is over, is under
    /// way.
    is_on_trial: Cell<bool>,
    /// How many probes had succeeded when the pause began.
    answers: Cell<u32>,
    known_at: Cell<Option<Tick>>,
    /// When it first accepted a connection after a pause, or probes said that it works again.
    returned_at: Cell<Option<Tick>>,
    /// Whether probes said that it is down.
    was_probed_down: Cell<bool>,
    turns: Cell<u64>,
}

impl Health {
    /// Whether it should get requests. `answers` is how many probes have succeeded, here and below.
    pub(super) fn is_up(&self, ticks: &Ticks, answers: u32) -> bool {
        self.failures.get() == 0
            || self.paused_until.get() <= ticks.now()
            || self.answers.get() != answers
    }

    /// Notes that it accepts connections, and returns whether it did not before.
    pub(super) fn succeeded(&self, ticks: &Ticks) -> bool {
        self.known_at.set(Some(ticks.now()));
        self.is_on_trial.set(false);
        let is_news = self.failures.replace(0) > 0;
        // Probes may have said so before. Its clients have come back since, and must not be sent
        // away again.
        if is_news && self.returned_at.get().is_none() {
            self.returned_at.set(Some(ticks.now()));
        }
        is_news
    }

    /// Notes whether probes say that it is down.
    pub(super) fn note_probed(&self, is_down: bool, ticks: &Ticks) {
        if self.was_probed_down.replace(is_down) && !is_down {
            self.returned_at.set(Some(ticks.now()));
        }
    }

    /// It should get one of this many of its turns: 1, or more for a while after a pause.
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

    /// Counts a turn, and returns how many there were before.
    pub(super) fn next_turn(&self) -> u64 {
        self.turns.replace(self.turns.get().wrapping_add(1))
    }

    /// Notes that it does not accept connections, and returns whether it did before. Requests that
    /// were under way when a pause began say nothing new, however many there are.
    pub(super) fn failed(&self, ticks: &Ticks, answers: u32) -> bool {
        self.known_at.set(Some(ticks.now()));
        if !self.is_on_trial.take() && !self.is_up(ticks, answers) {
            return false;
        }
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        self.returned_at.set(None);
        self.pause(
            ticks,
            FIRST_PAUSE * 2_u32.saturating_pow(failures.min(6) - 1),
            answers,
        );
        failures == 1
    }

    /// How long ago the last attempt to connect was, if there was one, and whether it failed.
    pub(super) fn outcome(&self, ticks: &Ticks) -> (Option<Duration>, bool) {
        let since = self.known_at.get().map(|at| TICK * (ticks.now() - at));
        (since, self.failures.get() > 0)
    }

    /// Notes that it is asked again after a pause: one request at a time, until one succeeds.
    pub(super) fn tried(&self, ticks: &Ticks, answers: u32) {
        if self.failures.get() > 0 && self.is_up(ticks, answers) {
            self.is_on_trial.set(true);
            self.pause(ticks, FIRST_PAUSE, answers);
        }
    }

    fn pause(&self, ticks: &Ticks, time: Duration, answers: u32) {
        self.answers.set(answers);
        self.paused_until.set(ticks.after(time.min(LONGEST_PAUSE)));
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
        assert!(health.is_up(&ticks, 0));
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            health.failed(&ticks, 0);
            wait(&ticks, Duration::from_secs(rest));
            assert!(!health.is_up(&ticks, 0), "after {rest} s");
            wait(&ticks, Duration::from_secs(1));
            assert!(health.is_up(&ticks, 0), "a second later");
        }
        health.succeeded(&ticks);
        health.failed(&ticks, 0);
        wait(&ticks, Duration::from_secs(2));
        assert!(health.is_up(&ticks, 0));
    }

    #[test]
    fn a_server_comes_back_one_request_at_a_time() {
        let (ticks, health) = (Ticks::new(), Health::default());
        health.failed(&ticks, 0);
        wait(&ticks, Duration::from_secs(2));
        assert!(health.is_up(&ticks, 0));
        health.tried(&ticks, 0);
        assert!(!health.is_up(&ticks, 0));
        health.succeeded(&ticks);
        health.tried(&ticks, 0);
        assert!(health.is_up(&ticks, 0));
    }

    #[test]
    fn a_server_returns_once_if_probes_say_so_before_a_request_does() {
        let (ticks, health) = (Ticks::new(), Health::default());
        health.failed(&ticks, 0);
        health.note_probed(true, &ticks);
        wait(&ticks, Duration::from_secs(5));
        health.note_probed(false, &ticks);
        assert_eq!(health.pace(&ticks), RETURN_PACES[0]);
        wait(&ticks, RETURN_STEP * 3);
        assert_eq!(health.pace(&ticks), 1);
        assert!(health.succeeded(&ticks));
        assert_eq!(health.pace(&ticks), 1);
        health.failed(&ticks, 0);
        health.succeeded(&ticks);
        assert_eq!(health.pace(&ticks), RETURN_PACES[0]);
    }

    #[test]
    fn requests_that_fail_together_are_one_failure() {
        let (ticks, health) = (Ticks::new(), Health::default());
        assert!(health.failed(&ticks, 0));
        assert!((0..100).all(|_| !health.failed(&ticks, 0)));
        for pause in [1, 2, 4] {
            wait(&ticks, Duration::from_secs(pause));
            assert!(!health.is_up(&ticks, 0), "after {pause} s");
            wait(&ticks, TICK);
            assert!(health.is_up(&ticks, 0), "after {pause} s and a tick");
            health.tried(&ticks, 0);
            (0..100).for_each(|_| _ = health.failed(&ticks, 0));
        }
    }

    #[test]
    fn a_probe_that_succeeds_ends_the_pause() {
        let (ticks, health) = (Ticks::new(), Health::default());
        health.failed(&ticks, 7);
        assert!(!health.is_up(&ticks, 7));
        assert!(health.is_up(&ticks, 8));
        health.tried(&ticks, 8);
        assert!(!health.is_up(&ticks, 8), "one request at a time");
        health.failed(&ticks, 8);
        assert!(!health.is_up(&ticks, 8) && health.is_up(&ticks, 9));
    }
}
