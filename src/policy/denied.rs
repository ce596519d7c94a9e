//! Why a request may not pass.

use crate::token::BadToken;

/// Why a policy said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The client's address is in none of the policy's networks.
    #[error("client address is not on the policy's allow list")]
    Address,
    /// The client's address is in one that the policy names.
    #[error("client address is on the policy's deny list")]
    Listed,
    /// There is no token, and one is needed.
    #[error("no token")]
    NoToken,
    /// The token proves nothing.
    #[error("token: {0}")]
    Token(BadToken),
    /// The token is good, and does not claim what the policy wants.
    #[error("the token does not have the policy's claims")]
    Claim,
    /// An API key was sent that is none, or two that differ.
    #[error("not one of the API keys")]
    ApiKey,
}
