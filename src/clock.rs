//! Every clock that is read. [`wall`] is the system's, which may be set at any time; [`monotonic`]
//! is for waiting and measuring. [`UnixTime`] is wall-clock time in whole seconds, as in tokens and
//! credentials. [`Moment`] is for waiting: a change of the system clock does not move it. After the
//! system clock was set, what it showed before counts too for a minute, where something would end
//! otherwise: [`other_reading`].

#![expect(
    clippy::disallowed_methods,
    reason = "all other modules read the clocks by the functions of this one"
)]

mod step;

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// Seconds since 1970 (`NumericDate` of RFC 7519, section 2).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The time of the system clock; a time before 1970 becomes 1970.
    pub fn now() -> Self {
        wall().into()
    }

    /// This time plus a duration.
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time.as_secs()))
    }

    /// This time minus a duration.
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time.as_secs()))
    }

    /// If this is the time of the system clock: the earlier one of its readings. They differ for a
    /// minute after the clock was set ahead. Asked where something would have expired.
    pub fn at_earliest(self) -> Self {
        Self(
            self.0
                .saturating_add_signed(-ahead().max(0).div_euclid(1000)),
        )
    }

    /// The later one of the readings. Asked where something would not be valid yet.
    pub fn at_latest(self) -> Self {
        Self(
            self.0
                .saturating_add_signed((-ahead()).max(0).div_euclid(1000)),
        )
    }

    /// The duration from this time to a later one; zero if `then` is not later.
    pub fn until(self, then: Self) -> Duration {
        Duration::from_secs(then.0.saturating_sub(self.0))
    }
}

/// A time of the monotonic clock. A machine may start with a system clock that is hours wrong and
/// is corrected later, so waits use a `Moment`. Its date is only for display and for the state that
/// is kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// The current moment.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// A moment after this wait. If the clock cannot represent it, the current moment.
    pub fn after(wait: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(wait).unwrap_or(now))
    }

    /// The remaining time until this moment; zero once it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether this moment has been reached.
    pub fn has_come(self) -> bool {
        self.left().is_zero()
    }

    /// Its date by the system clock as it is set now.
    pub fn date(self) -> UnixTime {
        let passed = Instant::now().saturating_duration_since(self.0);
        let date = wall()
            .checked_sub(passed)
            .and_then(|past| past.checked_add(self.left()));
        date.map_or(UnixTime::default(), UnixTime::from)
    }
}

/// The time of the monotonic clock.
#[inline]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// What the system clock would show if it had not been set within the last minute; `None` if that
/// is what it shows.
pub fn other_reading(wall: SystemTime) -> Option<SystemTime> {
    let ahead = ahead();
    (ahead != 0).then(|| step::before(wall, ahead))
}

/// Notices whether the system clock was set. Workers call this at each tick; it is called anew
/// where the answer matters.
pub fn look() {
    ahead();
}

#[cfg(not(test))]
fn ahead() -> i64 {
    static STEPS: step::Steps = step::Steps::new();
    STEPS.ahead(step::millis(wall()), step::counted())
}

/// The time of the system clock.
#[cfg(not(test))]
#[inline]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
use set::ahead;
#[cfg(test)]
pub(crate) use set::{set, wall};

/// A system clock that a test can set for its own thread, as an operator or NTP would.
#[cfg(test)]
mod set {
    use std::cell::Cell;
    use std::time::{Duration, SystemTime};

    use super::step::{self, Steps};

    thread_local! {
        static AHEAD: Cell<i64> = const { Cell::new(0) };
        static STEPS: Steps = const { Steps::new() };
    }

    pub(super) fn ahead() -> i64 {
        STEPS.with(|steps| steps.ahead(step::millis(wall()), step::counted()))
    }

    /// Sets the clock of this thread ahead of the system's by this many seconds; behind it if
    /// negative.
    pub(crate) fn set(ahead: i64) {
        AHEAD.set(ahead);
    }

    pub(crate) fn wall() -> SystemTime {
        let by = Duration::from_secs(AHEAD.get().unsigned_abs());
        let now = SystemTime::now();
        if AHEAD.get() < 0 { now - by } else { now + by }
    }
}

impl From<SystemTime> for UnixTime {
    /// Times before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 ends with the year 9999.
        const LAST: u64 = 253_402_300_799;
        if self.0 > LAST {
            return write!(f, "{}", self.0);
        }
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(self.0))
            .fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_stays_where_it_is_when_the_clock_is_set() {
        set(6 * 3600);
        let (now, later) = (Moment::now(), Moment::after(Duration::from_secs(900)));
        let ahead = later.date();
        set(0);
        assert!(now.has_come() && !later.has_come());
        let left = later.left().as_secs();
        assert!((800..=900).contains(&left), "{left}");
        let (date, behind) = (
            UnixTime::now().until(later.date()),
            later.date().until(ahead),
        );
        assert!((800..=901).contains(&date.as_secs()), "{date:?}");
        assert!(
            (6 * 3600 - 2..=6 * 3600 + 2).contains(&behind.as_secs()),
            "{behind:?}"
        );
    }

    #[test]
    fn a_clock_that_was_set_ahead_has_an_earlier_reading_and_one_set_back_a_later_one() {
        look();
        let now = UnixTime::now();
        assert_eq!((now.at_earliest(), now.at_latest()), (now, now));
        assert_eq!(other_reading(wall()), None);
        for (ahead, early, late) in [(3600, 3600, 0), (-3600, 0, 3600)] {
            set(ahead);
            let now = UnixTime::now();
            let is_about = |one: Duration, seconds: u64| {
                let seconds = Duration::from_secs(seconds);
                one <= seconds && one + Duration::from_secs(2) >= seconds
            };
            assert!(is_about(now.at_earliest().until(now), early));
            assert!(is_about(now.until(now.at_latest()), late));
            let before = UnixTime::from(other_reading(wall()).unwrap());
            let apart = now.until(before) + before.until(now);
            assert!(apart.abs_diff(Duration::from_secs(3600)) <= Duration::from_secs(2));
            set(0);
            look();
        }
    }

    #[test]
    fn what_no_clock_can_count_is_no_wait() {
        assert!(Moment::after(Duration::MAX).has_come());
    }
}
