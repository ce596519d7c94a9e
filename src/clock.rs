//! Wall time, in whole seconds: what tokens and credentials are dated in. And moments, for waits:
//! setting the system's clock does not move them.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// Seconds since 1970 (`NumericDate` of RFC 7519, section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// What the system's clock says; a clock before 1970 says 1970.
    pub fn now() -> Self {
        wall().into()
    }

    /// So much later.
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time.as_secs()))
    }

    /// So much earlier.
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time.as_secs()))
    }

    /// How long it is from now until then; nothing if that is over.
    pub fn until(self, then: Self) -> Duration {
        Duration::from_secs(then.0.saturating_sub(self.0))
    }
}

/// A moment by the monotonic clock. A machine may start with a clock that is hours wrong and is set
/// later: what is waited for is a moment, and its date is only for people and for the process after
/// this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// So much later than now. A wait that no clock can count ends at once.
    pub fn after(wait: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(wait).unwrap_or(now))
    }

    /// How long it is until then; nothing if that is over.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has come.
    pub fn has_come(self) -> bool {
        self.left().is_zero()
    }

    /// Its date by what the system's clock says today.
    pub fn date(self) -> UnixTime {
        let passed = Instant::now().saturating_duration_since(self.0);
        let date = wall()
            .checked_sub(passed)
            .and_then(|past| past.checked_add(self.left()));
        date.map_or(UnixTime::default(), UnixTime::from)
    }
}

#[cfg(not(test))]
fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
pub(crate) use set::{set, wall};

/// A clock that a test sets as an operator or NTP would, for its own thread.
#[cfg(test)]
mod set {
    use std::cell::Cell;
    use std::time::{Duration, SystemTime};

    thread_local!(static AHEAD: Cell<i64> = const { Cell::new(0) });

    /// Sets the clock of this thread to so many seconds ahead of the system's, or behind it.
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
        // Beyond the year 9999 there is no RFC 3339 form.
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
    fn what_no_clock_can_count_is_no_wait() {
        assert!(Moment::after(Duration::MAX).has_come());
    }
}
