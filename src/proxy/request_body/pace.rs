//! How slowly a request's body may come. A body that comes byte by byte must not keep one of a
//! server's few connections busy for long.

use std::time::Duration;

use crate::tick::{TICK, Tick, Ticks};

/// How long a body may take, whatever its size.
const GRACE: Duration = Duration::from_secs(30);

/// Bytes per second, on average, that it has to bring beyond that.
const LOWEST_RATE: u64 = 500;

/// How long the client was waited for, against how much it has sent. Time in which the server is
/// slow to read does not count.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Tick,
    since: Option<Tick>,
    received: u64,
}

impl Pace {
    /// Notes that a piece has come.
    pub(super) fn note_received(&mut self, bytes: u64, now: Tick) {
        self.received += bytes;
        if let Some(since) = self.since.take() {
            self.waited += now - since;
        }
    }

    /// Notes that the next piece is waited for. If that begins now, returns the tick at which the
    /// piece is too late.
    pub(super) fn note_waiting(&mut self, now: Tick, idle: Duration) -> Option<Tick> {
        if self.since.is_some() {
            return None;
        }
        self.since = Some(now);
        Some(self.deadline(now).min(Ticks::later(now, idle)))
    }

    /// Whether the lowest rate has been missed.
    pub(super) fn is_too_slow(&self, now: Tick) -> bool {
        self.since.is_some_and(|since| self.deadline(since) <= now)
    }

    fn deadline(&self, since: Tick) -> Tick {
        let earned = Duration::from_secs(self.received / LOWEST_RATE)
            .min(Duration::from_secs(u32::MAX.into()));
        let waited = TICK * self.waited;
        Ticks::later(since, (GRACE + earned).saturating_sub(waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Tick = 2;
    const IDLE: Duration = Duration::from_secs(75);

    #[test]
    fn a_few_bytes_now_and_then_are_too_slow() {
        let (mut pace, mut now) = (Pace::default(), 0);
        // One byte every ten seconds: the third wait is the last.
        for _ in 0..2 {
            let due = pace.note_waiting(now, IDLE).unwrap();
            now += 10 * SECOND;
            assert!(due > now);
            pace.note_received(1, now);
        }
        let due = pace.note_waiting(now, IDLE).unwrap();
        assert!(
            (now + 9 * SECOND..=now + 11 * SECOND).contains(&due),
            "{due}"
        );
        assert!(!pace.is_too_slow(now) && pace.is_too_slow(due));
    }

    #[test]
    fn a_slow_phone_is_fast_enough() {
        let (mut pace, mut now) = (Pace::default(), 0);
        // 20 kbit/s for an hour, with a gap of a minute once it has sent something.
        for second in 0..3600 {
            let due = pace.note_waiting(now, IDLE).unwrap();
            now += if second == 1800 { 60 * SECOND } else { SECOND };
            assert!(due > now, "second {second}");
            pace.note_received(2500, now);
        }
    }

    #[test]
    fn the_time_that_the_server_takes_does_not_count() {
        let (mut pace, mut now) = (Pace::default(), 0);
        for _ in 0..100 {
            // Nothing is asked for meanwhile.
            now += 60 * SECOND;
            assert!(pace.note_waiting(now, IDLE).unwrap() > now + 20 * SECOND);
            pace.note_received(1, now);
        }
    }

    #[test]
    fn a_gap_has_the_limit_of_its_route() {
        let mut pace = Pace::default();
        pace.note_received(1 << 30, 0);
        assert_eq!(pace.note_waiting(0, IDLE), Some(Ticks::later(0, IDLE)));
        assert_eq!(pace.note_waiting(9, IDLE), None);
        assert!(!pace.is_too_slow(Ticks::later(0, IDLE)));
    }
}
