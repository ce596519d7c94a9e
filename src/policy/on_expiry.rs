//! What happens to a tunnel when the token or certificate that admitted it has expired.

use std::time::Duration;

use crate::clock::UnixTime;

/// What happens to a tunnel when its token has expired, which is when the issuer's leeway after
/// `exp` is over, or its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExpiry {
    /// It is closed, after this grace period.
    Close(Duration),
    /// It stays open.
    Keep,
}

impl OnExpiry {
    /// When new requests are no longer admitted, and when a tunnel is closed; `None` if it is not.
    pub(super) fn ends(self, expired: UnixTime) -> Option<(UnixTime, UnixTime)> {
        match self {
            Self::Close(grace) => Some((expired, expired.after(grace))),
            Self::Keep => None,
        }
    }
}
