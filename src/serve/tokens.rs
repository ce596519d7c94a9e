//! Tokens that this worker has seen, so that a signature is verified once and not at each request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;

use crate::clock::UnixTime;
use crate::policy::{Accepted, IssuerId, TokenRule};
use crate::serve::snapshot::Snapshot;
use crate::token::BadToken;
use crate::token::issuer::{Fetched, Issuer, Keys, Tag, Verified};
use crate::token::jws::{self, Parts};
use crate::token::keys::KeySetId;
use crate::token::location::Located;

/// So many tokens are remembered at least, and twice as many at most.
const GENERATION: usize = 4096;

/// Makes tags: one for all workers, so that they speak of the same token.
#[derive(Debug)]
pub struct Tagger(hmac::Key);

impl Tagger {
    /// With a key of its own.
    ///
    /// # Errors
    /// Without randomness.
    pub fn new() -> Result<Arc<Self>, Unspecified> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Ok(Arc::new(Self(hmac::Key::generate(
            hmac::HMAC_SHA256,
            &random,
        )?)))
    }

    /// The tag of a token.
    pub fn tag(&self, token: &str) -> Tag {
        let signed = hmac::sign(&self.0, token.as_bytes());
        let mut tag = Tag::default();
        tag.copy_from_slice(signed.as_ref());
        tag
    }
}

/// The tokens. They are kept by their tags, so that a look at this memory shows none.
#[derive(Debug)]
pub struct Tokens {
    tagger: Arc<Tagger>,
    /// Tokens go from the first to the second when that is full, and are forgotten from there.
    generations: RefCell<[Generation; 2]>,
}

/// By the token, and by whose keys it was verified.
type Generation = HashMap<(Tag, IssuerId), Known>;

/// A token, and the keys that it was verified by: with other keys it has to be verified anew.
#[derive(Clone, Debug)]
struct Known {
    verified: Rc<Verified>,
    keys: KeySetId,
}

/// A token that one of the issuers has signed.
#[derive(Debug)]
pub(super) struct Signed<'s> {
    pub(super) issuer: &'s Issuer,
    pub(super) verified: Rc<Verified>,
}

impl Signed<'_> {
    /// Whether the issuer would take it now.
    fn is_good(&self) -> bool {
        self.issuer
            .judge(&self.verified.claims, UnixTime::now())
            .is_ok()
    }
}

/// Why a token proves nothing, and where a key that would change that could be had.
#[derive(Debug)]
pub(super) struct Unverified {
    pub(super) why: BadToken,
    pub(super) look: Option<(Arc<Fetched>, Option<Box<str>>)>,
}

impl Tokens {
    /// None yet.
    pub fn new(tagger: Arc<Tagger>) -> Self {
        Self {
            tagger,
            generations: RefCell::default(),
        }
    }

    /// A token that has been verified before, by keys that are still in force.
    pub(super) fn known<'s>(
        &self,
        located: &Located<'_>,
        rule: &TokenRule,
        snapshot: &'s Snapshot,
    ) -> Option<Signed<'s>> {
        let tag = self.tagger.tag(&located.text);
        let known = eligible(located, rule, snapshot).filter_map(|(accepted, issuer)| {
            let known = self.look_up((tag, accepted.id))?;
            (known.keys == issuer.key_set_id()).then_some(Signed {
                issuer,
                verified: known.verified,
            })
        });
        // Of several, the one that would let it in; if that one has still to be verified, it is not
        // known.
        let is_alone = rule.issuers.len() == 1;
        known
            .into_iter()
            .find(|signed| is_alone || signed.is_good())
    }

    fn look_up(&self, key: (Tag, IssuerId)) -> Option<Known> {
        let generations = &mut *self.generations.borrow_mut();
        if let Some(known) = generations[0].get(&key) {
            return Some(known.clone());
        }
        let known = generations[1].remove(&key)?;
        remember(generations, key, known.clone());
        Some(known)
    }

    /// Verifies a token by every issuer that may have signed it: two may have the same keys and
    /// want other audiences. Issuers whose tokens could be guessed are left out unless
    /// `with_guessable`.
    pub(super) fn verify<'s>(
        &self,
        located: &Located<'_>,
        rule: &TokenRule,
        snapshot: &'s Snapshot,
        with_guessable: bool,
    ) -> Result<Signed<'s>, Unverified> {
        let parts = jws::split(&located.text).map_err(|why| Unverified { why, look: None })?;
        let (mut failed, mut signed) = (None, None);
        for (accepted, issuer) in eligible(located, rule, snapshot) {
            if !with_guessable && issuer.is_guessable() {
                failed = Some(worse(failed, unproven(BadToken::Signature, issuer, &parts)));
                continue;
            }
            let keys = issuer.key_set();
            match issuer.verify(&parts, &keys) {
                Ok((key, claims)) => {
                    let tag = self.tagger.tag(&located.text);
                    let verified = Rc::new(Verified {
                        issuer: Arc::clone(&issuer.spec.name),
                        key,
                        claims,
                        tag,
                    });
                    let known = Known {
                        verified: Rc::clone(&verified),
                        keys: keys.id(),
                    };
                    remember(
                        &mut self.generations.borrow_mut(),
                        (tag, accepted.id),
                        known,
                    );
                    let found = Signed { issuer, verified };
                    if found.is_good() {
                        return Ok(found);
                    }
                    signed = signed.or(Some(found));
                }
                Err(why) => failed = Some(worse(failed, unproven(why, issuer, &parts))),
            }
        }
        // No issuer has its tokens where this one was.
        let none = || {
            failed.unwrap_or(Unverified {
                why: BadToken::Issuer,
                look: None,
            })
        };
        signed.ok_or_else(none)
    }
}

/// The issuers of a rule that have their tokens where this one was.
fn eligible<'s, 'r>(
    located: &Located<'_>,
    rule: &'r TokenRule,
    snapshot: &'s Snapshot,
) -> impl Iterator<Item = (&'r Accepted, &'s Issuer)> {
    let accepted = rule
        .issuers
        .iter()
        .filter(|accepted| accepted.places & located.places != 0);
    accepted.map(|accepted| (accepted, &*snapshot.issuers[accepted.id.0]))
}

fn unproven(why: BadToken, issuer: &Issuer, parts: &Parts<'_>) -> Unverified {
    let may_come = matches!(why, BadToken::NoKey | BadToken::KeysAway);
    let look = match &issuer.keys {
        Keys::Fetched(fetched) if may_come => Some((Arc::clone(fetched), parts.kid.clone())),
        Keys::Fetched(_) | Keys::Fixed(_) => None,
    };
    Unverified { why, look }
}

/// Of two reasons the one that says more: what could still be had, then what was nearly right.
fn worse(first: Option<Unverified>, second: Unverified) -> Unverified {
    let rank = |unproven: &Unverified| match unproven {
        Unverified { look: Some(_), .. } => 2,
        Unverified {
            why: BadToken::Algorithm | BadToken::NoKey,
            ..
        } => 0,
        Unverified { .. } => 1,
    };
    match first {
        Some(first) if rank(&first) >= rank(&second) => first,
        _ => second,
    }
}

fn remember(generations: &mut [Generation; 2], key: (Tag, IssuerId), known: Known) {
    if generations[0].len() >= GENERATION {
        generations[1] = std::mem::take(&mut generations[0]);
    }
    generations[0].insert(key, known);
}
