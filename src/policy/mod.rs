//! May they: policies decide on facts and never do I/O. Their answer is a [`Permit`], which nobody
//! else can make and without which no target is reached.

mod api_keys;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::addr::{ClientAddr, Network};
use crate::clock::UnixTime;
use crate::token::BadToken;
use crate::token::claims::ClaimRule;
use crate::token::issuer::{Issuer, Verified};
use crate::token::location::Source;

pub use api_keys::ApiKeys;

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks.
    pub client: ClientAddr,
    /// What the clock says.
    pub now: UnixTime,
    /// What he has with him.
    pub token: Token<'f>,
}

/// A token, as far as it has been looked at.
#[derive(Clone, Copy, Debug)]
pub enum Token<'f> {
    /// None was sent.
    None,
    /// It proves nothing.
    Bad(BadToken),
    /// One of the issuers signed it. Whether it is good now is for the policy to ask.
    Signed(&'f Issuer, &'f Rc<Verified>),
}

/// Networks of which there is at least one: an empty list could be read as "nobody" and as
/// "everybody".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

impl Networks {
    /// `None` for an empty list.
    pub fn new(networks: Vec<Network>) -> Option<Self> {
        (!networks.is_empty()).then(|| Self(networks.into()))
    }

    /// Whether one of them has the address.
    pub fn contains(&self, client: ClientAddr) -> bool {
        self.0.iter().any(|net| net.contains(client))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, net) in self.0.iter().enumerate() {
            write!(f, "{}{net}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody: the policy `open`, which somebody typed.
    Open,
    /// Who meets these conditions.
    Conditions(Conditions),
}

/// The conditions of a policy that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Who comes from one of these is not let in, whatever he has with him.
    pub deny: Option<Networks>,
    /// By what one is let in.
    pub ways: Ways,
}

/// By what one is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ways {
    /// The address alone.
    Address(Networks),
    /// A token alone.
    Token(TokenRule),
    /// Either of them.
    Either(Networks, TokenRule),
    /// Both of them.
    Both(Networks, TokenRule),
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ways {
            Ways::Address(allow) => allow.fmt(f),
            Ways::Token(rule) => rule.fmt(f),
            Ways::Either(allow, rule) => write!(f, "{allow}; or {rule}"),
            Ways::Both(allow, rule) => write!(f, "{allow}; with {rule}"),
        }?;
        match &self.deny {
            Some(deny) => write!(f, "; never {deny}"),
            None => Ok(()),
        }
    }
}

/// Which tokens a policy takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// Who may have signed it; at least one.
    pub issuers: Box<[Accepted]>,
    /// Every place where one of the issuers has its tokens.
    pub sources: Box<[Source]>,
    /// All of these are met.
    pub claims: Box<[ClaimRule]>,
    /// What becomes of a tunnel when its token ends.
    pub on_expiry: OnExpiry,
}

/// An issuer whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Which one.
    pub id: IssuerId,
    /// Its name.
    pub name: Arc<str>,
    /// Where its tokens may stand: a bit for each of the rule's sources.
    pub places: u32,
}

/// An index into the gateway's issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IssuerId(pub usize);

/// What becomes of a tunnel when its token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExpiry {
    /// It is closed, so much later.
    Close(Duration),
    /// It goes on.
    Keep,
}

/// A compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: Arc<str>,
    rule: Rule,
}

impl Policy {
    /// The built-in policy that lets everybody pass.
    pub const OPEN: &'static str = "open";

    /// A policy by its name in `gateway.toml`.
    pub fn new(name: &str, rule: Rule) -> Self {
        Self {
            name: name.into(),
            rule,
        }
    }

    /// Its name in `gateway.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it asks for.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Which tokens it takes, if any.
    pub fn token_rule(&self) -> Option<&TokenRule> {
        match &self.rule {
            Rule::Conditions(Conditions {
                ways: Ways::Token(rule) | Ways::Either(_, rule) | Ways::Both(_, rule),
                ..
            }) => Some(rule),
            Rule::Open | Rule::Conditions(_) => None,
        }
    }

    /// Which tokens would make a difference to this client: none, where his address alone decides.
    pub fn asks_for_token(&self, client: ClientAddr) -> Option<&TokenRule> {
        let Rule::Conditions(Conditions { deny, ways }) = &self.rule else {
            return None;
        };
        if deny.as_ref().is_some_and(|deny| deny.contains(client)) {
            return None;
        }
        match ways {
            Ways::Address(_) => None,
            Ways::Token(rule) => Some(rule),
            Ways::Either(allow, rule) => (!allow.contains(client)).then_some(rule),
            Ways::Both(allow, rule) => allow.contains(client).then_some(rule),
        }
    }

    /// Whether an address alone may satisfy the policy.
    pub fn takes_addresses(&self) -> bool {
        matches!(
            &self.rule,
            Rule::Conditions(Conditions {
                ways: Ways::Address(_) | Ways::Either(..),
                ..
            })
        )
    }

    /// Whether a browser sends by itself what may satisfy the policy: its address, or a cookie.
    pub fn takes_ambient(&self) -> bool {
        self.takes_addresses() || self.token_rule().is_some_and(TokenRule::takes_cookies)
    }

