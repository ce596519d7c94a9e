//! When to order: pure functions of dates.

use std::fmt;
use std::time::Duration;

use super::ChallengeKind;
use super::error::Kind;
use crate::clock::UnixTime;

/// What CAs call short-lived: no revocation list names it (CA/Browser Forum, Baseline Requirements,
/// section 1.6.1).
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

/// When a certificate is renewed. `spread` is from 0 to 1 and belongs to the certificate. A window
/// that is over before it began, or lies behind the certificate's end, is none.
pub(super) fn renewal(
    from: UnixTime,
    to: UnixTime,
    spread: f64,
    window: Option<Window>,
) -> (UnixTime, Why) {
    let part = |of: Duration| of.mul_f64(spread.clamp(0.0, 1.0));
    if let Some(Window { start, end }) =
        window.filter(|window| window.start <= window.end && window.start < to)
    {
        let at = start.after(part(start.until(end)));
        // An hour before its end at the latest, whatever the window says; a tenth of a life that is
        // shorter than that.
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

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A CA that refuses is asked again within minutes, as people mend a DNS record or a port while
/// they look on. For so many refusals each try has one kind of challenge alone: with both kinds at
/// the first that is five failed validations in a quarter of an hour, and Let's Encrypt allows five
/// in an hour and gives one back every twelve minutes.
const EAGER: u32 = 3;

/// However near the end of a certificate is, the CA that has refused is not asked more often from
/// then on.
const STEADY: Duration = Duration::from_secs(15 * MINUTE);

/// How long to wait after so many failures of this kind. `left` is the life that the certificate
/// still has: the nearer its end, the less is there to lose by asking; it is zero where no
/// certificate is valid.
pub(super) fn back_off(kind: Kind, failures: u32, left: Duration) -> Duration {
    let steps: &[u64] = match kind {
        // Where clients are refused already, nobody waits for an hour after the way to the CA is
        // open again.
        Kind::Away if left.is_zero() => &[2, 5, 15, MINUTE, 5 * MINUTE],
        Kind::Away | Kind::Limited => &[2, 5, 15, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR],
        Kind::Refused => &[
            MINUTE,
            3 * MINUTE,
            10 * MINUTE,
            HOUR,
            2 * HOUR,
            4 * HOUR,
            8 * HOUR,
            12 * HOUR,
            24 * HOUR,
        ],
        Kind::Counted => &[
            15 * MINUTE,
            HOUR,
            2 * HOUR,
            4 * HOUR,
            8 * HOUR,
            12 * HOUR,
            24 * HOUR,
        ],
    };
    let at = (failures.max(1) as usize - 1).min(steps.len() - 1);
    let wait = Duration::from_secs(steps[at]);
    if left.is_zero() {
        return wait;
    }
    let shortest = match kind {
        Kind::Away | Kind::Limited => Duration::from_secs(steps[0]),
        Kind::Refused | Kind::Counted => STEADY,
    };
    wait.min((left / 8).max(shortest))
}

/// The kinds of challenge that are tried after so many refusals: all of them, or one in turn while
/// the CA is asked again soon, the last choice first, as it was the first that had the better part
/// of the time.
pub(super) fn kinds(all: &[ChallengeKind], refusals: u32) -> Vec<ChallengeKind> {
    match all.len() {
        several @ 2.. if (1..=EAGER).contains(&refusals) => vec![all[refusals as usize % several]],
        _ => all.to_vec(),
    }
}

/// How long a CA is left alone with an order that it is finishing, if it does not say; `waited` is
/// how long it has had.
pub(super) fn next_look(waited: Duration) -> Duration {
    let minutes = match waited.as_secs() / MINUTE {
        0..5 => 1,
        5..20 => 2,
        _ => 5,
    };
    Duration::from_secs(minutes * MINUTE)
}

/// A CA has so long for an order, whatever it says of its end.
const LEAST_PATIENCE: Duration = Duration::from_secs(4 * HOUR);
const MOST_PATIENCE: Duration = Duration::from_secs(7 * 24 * HOUR);

/// Where it does not say when the order ends.
const USUAL_PATIENCE: Duration = Duration::from_secs(24 * HOUR);

/// Whether an order that the CA does not finish is given up. The time that it has had is what
/// decides at both ends: the clock by which the order's end seems to be over may have been set
/// meanwhile.
pub(super) fn is_given_up(waited: Duration, expires: Option<UnixTime>, now: UnixTime) -> bool {
    match expires {
        _ if waited >= MOST_PATIENCE => true,
        Some(end) => waited >= LEAST_PATIENCE && end <= now,
        None => waited >= USUAL_PATIENCE,
    }
}

#[cfg(test)]
mod tests;
