//! Notices when certificates, keys, secrets and lists on disk have changed, so that the gateway
//! needs no signal.

use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::config::Config;
use crate::disk::FileStamp;

/// How often the files are checked.
pub const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// The files are read again this often even if nothing has changed: that renews development
/// certificates, and warns about certificates that expire soon.
const RELOAD: Duration = Duration::from_secs(24 * 3600);

/// If the wall clock differs by this much from the time that has passed, it was set, or the machine
/// has slept. Which certificates are valid must then be judged again.
const CLOCK_SET: Duration = Duration::from_secs(60);

/// The state of a configuration's files when they were read.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<Option<FileStamp>>,
    since: Instant,
    clock: SystemTime,
    /// Whether the clock was set a moment ago, so that both of its readings count.
    is_in_doubt: bool,
}

impl FileWatch {
    /// The state now.
    pub(super) fn new(config: &Config) -> Self {
        let named = config.files().into_iter();
        let watched = named.filter(|file| file.is_watched);
        let files = watched.map(|file| FileStamp::of(&file.path)).collect();
        let clock = clock::wall();
        Self {
            files,
            since: clock::monotonic(),
            clock,
            is_in_doubt: clock::other_reading(clock).is_some(),
        }
    }

    /// Whether the files are to be read again, given their state `now`.
    pub(super) fn is_due(&self, now: &Self) -> bool {
        self.files != now.files
            || now.since.duration_since(self.since) >= RELOAD
            || self.was_clock_set(now)
            || self.is_in_doubt != now.is_in_doubt
    }

    /// Whether the clock was set between the two states.
    pub(super) fn was_clock_set(&self, now: &Self) -> bool {
        let expected = self.clock.checked_add(now.since.duration_since(self.since));
        let off = |expected: SystemTime| match now.clock.duration_since(expected) {
            Ok(ahead) => ahead,
            Err(behind) => behind.duration(),
        };
        expected.is_none_or(|expected| off(expected) >= CLOCK_SET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_judged_by_a_clock_that_was_set_since_is_judged_again() {
        let (since, clock) = (Instant::now(), SystemTime::now());
        let seconds = Duration::from_secs;
        let start = FileWatch {
            files: Vec::new(),
            since,
            clock,
            is_in_doubt: false,
        };
        let after = |passed, clock| FileWatch {
            files: Vec::new(),
            since: since + seconds(passed),
            clock,
            is_in_doubt: false,
        };
        assert!(!start.is_due(&after(3600, clock + seconds(3600))));
        // As NTP does a little at a time.
        assert!(!start.is_due(&after(3600, clock + seconds(3630))));
        assert!(start.is_due(&after(10, clock + seconds(6 * 3600))));
        assert!(start.is_due(&after(10, clock - seconds(6 * 3600))));
        let in_doubt = FileWatch {
            is_in_doubt: true,
            ..after(10, clock + seconds(10))
        };
        assert!(start.is_due(&in_doubt) && in_doubt.is_due(&after(20, clock + seconds(20))));
        assert!(start.is_due(&after(24 * 3600, clock + seconds(24 * 3600))));
    }
}
