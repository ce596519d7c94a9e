//! Steps of the system clock. When it is set, it is not known yet which reading is right: NTP
//! corrects a wrong clock, and sometimes sets a right one wrong and takes that back. For a minute
//! both readings count, so that what is valid by one of them stays valid.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// The system clock was set if it and the clock that only counts disagree by more than this many
/// milliseconds. A leap second is less.
const STEP: u64 = 2_000;

/// For how many milliseconds the reading before a step counts too.
const DOUBT: i64 = 60_000;

const UNKNOWN: i64 = i64::MIN;

/// What is known of the clocks. Threads that look at the same time see the same, so that it does
/// not matter which of them writes last.
#[derive(Debug)]
pub(super) struct Steps {
    /// How far the system clock is ahead of the one that only counts, in milliseconds.
    offset: AtomicI64,
    /// When the step was seen by which they disagree; `UNKNOWN` if there is none.
    since: AtomicI64,
}

impl Steps {
    pub(super) const fn new() -> Self {
        Self {
            offset: AtomicI64::new(UNKNOWN),
            since: AtomicI64::new(UNKNOWN),
        }
    }

    /// By how many milliseconds the system clock is ahead of what it would show if it had not been
    /// set within the last minute; negative if it is behind.
    pub(super) fn ahead(&self, wall: i64, counted: i64) -> i64 {
        let now = wall.saturating_sub(counted);
        let offset = self.offset.load(Ordering::Relaxed);
        let ahead = now.saturating_sub(offset);
        if offset != UNKNOWN && ahead.unsigned_abs() > STEP {
            let since = self.since.load(Ordering::Relaxed);
            if since == UNKNOWN {
                self.since.store(counted, Ordering::Relaxed);
                return ahead;
            }
            if counted.saturating_sub(since) < DOUBT {
                return ahead;
            }
        }
        // The reading counts: it has not been set, or was set back, or the minute is over.
        self.offset.store(now, Ordering::Relaxed);
        self.since.store(UNKNOWN, Ordering::Relaxed);
        0
    }
}

/// In milliseconds since 1970.
pub(super) fn millis(wall: SystemTime) -> i64 {
    match wall.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN + 1, |n| -n),
    }
}

/// The clock that only counts, also while the machine sleeps, in milliseconds. Read by libc: the
/// way of rustix, through the kernel's vDSO, does not work under valgrind.
pub(super) fn counted() -> i64 {
    match clock_gettime(ClockId::CLOCK_BOOTTIME) {
        Ok(time) => time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000,
        // Before Linux 2.6.39. The two clocks then never disagree, and no step is seen.
        Err(_) => millis(super::wall()),
    }
}

/// A time before `time` by this many milliseconds, or after it if negative.
pub(super) fn before(time: SystemTime, millis: i64) -> SystemTime {
    let by = Duration::from_millis(millis.unsigned_abs());
    let moved = match millis < 0 {
        true => time.checked_add(by),
        false => time.checked_sub(by),
    };
    moved.unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Looks at this many milliseconds after the start, with the clock ahead by so much.
    fn look(steps: &Steps, at: i64, ahead: i64) -> i64 {
        steps.ahead(1_000 * HOUR + at + ahead, at)
    }

    #[test]
    fn a_step_counts_only_after_a_minute_in_either_direction() {
        for step in [HOUR, -HOUR, 3_000, -3_000] {
            let steps = Steps::new();
            assert_eq!(look(&steps, 0, 0), 0);
            assert_eq!(look(&steps, 500, step), step);
            assert_eq!(look(&steps, 60_499, step), step);
            assert_eq!(look(&steps, 60_500, step), 0);
            assert_eq!(look(&steps, 61_000, step), 0);
        }
    }

    #[test]
    fn a_step_that_is_taken_back_leaves_no_trace() {
        let steps = Steps::new();
        for (at, ahead) in [(0, 0), (500, HOUR), (30_000, 0), (59_000, HOUR)] {
            assert_eq!(look(&steps, at, ahead), ahead);
        }
        // The minute of the second step has begun with that step.
        assert_eq!(look(&steps, 90_000, HOUR), HOUR);
        assert_eq!(look(&steps, 119_000, HOUR), 0);
    }

    #[test]
    fn a_clock_that_is_adjusted_little_by_little_is_followed() {
        let steps = Steps::new();
        for seconds in 0..1_000 {
            assert_eq!(look(&steps, seconds * 1_000, seconds * 1_000), 0);
        }
    }

    #[test]
    fn the_first_look_knows_no_other_clock() {
        assert_eq!(Steps::new().ahead(HOUR, 0), 0);
        assert_eq!(Steps::new().ahead(-HOUR, 9 * HOUR), 0);
    }
}