    /// Whether the client's address is on the policy's allow list, whatever else is asked for.
    pub fn lists(&self, client: ClientAddr) -> bool {
        let Rule::Conditions(Conditions { ways, .. }) = &self.rule else {
            return false;
        };
        match ways {
            Ways::Address(allow) | Ways::Either(allow, _) | Ways::Both(allow, _) => {
                allow.contains(client)
            }
            Ways::Token(_) => false,
        }
    }

    /// Decides.
    ///
    /// # Errors
    /// Which rule was not met.
    pub fn authorize(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        let Rule::Conditions(Conditions { deny, ways }) = &self.rule else {
            return Ok(Permit::OPEN);
        };
        if deny
            .as_ref()
            .is_some_and(|deny| deny.contains(facts.client))
        {
            return Err(Denied::Listed);
        }
        let is_allowed = |allow: &Networks| allow.contains(facts.client);
        match ways {
            Ways::Address(allow) if is_allowed(allow) => Ok(Permit::BY_ADDRESS),
            Ways::Either(allow, _) if is_allowed(allow) => Ok(Permit::BY_ADDRESS),
            Ways::Both(allow, rule) if is_allowed(allow) => rule.authorize(facts),
            Ways::Address(_) | Ways::Both(..) => Err(Denied::Address),
            Ways::Token(rule) | Ways::Either(_, rule) => rule.authorize(facts),
        }
    }

    /// Decides by the token alone, as if the client's address were on no list. `None` where the
    /// policy does not let anybody in by that.
    pub fn authorize_by_token(&self, facts: &Facts<'_>) -> Option<Result<Permit, Denied>> {
        let Rule::Conditions(Conditions { deny, ways }) = &self.rule else {
            return None;
        };
        if deny
            .as_ref()
            .is_some_and(|deny| deny.contains(facts.client))
        {
            return Some(Err(Denied::Listed));
        }
        match ways {
            Ways::Token(rule) | Ways::Either(_, rule) => Some(rule.authorize(facts)),
            Ways::Address(_) | Ways::Both(..) => None,
        }
    }

    /// Decides once more about somebody who was let in by a token: by that, whatever the address is
    /// good for. The page may be one that the address would not have let in.
    ///
    /// # Errors
    /// Which rule is no longer met.
    pub fn authorize_again(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        self.authorize_by_token(facts)
            .unwrap_or_else(|| self.authorize(facts))
    }
}

impl fmt::Display for TokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token of ")?;
        for (at, issuer) in self.issuers.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { " or " }, issuer.name)?;
        }
        self.claims.iter().enumerate().try_for_each(|(at, rule)| {
            write!(f, "{}{rule}", if at == 0 { " where " } else { " and " })
        })
    }
}

impl TokenRule {
    /// The bit of the gateway's own cookie among the places, where one of the issuers has its
    /// tokens there.
    pub fn cookie_place(&self) -> Option<u32> {
        self.sources
            .iter()
            .position(Source::is_own_cookie)
            .map(|at| 1 << at)
    }

    /// Whether a token may come in a cookie, an application's or the gateway's own.
    pub fn takes_cookies(&self) -> bool {
        self.sources
            .iter()
            .any(|source| matches!(source, Source::Cookie(_)))
    }

    fn authorize(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        let (issuer, verified) = match facts.token {
            Token::None => return Err(Denied::NoToken),
            Token::Bad(why) => return Err(Denied::Token(why)),
            Token::Signed(issuer, verified) => (issuer, verified),
        };
        // The issuer that the token was verified by, and not merely one of its name.
        if verified.issuer != issuer.spec.name
            || !self
                .issuers
                .iter()
                .any(|accepted| accepted.name == verified.issuer)
        {
            return Err(Denied::Token(BadToken::Issuer));
        }
        issuer
            .judge(&verified.claims, facts.now)
            .map_err(Denied::Token)?;
        if !self.claims.iter().all(|rule| rule.is_met(&verified.claims)) {
            return Err(Denied::Claim);
        }
        let ends = match self.on_expiry {
            OnExpiry::Close(grace) => Some(verified.claims.exp.after(grace)),
            OnExpiry::Keep => None,
        };
        Ok(Permit {
            principal: Principal::Token(Rc::clone(verified)),
            ends,
            is_ambient: true,
        })
    }
}

/// Proof that a policy, or the holder of [`ApiKeys`], said yes. It goes with the request and stays
/// with the tunnel; only this module makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Principal,
    ends: Option<UnixTime>,
    is_ambient: bool,
}

/// By what somebody was let in.
#[derive(Clone, Debug)]
enum Principal {
    /// By his address, or because everybody is.
    Address,
    /// By his token.
    Token(Rc<Verified>),
    /// By a key that servers have.
    ApiKey,
}

impl Permit {
    const OPEN: Self = Self {
        principal: Principal::Address,
        ends: None,
        is_ambient: false,
    };
    const BY_ADDRESS: Self = Self {
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

#[cfg(test)]
mod tests;
