//! Why a token is rejected.

/// Why a token is rejected. The reason goes to the log; the client does not learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// More bytes than `limits.token`, or [`MAX_LENGTH`](super::jws::MAX_LENGTH).
    #[error("longer than any token")]
    TooLong,
    /// Not three parts of canonical base64url, or no JSON in them.
    #[error("not a token")]
    Malformed,
    /// A JWE.
    #[error("encrypted, not signed")]
    Encrypted,
    /// `alg: none`, in any spelling.
    #[error("says that it is not signed")]
    Unsigned,
    /// An algorithm that no key of the issuer is for.
    #[error("signed by an algorithm that the issuer does not use")]
    Algorithm,
    /// `crit` names extensions that must be understood, and none is supported.
    #[error("has a crit header")]
    Critical,
    /// `typ` names a token for another purpose.
    #[error("is a token of another type")]
    Type,
    /// No key has this `kid`, or none is for the algorithm.
    #[error("no key of the issuer fits")]
    NoKey,
    /// The keys could not be fetched yet, which is not the token's fault.
    #[error("the issuer's keys are not there yet")]
    KeysUnavailable,
    /// No key verifies the signature.
    #[error("the signature is wrong")]
    Signature,
    /// `iss` is missing or another.
    #[error("from another issuer")]
    Issuer,
    /// `aud` is missing or another.
    #[error("for another audience")]
    Audience,
    /// `exp` is missing.
    #[error("never expires")]
    NoExpiry,
    /// `exp`, `nbf` or `iat` is not a number of seconds since 1970, or another registered claim has
    /// the wrong type.
    #[error("a registered claim is not of its type")]
    ClaimType,
    /// `exp` has passed.
    #[error("expired")]
    Expired,
    /// `nbf` lies in the future.
    #[error("not yet valid")]
    NotYet,
    /// `exp` is further away than `max_lifetime`.
    #[error("lives longer than max_lifetime")]
    Lifetime,
    /// Its `jti` or `sub` is on the issuer's list.
    #[error("revoked")]
    Revoked,
}

impl BadToken {
    /// The reason in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Encrypted => "token_encrypted",
            Self::Unsigned => "token_unsigned",
            Self::Algorithm => "token_algorithm",
            Self::Critical => "token_crit",
            Self::Type => "token_type",
            Self::NoKey => "token_key",
            Self::KeysUnavailable => "token_keys_unavailable",
            Self::Signature => "token_signature",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::NoExpiry => "token_no_expiry",
            Self::ClaimType => "token_claim_type",
            Self::Expired => "token_expired",
            Self::NotYet => "token_not_yet",
            Self::Lifetime => "token_lifetime",
            Self::Revoked => "token_revoked",
        }
    }

    /// Whether the token was never issued, so that the client seems to be guessing. An expired
    /// token, in contrast, comes from an honest client that reconnects.
    pub fn is_forged(self) -> bool {
        match self {
            Self::TooLong
            | Self::Malformed
            | Self::Encrypted
            | Self::Unsigned
            | Self::Algorithm
            | Self::Critical
            | Self::NoKey
            | Self::Signature => true,
            Self::Type
            | Self::KeysUnavailable
            | Self::Issuer
            | Self::Audience
            | Self::NoExpiry
            | Self::ClaimType
            | Self::Expired
            | Self::NotYet
            | Self::Lifetime
            | Self::Revoked => false,
        }
    }
}
