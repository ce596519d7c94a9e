//! Why a request may not pass.

use crate::tls::BadCertificate;
use crate::token::BadToken;

/// Why a policy denies a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The client's address is not on the allow list.
    #[error("client address is not on the policy's allow list")]
    Address,
    /// The client's address is on the deny list.
    #[error("client address is on the policy's deny list")]
    Listed,
    /// The request has no token, and needs one.
    #[error("no token")]
    NoToken,
    /// The token is not valid.
    #[error("token: {0}")]
    Token(BadToken),
    /// The token is valid but does not have the claim at this index of the policy's rules.
    #[error("the token does not have the policy's claims")]
    Claim(usize),
    /// The client is not logged in.
    #[error("the client is not logged in")]
    NoLogin,
    /// The service that logs clients in forbids the request.
    #[error("forward_auth forbids the request")]
    Forbidden,
    /// The user is unknown, or the password is wrong.
    #[error("unknown user or wrong password")]
    Password,
    /// The client has shown no certificate.
    #[error("the client has shown no certificate")]
    NoCertificate,
    /// The certificate of the client does not count, or not for this policy.
    #[error(transparent)]
    Certificate(BadCertificate),
    /// The API key is wrong, or two keys differ.
    #[error("not one of the API keys")]
    ApiKey,
}
