//! Which issuer signed a token: from the cache, by its signature, or after its key was fetched.

use std::rc::Rc;
use std::sync::Arc;

use super::cache::Signed;
use super::context::{Context, Failure};
use crate::policy::{AcceptedIssuer, Denied, TokenRule};
use crate::token::BadToken;
use crate::token::issuer::{Fetched, Issuer, KeyLookup, Keys, Requester, Verified};
use crate::token::jws::{self, Parts};
use crate::token::location::Located;

/// A token that has been verified before, with keys that are still in force. This is the path of
/// nearly every request.
pub fn cached<'c>(
    context: &Context<'c>,
    token: &Located<'_>,
    rule: &TokenRule,
) -> Option<Signed<'c>> {
    if context.is_too_long(token) {
        return None;
    }
    let tag = context.cache.tag(&token.text);
    let cached = eligible(context, token, rule).filter_map(|(accepted, issuer)| {
        let verified = context.cache.get(tag, accepted.id, issuer.key_set_id())?;
        Some(Signed { issuer, verified })
    });
    // With several issuers, the one that accepts the token now is wanted; where that one has not
    // verified the token yet, it is verified by all of them.
    let is_alone = rule.issuers.len() == 1;
    cached
        .into_iter()
        .find(|signed| is_alone || signed.is_good())
}

/// Finds out which of the rule's issuers signed the token. A key that is not there is looked for,
/// once; a forged token is counted, and rejected only after a delay.
///
/// The signature is verified whatever the client has sent before, so that one client cannot lock
/// out others behind the same address. That costs tens of microseconds, less than a handshake, and
/// `limits.requests_per_client` bounds how often. Only forged tokens are held back. An issuer whose
/// secret is short enough to be guessed is the exception: once the client is over its limit, that
/// secret is not tried, or it could be found by trying.
///
/// # Errors
/// Why the token is rejected.
pub async fn verify<'c>(
    context: &Context<'c>,
    token: &Located<'_>,
    rule: &TokenRule,
) -> Result<Signed<'c>, Failure> {
    let mut lookup = None;
    loop {
        if let Some(signed) = cached(context, token, rule) {
            return Ok(signed);
        }
        let too_many = context.too_many();
        let Unverified { why, missing } =
            match verify_signature(context, token, rule, too_many.is_none()) {
                Ok(signed) => return Ok(signed),
                Err(unverified) => unverified,
            };
        let why = match (missing, lookup) {
            (Some(key), None) => {
                lookup = Some(key.look_for(context).await);
                continue;
            }
            // The key may exist all the same, so nothing is said against the token.
            (Some(_), Some(KeyLookup::Unavailable)) => {
                return Err(denied(BadToken::KeysUnavailable).into());
            }
            // Nor is it here, but this client has asked for too many keys.
            (Some(_), Some(KeyLookup::TooMany)) => BadToken::KeysUnavailable,
            _ if why.is_forged() => why,
            _ => return Err(denied(why).into()),
        };
        return Err(context.forged(denied(why), too_many).await);
    }
}

fn denied(why: BadToken) -> Denied {
    Denied::Token(why)
}

/// Why a token is not verified, and the key that could change that.
struct Unverified {
    why: BadToken,
    missing: Option<MissingKey>,
}

/// A key that the issuer may have published since its keys were last fetched.
struct MissingKey {
    keys: Arc<Fetched>,
    kid: Option<Box<str>>,
}

impl MissingKey {
    async fn look_for(self, context: &Context<'_>) -> KeyLookup {
        let requester = Requester {
            group: context.client.group(),
            is_listed: context.is_listed,
        };
        self.keys.look_for(self.kid, requester).await
    }
}

impl Unverified {
    fn new(why: BadToken, issuer: &Issuer, parts: &Parts<'_>) -> Self {
        let may_come = matches!(why, BadToken::NoKey | BadToken::KeysUnavailable);
        let missing = match &issuer.keys {
            Keys::Fetched(keys) if may_come => Some(MissingKey {
                keys: Arc::clone(keys),
                kid: parts.kid.clone(),
            }),
            Keys::Fetched(_) | Keys::Fixed(_) => None,
        };
        Self { why, missing }
    }

    /// How much it says: a key that could still be fetched most, a token that no key of the issuer
    /// is for least.
    fn rank(&self) -> u8 {
        match (&self.missing, self.why) {
            (Some(_), _) => 2,
            (None, BadToken::Algorithm | BadToken::NoKey) => 0,
            (None, _) => 1,
        }
    }

    /// Of the reasons of two issuers, the one that says more.
    fn or(first: Option<Self>, second: Self) -> Self {
        match first {
            Some(first) if first.rank() >= second.rank() => first,
            _ => second,
        }
    }
}

/// Verifies a token by every issuer that may have signed it: two may have the same keys and want
/// different audiences. Issuers whose secret could be guessed are left out unless
/// `with_guessable`.
fn verify_signature<'c>(
    context: &Context<'c>,
    token: &Located<'_>,
    rule: &TokenRule,
    with_guessable: bool,
) -> Result<Signed<'c>, Unverified> {
    let parts = match context.is_too_long(token) {
        true => Err(BadToken::TooLong),
        false => jws::split(&token.text),
    };
    let parts = parts.map_err(|why| Unverified { why, missing: None })?;
    let (mut failed, mut expired) = (None, None);
    for (accepted, issuer) in eligible(context, token, rule) {
        let result = if !with_guessable && issuer.is_guessable() {
            Err(BadToken::Signature)
        } else {
            verify_by(context, token, &parts, accepted, issuer)
        };
        match result {
            Ok(signed) if signed.is_good() => return Ok(signed),
            Ok(signed) => expired = expired.or(Some(signed)),
            Err(why) => {
                let unverified = Unverified::new(why, issuer, &parts);
                failed = Some(Unverified::or(failed, unverified));
            }
        }
    }
    expired.ok_or_else(|| {
        // Without one that failed, no issuer has its tokens where this one was.
        failed.unwrap_or(Unverified {
            why: BadToken::Issuer,
            missing: None,
        })
    })
}

fn verify_by<'c>(
    context: &Context<'c>,
    token: &Located<'_>,
    parts: &Parts<'_>,
    accepted: &AcceptedIssuer,
    issuer: &'c Issuer,
) -> Result<Signed<'c>, BadToken> {
    let keys = issuer.key_set();
    let (key, claims) = issuer.verify(parts, &keys)?;
    let verified = Rc::new(Verified {
        issuer: Arc::clone(&issuer.spec.name),
        key,
        claims,
        tag: context.cache.tag(&token.text),
    });
    context.cache.insert(accepted.id, &verified, keys.id());
    Ok(Signed { issuer, verified })
}

/// The issuers of a rule whose tokens may stand where this one was.
fn eligible<'c, 'r>(
    context: &Context<'c>,
    token: &Located<'_>,
    rule: &'r TokenRule,
) -> impl Iterator<Item = (&'r AcceptedIssuer, &'c Issuer)> {
    let (issuers, places) = (context.issuers, token.places);
    rule.issuers
        .iter()
        .filter(move |accepted| accepted.places & places != 0)
        .map(move |accepted| (accepted, &*issuers[accepted.id.0]))
}
