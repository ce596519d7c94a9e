//! When to order: pure functions of dates.

use std::fmt;
use std::time::Duration;

use super::spec::ChallengeKind;
use crate::clock::UnixTime;

/// Certificates below this lifetime are short-lived and need no revocation list (CA/Browser Forum,
/// Baseline Requirements, section 1.6.1).
const SHORT_LIVED: Duration = Duration::from_secs(10 * 86_400);

/// Renewals of certificates that were issued together spread over this fraction of the lifetime.
const SPREAD: u32 = 30;

/// The time in which the CA wants a certificate to be renewed (RFC 9773, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: UnixTime,
    pub(super) end: UnixTime,
}

/// How soon it makes sense to order again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryClass {
    /// The CA or the network is unavailable: soon.
    Transient,
    /// The CA limits how often it is asked, and has said for how long.
    RateLimited,
    /// An operator has to fix something: soon at first, as they may be at it, then rarely, since
    /// CAs limit failed validations.
    Permanent,
    /// The attempt used up what CAs limit most, such as an issued certificate: late.
    Costly,
}

/// Why an order is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no certificate.
    Missing,
    /// The configured hosts, key type or CA have changed.
    Changed,
    /// The certificate was revoked.
    Revoked,
    /// The CA's renewal information says so.
    Window,
    /// Two thirds of the lifetime are over.
    TwoThirds,
    /// Half of a short lifetime is over.
    Half,
    /// An operator requested it.
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
/// that ends before it begins, or begins after the certificate expires, is ignored.
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
        // Whatever the window says: an hour before it expires, or a tenth of a short lifetime.
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

/// After a refusal the CA is asked again within minutes, as operators often fix a DNS record or a
/// port right away. For this many refusals each attempt uses a single kind of challenge: with both
/// kinds in the first attempt that makes five failed validations in a quarter of an hour, and Let's
/// Encrypt allows five per hour and refills one every twelve minutes.
const EAGER: u32 = 3;

/// The shortest wait after something costly, however soon the certificate expires.
const STEADY: Duration = Duration::from_secs(15 * MINUTE);

/// The lifetime of the certificate in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// What is left of it; zero if it is over.
    pub(super) left: Duration,
    pub(super) whole: Duration,
}

impl Life {
    /// There is no certificate.
    pub(super) const NONE: Self = Self {
        left: Duration::ZERO,
        whole: Duration::ZERO,
    };

    /// The longest wait: the sooner the certificate expires, the sooner a retry is worth its cost.
    fn longest_wait(self) -> Duration {
        if self.left < self.whole / 3 {
            self.left / 20
        } else {
            self.left / 8
        }
    }
}

/// Whether a refusal is so recent that each attempt uses a single kind of challenge.
pub(super) fn is_eager(refusals: u32) -> bool {
    refusals <= EAGER
}

/// How long to wait after this many failures of a class.
pub(super) fn back_off(class: RetryClass, failures: u32, life: Life) -> Duration {
    let left = life.left;
    let steps: &[u64] = match class {
        // Handshakes fail already, so the gateway does not wait for an hour once the CA is back.
        RetryClass::Transient if left.is_zero() => &[2, 5, 15, MINUTE, 5 * MINUTE],
        RetryClass::Transient | RetryClass::RateLimited => {
            &[2, 5, 15, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR]
        }
        RetryClass::Permanent => &[
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
        RetryClass::Costly => &[
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
    let shortest = match class {
        // How many validations may fail in an hour is limited elsewhere.
        RetryClass::Transient | RetryClass::RateLimited | RetryClass::Permanent => {
            Duration::from_secs(steps[0])
        }
        RetryClass::Costly => STEADY,
    };
    wait.min(life.longest_wait().max(shortest))
}

/// The kinds of challenge to try after this many refusals: all of them, or, while retries are
/// frequent, one in turn. The last choice comes first, since the first choice was just tried.
pub(super) fn kinds(all: &[ChallengeKind], refusals: u32) -> Vec<ChallengeKind> {
    match all.len() {
        several @ 2.. if (1..=EAGER).contains(&refusals) => vec![all[refusals as usize % several]],
        _ => all.to_vec(),
    }
}

/// When to poll an order that the CA is finishing, if the CA does not say. `waited` is how long the
/// order has been left to the CA so far.
pub(super) fn next_poll(waited: Duration) -> Duration {
    let minutes = match waited.as_secs() / MINUTE {
        0..5 => 1,
        5..20 => 2,
        _ => 5,
    };
    Duration::from_secs(minutes * MINUTE)
}

/// The CA gets at least and at most this long for an order, whatever expiry it states.
const LEAST_PATIENCE: Duration = Duration::from_secs(4 * HOUR);
const MOST_PATIENCE: Duration = Duration::from_secs(7 * 24 * HOUR);

/// The time for an order if the CA states no expiry.
const USUAL_PATIENCE: Duration = Duration::from_secs(24 * HOUR);

/// Whether to give up an order that the CA does not finish. Both limits count elapsed time, since
/// the clock that is compared with the stated expiry may have been set meanwhile.
pub(super) fn has_order_expired(
    waited: Duration,
    expires: Option<UnixTime>,
    now: UnixTime,
) -> bool {
    match expires {
        _ if waited >= MOST_PATIENCE => true,
        Some(end) => waited >= LEAST_PATIENCE && end <= now,
        None => waited >= USUAL_PATIENCE,
    }
}

#[cfg(test)]
mod tests;
