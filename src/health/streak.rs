//! When probes that succeed or fail in a row make a server up or down.

use crate::route::health::{HealthSpec, Probed};

/// How many of the last probes had the same outcome.
#[derive(Debug, Default)]
pub(super) struct Streak {
    successes: usize,
    failures: usize,
}

impl Streak {
    /// What holds after a probe, given what held before. `found` is what a probe that has succeeded
    /// found out.
    pub(super) fn next(
        &mut self,
        before: Probed,
        found: Option<Probed>,
        spec: &HealthSpec,
    ) -> Probed {
        let Some(found) = found else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            return match self.failures >= spec.down_after {
                true => Probed::Down,
                false => before,
            };
        };
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        match before {
            Probed::Down if self.successes < spec.up_after => Probed::Down,
            _ => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_changes_after_as_many_probes_in_a_row_as_are_configured() {
        let spec = HealthSpec::default();
        assert_eq!((spec.up_after, spec.down_after), (2, 3));
        let (mut streak, mut state) = (Streak::default(), Probed::Unknown);
        // Failed, succeeded, and succeeded without accepting new sessions.
        for (probe, now) in [
            ('-', Probed::Unknown),
            ('-', Probed::Unknown),
            ('+', Probed::Up),
            ('-', Probed::Up),
            ('-', Probed::Up),
            ('+', Probed::Up),
            ('-', Probed::Up),
            ('-', Probed::Up),
            ('-', Probed::Down),
            ('-', Probed::Down),
            ('+', Probed::Down),
            ('-', Probed::Down),
            ('+', Probed::Down),
            ('+', Probed::Up),
            ('f', Probed::Full),
            ('-', Probed::Full),
            ('+', Probed::Up),
        ] {
            let found = match probe {
                '+' => Some(Probed::Up),
                'f' => Some(Probed::Full),
                _ => None,
            };
            state = streak.next(state, found, &spec);
            assert_eq!(state, now);
        }
    }
}
