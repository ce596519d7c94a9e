//! Which tokens a policy accepts.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::denied::Denied;
use super::facts::{Facts, Token};
use super::on_expiry::OnExpiry;
use super::permit::{Permit, Principal};
use crate::token::BadToken;
use crate::token::claims::ClaimRule;
use crate::token::location::Source;

/// Which tokens a policy accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// The issuers whose tokens are accepted; at least one.
    pub issuers: Box<[AcceptedIssuer]>,
    /// Every place where the tokens of one of the issuers may stand.
    pub sources: Box<[Source]>,
    /// Claims that a token must have, all of them.
    pub claims: Box<[ClaimRule]>,
    /// What happens to a tunnel when its token has expired, which is when the issuer's leeway after
    /// `exp` is over.
    pub on_expiry: OnExpiry,
    /// Whether a request without any token is admitted too. One with a token needs a good one.
    pub is_optional: bool,
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedIssuer {
    /// Its index.
    pub id: IssuerId,
    /// Its name.
    pub name: Arc<str>,
    /// Where its tokens may stand: one bit for each of the rule's sources.
    pub places: u32,
}

/// An index into the gateway's issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IssuerId(pub usize);

impl fmt::Display for TokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_optional {
            f.write_str("token optional: ")?;
        }
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
    /// The bit of the gateway's own cookie among the sources, if an issuer's tokens may stand
    /// there.
    pub fn cookie_place(&self) -> Option<u32> {
        self.sources
            .iter()
            .position(Source::is_own_cookie)
            .map(|at| 1 << at)
    }

    /// Whether a token may stand in a cookie, an application's or the gateway's own.
    pub fn takes_cookies(&self) -> bool {
        self.sources
            .iter()
            .any(|source| matches!(source, Source::Cookie(_)))
    }

    pub(super) fn authorize(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        let (issuer, verified) = match facts.token {
            Token::None if self.is_optional => return Ok(Permit::OPEN),
            Token::None => return Err(Denied::NoToken),
            Token::Bad(why) => return Err(Denied::Token(why)),
            Token::Signed(issuer, verified) => (issuer, verified),
        };
        // The token must have been verified by this issuer, and the rule must accept that issuer.
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
        let mut rules = self.claims.iter();
        if let Some(at) = rules.position(|rule| !rule.is_met(&verified.claims)) {
            return Err(Denied::Claim(at));
        }
        // A tunnel may be open for as long as a new request would be admitted, and the grace
        // period.
        let expired = verified.claims.exp.after(issuer.spec.leeway);
        Ok(Permit {
            principal: Principal::Token(Rc::clone(verified)),
            ends: self.on_expiry.ends(expired),
            is_ambient: true,
            rules: None,
        })
    }
}
