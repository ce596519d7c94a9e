//! An issuer with its keys: whether it signed a token, and whether it accepts the token now.

use std::sync::Arc;
use std::time::Duration;

use super::fetched::Fetched;
use super::spec::{Audience, IssuerSpec, KeySource};
use crate::clock::UnixTime;
use crate::token::BadToken;
use crate::token::claims::Claims;
use crate::token::jws::Parts;
use crate::token::keys::{KeyPrint, KeySet, KeySetId};
use crate::token::revoked::Revoked;

/// An issuer's keys.
#[derive(Clone, Debug)]
pub enum Keys {
    /// As read from a file.
    Fixed(Arc<KeySet>),
    /// As last fetched.
    Fetched(Arc<Fetched>),
}

impl Keys {
    /// The fetched keys, if they are fetched.
    pub fn fetched(&self) -> Option<&Fetched> {
        match self {
            Self::Fetched(fetched) => Some(fetched),
            Self::Fixed(_) => None,
        }
    }
}

/// An issuer with its keys.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its configuration.
    pub spec: Arc<IssuerSpec>,
    /// Its keys.
    pub keys: Keys,
    /// Its revoked tokens.
    pub revoked: Revoked,
}

impl Issuer {
    /// Which keys are in force. This is asked for each request, so it writes nothing that two
    /// workers share.
    pub fn key_set_id(&self) -> KeySetId {
        match &self.keys {
            Keys::Fixed(set) => set.id(),
            Keys::Fetched(fetched) => fetched.set_id(),
        }
    }

    /// The keys in force.
    pub fn key_set(&self) -> Arc<KeySet> {
        match &self.keys {
            Keys::Fixed(set) => Arc::clone(set),
            Keys::Fetched(fetched) => fetched.set(),
        }
    }

    /// Whether its secret could be guessed: it is shorter than its hash.
    pub fn is_guessable(&self) -> bool {
        matches!(&self.keys, Keys::Fixed(set) if set.is_weak())
    }

    /// Verifies that the issuer signed the token. Returns the key, and the token's claims.
    ///
    /// # Errors
    /// Why the token is not the issuer's.
    pub fn verify(&self, parts: &Parts<'_>, keys: &KeySet) -> Result<(KeyPrint, Claims), BadToken> {
        if !self.spec.algorithms.contains(&parts.algorithm) {
            return Err(BadToken::Algorithm);
        }
        let fetched = match (&self.keys, &self.spec.keys) {
            (Keys::Fixed(_), _) => return verified(parts, keys),
            // ASAP finds a key by its id alone.
            (Keys::Fetched(_), KeySource::Asap(_)) if parts.kid.is_none() => {
                return Err(BadToken::NoKey);
            }
            (Keys::Fetched(fetched), _) => fetched,
        };
        if keys.is_empty() {
            return Err(if fetched.last_success().is_some() {
                BadToken::NoKey
            } else {
                BadToken::KeysUnavailable
            });
        }
        // The issuer uses the algorithm, so it may have published a key for it since.
        verified(parts, keys).map_err(|bad| {
            if bad == BadToken::Algorithm {
                BadToken::NoKey
            } else {
                bad
            }
        })
    }

    /// Whether its keys are published as a set and have never been fetched.
    pub fn lacks_keys(&self) -> bool {
        matches!(self.spec.keys, KeySource::Jwks(_)) && self.key_set().is_empty()
    }

    /// Checks whether a token with a good signature is valid now.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn judge(&self, claims: &Claims, now: UnixTime) -> Result<(), BadToken> {
        self.checks(claims, now)
            .into_iter()
            .find(|(_, is_met)| !is_met)
            .map_or(Ok(()), |(why, _)| Err(why))
    }

    /// The checks of [`judge`](Self::judge), and whether each one passes.
    pub fn checks(&self, claims: &Claims, now: UnixTime) -> [(BadToken, bool); 6] {
        let spec = &*self.spec;
        let is_for_us = match &spec.audience {
            Audience::Any => true,
            Audience::OneOf(ours) => ours.iter().any(|audience| claims.is_for(audience)),
        };
        let is_theirs = spec
            .issuers
            .as_ref()
            .is_none_or(|all| all.iter().any(|one| claims.iss() == Some(&**one)));
        // After the clock was set, what is valid by one of its readings is valid.
        let ends = claims.exp.after(spec.leeway);
        let has_come = |time: UnixTime, margin: Duration| {
            time <= now.after(margin) || time <= now.at_latest().after(margin)
        };
        [
            (BadToken::Issuer, is_theirs),
            (BadToken::Audience, is_for_us),
            (BadToken::Expired, ends > now || ends > now.at_earliest()),
            (
                BadToken::NotYet,
                claims.nbf.is_none_or(|nbf| has_come(nbf, spec.leeway)),
            ),
            (
                BadToken::Lifetime,
                has_come(claims.exp, spec.max_lifetime.saturating_add(spec.leeway)),
            ),
            (BadToken::Revoked, !self.revoked.has(claims)),
        ]
    }
}

fn verified(parts: &Parts<'_>, keys: &KeySet) -> Result<(KeyPrint, Claims), BadToken> {
    let key = keys.verify(parts)?;
    Ok((key, Claims::parse(&parts.payload)?))
}
