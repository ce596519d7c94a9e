//! Tokens in the messages of a tunnel.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use super::control::TunnelControl;
use crate::signalling::RejectedToken;

/// Decides about tokens that a client sends in messages.
pub trait TokenVerifier: fmt::Debug {
    /// Decides about a token in a message of this tunnel, and renews the tunnel's permit by it if
    /// it is a newer one of the same client.
    fn present(self: Rc<Self>, tunnel: &Rc<TunnelControl>, token: &str) -> Verification;
}

/// What is known about a token.
pub enum Verification {
    /// Whether its message may go on.
    Settled(TokenResult),
    /// That has to be waited for.
    Waits(Pin<Box<dyn Future<Output = TokenResult>>>),
}

/// Whether a message may go on with its token, or why not.
pub type TokenResult = Result<(), RejectedToken>;

/// A token that has to be waited for.
pub(super) struct Unsettled {
    /// Which of the message's documents has it.
    pub(super) at: usize,
    pub(super) verification: Pin<Box<dyn Future<Output = TokenResult>>>,
}

/// A message that waits for a decision about one of its tokens.
pub(super) struct Waiting {
    pub(super) message: String,
    pub(super) unsettled: Unsettled,
    /// What the client has sent behind the message, as far as it has been read.
    pub(super) rest: Vec<u8>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
