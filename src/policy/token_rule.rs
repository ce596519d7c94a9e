//! Which tokens a policy accepts.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::denied::Denied;
use super::facts::{Facts, Token};
use super::permit::{Permit, Principal};
use crate::token::BadToken;
use crate::token::claims::ClaimRule;
use crate::token::location::Source;

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

    pub(super) fn authorize(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
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
