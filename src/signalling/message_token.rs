//! Tokens (JWT) that a client sends in its messages, to renew what the gateway permits it.

use std::fmt;

/// What has become of the token in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageToken<'c> {
    /// It has none that is for the gateway.
    Absent,
    /// It has been dealt with. The server does not see it.
    Accepted,
    /// It is rejected for this reason, and its document with it.
    Rejected(&'c RejectedToken),
}

/// Why a token in a message is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedToken {
    /// What a client may know that has sent it in order to renew.
    pub fault: RenewalFault,
    /// What the log has.
    pub detail: Box<str>,
}

/// What is wrong with a token that was to renew another, as far as its client may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalFault {
    /// It is from another issuer.
    Issuer,
    /// It has another subject.
    Subject,
    /// It expires earlier.
    NotLater,
    /// It has expired.
    Expired,
    /// The client has sent too many bad tokens.
    TooMany,
    /// Anything else.
    NotAccepted,
}

impl fmt::Display for RenewalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "The token is from another issuer",
            Self::Subject => "The token has another subject",
            Self::NotLater => "The token does not expire later",
            Self::Expired => "The token has expired",
            Self::TooMany => "Too many bad tokens",
            Self::NotAccepted => "The token is not accepted",
        })
    }
}

impl<'c> From<&'c Option<Result<(), RejectedToken>>> for MessageToken<'c> {
    /// From what was decided about it, if there is one.
    fn from(decided: &'c Option<Result<(), RejectedToken>>) -> Self {
        match decided {
            None => Self::Absent,
            Some(Ok(())) => Self::Accepted,
            Some(Err(why)) => Self::Rejected(why),
        }
    }
}
