//! Tokens that this worker has verified, so that a signature is verified once and not for each
//! request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::policy::IssuerId;
use crate::token::issuer::{Issuer, Tag, Verified};
use crate::token::keys::KeySetId;

/// At least this many tokens are remembered, and at most twice as many.
const GENERATION: usize = 4096;

/// Makes tags. All workers share one, so that equal tokens have equal tags everywhere.
#[derive(Debug)]
pub struct Tagger {
    key: hmac::Key,
    handed: TaggerKey,
}

/// The key of a tagger, for the process that replaces this one.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct TaggerKey(Option<[u8; 32]>);

impl fmt::Debug for TaggerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaggerKey")
    }
}

impl Tagger {
    /// With the key that another process has handed over, or a random one.
    ///
    /// # Errors
    /// Without randomness.
    pub fn new(handed: TaggerKey) -> Result<Arc<Self>, Unspecified> {
        let mut secret = [0; 32];
        match handed.0 {
            Some(handed) => secret = handed,
            None => aws_lc_rs::rand::fill(&mut secret)?,
        }
        Ok(Arc::new(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            handed: TaggerKey(Some(secret)),
        }))
    }

    /// The key, for the process that replaces this one.
    pub fn hand_over(&self) -> TaggerKey {
        self.handed.clone()
    }

    /// The tag of a token.
    pub fn tag(&self, token: &str) -> Tag {
        let signed = hmac::sign(&self.key, token.as_bytes());
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

    /// Calls a function with each token of an issuer that this set of keys has verified.
    pub(super) fn each_of(&self, id: IssuerId, keys: KeySetId, mut f: impl FnMut(&Verified)) {
        let generations = self.generations.borrow();
        let all = generations.iter().flatten();
        for ((_, issuer), cached) in all {
            if *issuer == id && cached.keys == keys {
                f(&cached.verified);
            }
        }
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
