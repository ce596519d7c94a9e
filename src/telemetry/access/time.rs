//! The times of access lines.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

/// The last second of the year 9999, with which RFC 3339 ends.
const LAST: u64 = 253_402_300_799;

/// The length of `1970-01-01T00:00:00`.
const SECONDS: usize = 19;

/// Writes times as RFC 3339 with milliseconds, and keeps the text of the last second: most lines
/// of a busy worker are of the same one.
pub(super) struct Times {
    second: u64,
    text: [u8; SECONDS],
}

impl Times {
    pub(super) fn new() -> Self {
        Self {
            second: 0,
            text: *b"1970-01-01T00:00:00",
        }
    }

    /// Appends a time. One before 1970 is written as 1970.
    pub(super) fn write(&mut self, at: SystemTime, out: &mut Vec<u8>) {
        let since = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let second = since.as_secs().min(LAST);
        if second != self.second {
            self.second = second;
            self.text = text_of(second);
        }
        out.extend_from_slice(&self.text);
        let millis = since.subsec_millis();
        let digit = |one: u32| b'0' + (millis / one % 10) as u8;
        out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    }
}

fn text_of(second: u64) -> [u8; SECONDS] {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let mut text = [0; SECONDS];
    // Without the `Z`, for which there is no room: the error says so.
    let _ = write!(
        text.as_mut_slice(),
        "{}",
        humantime::format_rfc3339_seconds(at)
    );
    text
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Times").finish_non_exhaustive()
    }
}
