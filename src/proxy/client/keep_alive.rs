//! How long a connection to a server is kept.

use std::time::Duration;

use http::HeaderName;
use http::header::HeaderMap;

use crate::tick::{TICK, Tick};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A connection is used no longer than this. Under steady traffic it would otherwise never be
/// closed, and a name that now has another address would never be looked up again.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A connection is not used shortly before the server closes it, or a request could cross the
/// close.
const MARGIN: Duration = Duration::from_secs(1);

/// How long one connection may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    opened: Tick,
    /// What the server has announced for an idle connection, less the margin.
    announced: Option<Duration>,
}

impl Lease {
    /// For a connection that was just opened.
    pub(super) fn new(now: Tick) -> Self {
        Self {
            opened: now,
            announced: None,
        }
    }

    /// Reads what an answer announces, as in `Keep-Alive: timeout=5, max=100` (RFC 2068, section
    /// 19.7.1.1).
    pub(super) fn note(&mut self, answer: &HeaderMap) {
        let Some(value) = answer.get(KEEP_ALIVE) else {
            return;
        };
        let Ok(text) = value.to_str() else { return };
        for parameter in text.split(',') {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let Ok(number) = value.trim().trim_matches('"').parse::<u64>() else {
                continue;
            };
            match name.trim() {
                name if name.eq_ignore_ascii_case("timeout") => {
                    self.announced = Some(Duration::from_secs(number).saturating_sub(MARGIN));
                }
                name if name.eq_ignore_ascii_case("max") && number == 0 => {
                    self.announced = Some(Duration::ZERO);
                    return;
                }
                _ => {}
            }
        }
    }

    /// The tick from which the connection is no longer used, if it is idle from now on. If that is
    /// now, it is not kept.
    pub(super) fn until(&self, now: Tick, keep_alive: Duration) -> Tick {
        let idle = self
            .announced
            .map_or(keep_alive, |announced| announced.min(keep_alive));
        // Rounded down: never longer than announced.
        let ticks = |time: Duration| {
            Tick::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(Tick::MAX)
        };
        now.saturating_add(ticks(idle))
            .min(self.opened.saturating_add(ticks(MAX_AGE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(header: &'static str, keep_alive: u64) -> Tick {
        let mut lease = Lease::new(100);
        let mut headers = HeaderMap::new();
        headers.insert(KEEP_ALIVE, header.parse().unwrap());
        lease.note(&headers);
        lease.until(100, Duration::from_secs(keep_alive)) - 100
    }

    #[test]
    fn what_the_server_announces_is_kept_less_a_second() {
        for (header, ticks) in [
            ("timeout=5", 8),
            ("timeout=5, max=100", 8),
            ("max=7,Timeout = 5", 8),
            ("timeout=\"5\"", 8),
            ("timeout=1", 0),
            ("timeout=0", 0),
            ("max=0, timeout=5", 0),
            ("timeout=5, max=0", 0),
            ("timeout=3600", 60),
            ("timeout=soon", 60),
            ("5", 60),
            ("", 60),
        ] {
            assert_eq!(until(header, 30), ticks, "{header}");
        }
    }

    #[test]
    fn nothing_is_kept_where_keep_alive_is_zero() {
        assert_eq!((until("timeout=5", 0), until("", 0)), (0, 0));
    }

    #[test]
    fn a_connection_has_a_greatest_age() {
        let lease = Lease::new(100);
        assert_eq!(lease.until(100, Duration::from_secs(3600)), 220);
        assert_eq!(lease.until(215, Duration::from_secs(30)), 220);
        assert_eq!(
            lease.until(220, Duration::from_secs(30)),
            220,
            "not kept any more"
        );
    }
}
