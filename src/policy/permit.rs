//! The proof that a request may pass.

use std::rc::Rc;

use crate::clock::UnixTime;
use crate::token::issuer::Verified;

/// Proof that a policy, or the holder of [`ApiKeys`](super::ApiKeys), said yes. It goes with the request and stays
/// with the tunnel; only this module makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    pub(super) principal: Principal,
    pub(super) ends: Option<UnixTime>,
    pub(super) is_ambient: bool,
}

/// By what somebody was let in.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// By his address, or because everybody is.
    Address,
    /// By his token.
    Token(Rc<Verified>),
    /// By a key that servers have.
    ApiKey,
}

impl Permit {
    pub(super) const OPEN: Self = Self {
        principal: Principal::Address,
        ends: None,
        is_ambient: false,
    };
    pub(super) const BY_ADDRESS: Self = Self {
        is_ambient: true,
        ..Self::OPEN
    };

    /// The same for a token that somebody put into the request on purpose, and not only the
    /// browser, which sends cookies whichever page asks.
    pub fn with_token_on_purpose(self) -> Self {
        Self {
            is_ambient: self.is_ambient && self.token().is_none(),
            ..self
        }
    }

    /// Whether it rests on what a browser sends by itself, an address or a cookie: any page could
    /// have the browser send the request, so which page it was has to be asked. Of a token this is
    /// assumed until somebody says otherwise.
    pub fn is_ambient(&self) -> bool {
        self.is_ambient
    }

    /// By which token, where that was it.
    pub fn token(&self) -> Option<&Rc<Verified>> {
        match &self.principal {
            Principal::Token(verified) => Some(verified),
            Principal::Address | Principal::ApiKey => None,
        }
    }

    /// Whether an API key was it: a server asks, on behalf of a client that nobody has looked at.
    pub fn is_by_api_key(&self) -> bool {
        matches!(self.principal, Principal::ApiKey)
    }

    /// When a tunnel with this permit is to be closed, if ever.
    pub fn ends(&self) -> Option<UnixTime> {
        self.ends
    }

    /// Whether a tunnel with this permit is over. Just behind a token's end its leeway still lets
    /// requests in, but a tunnel would be closed as soon as it is open, and clients would come back
    /// without end.
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}
