//! How long to wait before the next order.

use std::time::Duration;

use super::failure::Failure;
use super::schedule::{Life, RetryClass, back_off};
use crate::clock::{Moment, UnixTime};

/// The longest wait, whatever a CA says: Let's Encrypt's longest limit is a week.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// A wait, after failures or while the CA finishes an order. It ends by the monotonic clock,
/// however the system's clock is set meanwhile; its dates are for people and for the next process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) end: Moment,
    pub(super) date: UnixTime,
    /// When `date` was computed.
    pub(super) written: UnixTime,
}

/// Dates that differ by less are the same: rounding, not a clock that was set.
const SAME_DATE: Duration = Duration::from_secs(5);

impl Wait {
    pub(super) fn new(wait: Duration) -> Self {
        let end = Moment::after(wait);
        Self {
            end,
            date: end.date(),
            written: UnixTime::now(),
        }
    }

    /// Corrects the date if the clock was set.
    pub(super) fn dated(self) -> Self {
        let date = self.end.date();
        let off = self.date.until(date).max(date.until(self.date));
        if off < SAME_DATE {
            self
        } else {
            Self {
                date,
                written: UnixTime::now(),
                ..self
            }
        }
    }
}

/// How long to wait after a failure: after a rate limit as long as the CA says, otherwise at least
/// that long. `life` is that of the certificate in service.
pub(super) fn next_try(failed: &Failure, failures: u32, life: Life) -> Duration {
    let is_limit = failed.error.is_rate_limit() && failed.retry_after.is_some();
    let class = if is_limit {
        RetryClass::RateLimited
    } else {
        failed.error.retry_class()
    };
    let by_us = back_off(class, failures, life);
    failed
        .retry_after
        .map_or(by_us, |said| said.min(LONGEST).max(by_us))
}
