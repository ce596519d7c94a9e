//! Tokens that this worker has verified, so that a signature is verified once and not for each
//! request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;

use crate::clock::UnixTime;
use crate::policy::IssuerId;
use crate::token::issuer::{Issuer, Tag, Verified};
use crate::token::keys::KeySetId;

/// At least this many tokens are remembered, and at most twice as many.
const GENERATION: usize = 4096;

/// Makes tags. All workers share one, so that equal tokens have equal tags everywhere.
#[derive(Debug)]
pub struct Tagger(hmac::Key);

impl Tagger {
    /// With a random key.
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

/// A token that one of the issuers has signed.
#[derive(Debug)]
pub struct Signed<'i> {
    /// The issuer.
    pub issuer: &'i Issuer,
    /// The token.
    pub verified: Rc<Verified>,
}

impl Signed<'_> {
    /// Whether the issuer accepts it now.
    pub(super) fn is_good(&self) -> bool {
        self.issuer
            .judge(&self.verified.claims, UnixTime::now())
            .is_ok()
    }
}

/// The tokens, by their tags: a memory dump shows none of them.
#[derive(Debug)]
pub struct TokenCache {
    tagger: Arc<Tagger>,
    /// When the first is full it replaces the second, whose tokens are forgotten.
    generations: RefCell<[Generation; 2]>,
}

/// By the token, and by the issuer that signed it.
type Generation = HashMap<(Tag, IssuerId), Cached>;

/// A token, and the key set that it was verified with: with another one it is verified again.
#[derive(Clone, Debug)]
struct Cached {
    verified: Rc<Verified>,
    keys: KeySetId,
}

impl TokenCache {
    /// An empty cache.
    pub fn new(tagger: Arc<Tagger>) -> Self {
        Self {
            tagger,
            generations: RefCell::default(),
        }
    }

    /// The tag of a token.
    pub fn tag(&self, token: &str) -> Tag {
        self.tagger.tag(token)
    }

    /// A token that was verified with the keys that are in force.
    pub(super) fn get(&self, tag: Tag, id: IssuerId, keys: KeySetId) -> Option<Rc<Verified>> {
        let cached = self.look_up((tag, id))?;
        (cached.keys == keys).then_some(cached.verified)
    }

    fn look_up(&self, key: (Tag, IssuerId)) -> Option<Cached> {
        let generations = &mut *self.generations.borrow_mut();
        if let Some(cached) = generations[0].get(&key) {
            return Some(cached.clone());
        }
        let cached = generations[1].remove(&key)?;
        remember(generations, key, cached.clone());
        Some(cached)
    }

    /// Remembers a token.
    pub(super) fn insert(&self, id: IssuerId, verified: &Rc<Verified>, keys: KeySetId) {
        let cached = Cached {
            verified: Rc::clone(verified),
            keys,
        };
        remember(
            &mut self.generations.borrow_mut(),
            (verified.tag, id),
            cached,
        );
    }
}

fn remember(generations: &mut [Generation; 2], key: (Tag, IssuerId), cached: Cached) {
    if generations[0].len() >= GENERATION {
        generations[1] = std::mem::take(&mut generations[0]);
    }
    generations[0].insert(key, cached);
}
