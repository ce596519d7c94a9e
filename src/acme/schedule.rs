//! When to order: pure functions of dates.

use std::fmt;
use std::time::Duration;

use super::error::Kind;
use crate::clock::UnixTime;

/// What CAs call short-lived: no revocation list names it (CA/Browser Forum, Baseline Requirements, section 1.6.1).
const SHORT_LIVED: Duration = Duration::from_secs(10 * 86_400);

/// Renewals of certificates that came at the same time spread over this part of the lifetime.
const SPREAD: u32 = 30;

/// A span in which the CA wants a certificate to be renewed (RFC 9773, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: UnixTime,
    pub(super) end: UnixTime,
}

/// Why an order is due when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no certificate.
    Missing,
    /// The one that there is, is for others: hosts, key type or CA have changed.
    Changed,
    /// The one that there is was revoked.
    Revoked,
    /// The CA said so.
    Window,
    /// Two thirds of its life are over.
    TwoThirds,
    /// Half of its short life is over.
    Half,
    /// Somebody asked for it.
    Asked,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no certificate",
            Self::Changed => "hosts, key type or directory have changed",
            Self::Revoked => "it was revoked",
            Self::Window => "the CA's renewal information",
            Self::TwoThirds => "two thirds of its lifetime",
            Self::Half => "half of its short lifetime",
            Self::Asked => "it was asked for",
        })
    }
}

/// When a certificate is renewed. `spread` is from 0 to 1 and belongs to the certificate. A window that is over before it
/// began, or lies behind the certificate's end, is none.
pub(super) fn renewal(from: UnixTime, to: UnixTime, spread: f64, window: Option<Window>) -> (UnixTime, Why) {
    let part = |of: Duration| of.mul_f64(spread.clamp(0.0, 1.0));
    if let Some(Window { start, end }) = window.filter(|window| window.start <= window.end && window.start < to) {
        let at = start.after(part(start.until(end)));
        // An hour before its end at the latest, whatever the window says; a tenth of a life that is shorter than that.
        let latest = to.before(Duration::from_secs(3600).min(from.until(to) / 10));
        return (at.min(latest), Why::Window);
    }
    let lifetime = from.until(to);
    let (at, why) = match lifetime < SHORT_LIVED {
        true => (lifetime / 2, Why::Half),
        false => (lifetime / 3 * 2, Why::TwoThirds),
    };
    (from.after(at + part(lifetime / SPREAD)), why)
}

/// How long to wait after so many failures in a row. `left` is the life that the certificate still has: the nearer its
/// end, the less is there to lose by asking; it is zero where no certificate is valid.
pub(super) fn back_off(kind: Kind, failures: u32, left: Duration) -> Duration {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let steps: &[u64] = match kind {
        // Where clients are refused already, nobody waits for an hour after the way to the CA is open again.
        Kind::Away if left.is_zero() => &[2, 5, 15, MINUTE, 5 * MINUTE],
        Kind::Away | Kind::Limited => &[2, 5, 15, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR],
        // With two kinds of challenge that is four failed validations in the first hour; Let's Encrypt stops at five.
        Kind::Refused => &[15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR],
    };
    let at = (failures.max(1) as usize - 1).min(steps.len() - 1);
    let wait = Duration::from_secs(steps[at]);
    let first = Duration::from_secs(steps[0]);
    if left.is_zero() { wait } else { wait.min(left / 8).max(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(days: u64) -> UnixTime {
        UnixTime(days * DAY)
    }

    #[test]
    fn renewals() {
        let window = |start, end| Some(Window { start: at(start), end: at(end) });
        for (to, spread, window, want) in [
            (90, 0.0, None, (at(60), Why::TwoThirds)),
            (90, 1.0, None, (at(63), Why::TwoThirds)),
            (90, 7.5, None, (at(63), Why::TwoThirds)),
            (6, 0.0, None, (at(3), Why::Half)),
            (90, 0.5, window(20, 40), (at(30), Why::Window)),
            (90, 0.5, window(0, 0), (at(0), Why::Window)),
            // No window.
            (90, 0.0, window(40, 20), (at(60), Why::TwoThirds)),
            (90, 0.0, window(91, 95), (at(60), Why::TwoThirds)),
        ] {
            assert_eq!(renewal(at(0), at(to), spread, window), want, "{to} {spread} {window:?}");
        }
    }

    #[test]
    fn a_window_does_not_outlast_the_certificate() {
        let window = Some(Window { start: at(80), end: at(100) });
        assert_eq!(renewal(at(0), at(90), 1.0, window), (UnixTime(90 * DAY - 3600), Why::Window));
    }

    #[test]
    fn failures_make_patient_but_not_to_the_end() {
        let far = Duration::from_secs(30 * DAY);
        let wait = |kind, failures, left| back_off(kind, failures, left).as_secs();
        assert_eq!([1, 2, 3, 99].map(|n| wait(Kind::Away, n, far)), [2, 5, 15, 3600]);
        // Whenever they were counted.
        assert_eq!([1, 4, 5, 6, 99].map(|n| wait(Kind::Away, n, Duration::ZERO)), [2, 60, 300, 300, 300]);
        assert_eq!([6, 99].map(|n| wait(Kind::Limited, n, Duration::ZERO)), [900, 3600]);
        assert_eq!([0, 1, 2, 99].map(|n| wait(Kind::Refused, n, far)), [900, 900, 3600, DAY]);
        assert_eq!(wait(Kind::Refused, 99, Duration::from_secs(8 * 3600)), 3600);
        assert_eq!(wait(Kind::Refused, 99, Duration::from_secs(60)), 900);
        assert_eq!(wait(Kind::Refused, 99, Duration::ZERO), DAY);
    }
}
