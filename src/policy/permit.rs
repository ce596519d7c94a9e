//! The proof that a request may pass.

use std::rc::Rc;
use std::sync::Arc;

use super::login::LoggedIn;
use crate::clock::UnixTime;
use crate::signalling::rules::MessageRules;
use crate::token::issuer::Verified;

/// Proof that a policy or [`ApiKeys`](super::ApiKeys) admitted a request. It goes with the request
/// and stays with the tunnel. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    pub(super) principal: Principal,
    /// When its token or certificate no longer admits requests, and when a tunnel is closed that it
    /// admitted.
    /// `None` if that never happens.
    pub(super) ends: Option<(UnixTime, UnixTime)>,
    pub(super) is_ambient: bool,
    pub(super) rules: Option<Arc<MessageRules>>,
}

/// What admitted the client.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// Its address, or the policy `open`.
    Address,
    /// Its token.
    Token(Rc<Verified>),
    /// Its login.
    Login(Rc<LoggedIn>),
    /// An API key.
    ApiKey,
}

impl Permit {
    pub(super) const OPEN: Self = Self {
        principal: Principal::Address,
        ends: None,
        is_ambient: false,
        rules: None,
    };
    pub(super) const BY_ADDRESS: Self = Self {
        is_ambient: true,
        ..Self::OPEN
    };

    /// The same permit for a token that a script or program put into the request on purpose; a
    /// browser by itself sends cookies with the requests of any page.
    pub fn with_token_on_purpose(self) -> Self {
        Self {
            is_ambient: self.is_ambient && self.token().is_none(),
            ..self
        }
    }

    /// Whether it rests on something that a browser sends by itself, an address or a cookie. Any
    /// page can have the browser send such a request, so the page has to be checked. A token counts
    /// as ambient until [`with_token_on_purpose`](Self::with_token_on_purpose).
    pub fn is_ambient(&self) -> bool {
        self.is_ambient
    }

    /// The token that admitted the client, if one did.
    pub fn token(&self) -> Option<&Rc<Verified>> {
        match &self.principal {
            Principal::Token(verified) => Some(verified),
            Principal::Address | Principal::Login(_) | Principal::ApiKey => None,
        }
    }

    /// The login that admitted the client, if one did.
    pub fn login(&self) -> Option<&Rc<LoggedIn>> {
        match &self.principal {
            Principal::Login(login) => Some(login),
            Principal::Address | Principal::Token(_) | Principal::ApiKey => None,
        }
    }

    /// Who the client is, by its token or its login.
    pub fn user(&self) -> Option<&Rc<Verified>> {
        match &self.principal {
            Principal::Token(verified) => Some(verified),
            Principal::Login(login) => Some(&login.verified),
            Principal::Address | Principal::ApiKey => None,
        }
    }

    /// The rules for each message, if the policy has any. Without rules every message passes.
    pub fn rules(&self) -> Option<&MessageRules> {
        self.rules.as_deref()
    }

    /// Whether an API key admitted the request: a server asks on behalf of a client that the
    /// gateway does not know.
    pub fn is_by_api_key(&self) -> bool {
        matches!(self.principal, Principal::ApiKey)
    }

    /// When a tunnel or a long response with this permit is to be closed, if ever.
    pub fn ends(&self) -> Option<UnixTime> {
        self.ends.map(|(_, closed)| closed)
    }

    /// What has expired when it has ended, in words for the client.
    pub fn expired(&self) -> &'static str {
        match self.principal {
            Principal::Login(_) => "certificate expired",
            Principal::Address | Principal::Token(_) | Principal::ApiKey => "token expired",
        }
    }

    /// Whether its token has expired, so that a tunnel with this permit is open only by the grace
    /// period of `expiry_grace`.
    pub fn is_in_grace(&self, now: UnixTime) -> bool {
        self.ends
            .is_some_and(|(expired, _)| expired <= now && expired <= now.at_earliest())
    }

    /// Whether a tunnel with this permit has expired. A token that still admits requests does not
    /// close a tunnel: the issuer's leeway counts for both.
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.ends()
            .is_some_and(|closed| closed <= now && closed <= now.at_earliest())
    }
}
