//! Wall time, in whole seconds: what tokens and credentials are dated in.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Seconds since 1970 (`NumericDate` of RFC 7519, section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// What the system's clock says; a clock before 1970 says 1970.
    pub fn now() -> Self {
        SystemTime::now().into()
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

impl From<SystemTime> for UnixTime {
    /// Times before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Beyond the year 9999 there is no RFC 3339 form.
        const LAST: u64 = 253_402_300_799;
        if self.0 > LAST {
            return write!(f, "{}", self.0);
        }
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(self.0)).fmt(f)
    }
}
