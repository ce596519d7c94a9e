//! Dates in messages.

use std::fmt;
use std::time::SystemTime;

use x509_parser::time::ASN1Time;

/// A time in the form `2026-05-02 14:03 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub SystemTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match civil(self.0) {
            Some((year, month, day, hour, minute)) => {
                write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
            }
            None => f.write_str("a date beyond the calendar"),
        }
    }
}

/// Year, month, day, hour and minute in UTC; `None` outside the range of the ASN.1 library.
fn civil(time: SystemTime) -> Option<(i32, u8, u8, u8, u8)> {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_secs()).ok()?,
    };
    let date = ASN1Time::from_timestamp(seconds).ok()?.to_datetime();
    Some((
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
    ))
}
