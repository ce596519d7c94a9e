//! Verified tokens, for the process that replaces this one: their signatures need not be verified
//! again there.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::cache::TokenCache;
use crate::policy::IssuerId;
use crate::token::claims::Claims;
use crate::token::issuer::{Issuer, Tag, Verified};
use crate::token::keys::KeyPrint;

/// At most this many are handed over.
const MOST: usize = 4096;

/// A verified token, without the token itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandedToken {
    issuer: Box<str>,
    /// What has verified it: it is verified only if the other process has the same.
    by: Verifier,
    key: KeyPrint,
    tag: Tag,
    /// The claims, as JSON.
    claims: String,
}

/// A digest of an issuer's settings, and its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verifier {
    settings: [u8; 32],
    keys: KeyPrint,
}

impl Verifier {
    fn of(issuer: &Issuer) -> Self {
        let settings = format!("{:?}", issuer.spec);
        let digest = digest::digest(&digest::SHA256, settings.as_bytes());
        let mut settings = [0; 32];
        settings.copy_from_slice(digest.as_ref());
        let keys = issuer.key_set().print();
        Self { settings, keys }
    }
}

impl TokenCache {
    /// The tokens that the keys in force have verified.
    pub fn hand_over(&self, issuers: &[Arc<Issuer>]) -> Vec<HandedToken> {
        let mut all = Vec::new();
        for (at, issuer) in issuers.iter().enumerate() {
            let by = Verifier::of(issuer);
            self.each_of(IssuerId(at), issuer.key_set_id(), |verified| {
                all.push(HandedToken {
                    issuer: Box::from(&*verified.issuer),
                    by: by.clone(),
                    key: verified.key,
                    tag: verified.tag,
                    claims: verified.claims.to_json(),
                });
            });
        }
        all
    }

    /// Takes tokens that another process has verified, with the same tagger, if this one would do
    /// so by the same keys and settings.
    pub fn take(&self, handed: &[HandedToken], issuers: &[Arc<Issuer>]) {
        for (at, issuer) in issuers.iter().enumerate() {
            let (by, set) = (Verifier::of(issuer), issuer.key_set_id());
            let same = handed
                .iter()
                .filter(|token| *token.issuer == *issuer.spec.name && token.by == by);
            for token in same {
                let Ok(claims) = Claims::parse(token.claims.as_bytes()) else {
                    continue;
                };
                let verified = Rc::new(Verified {
                    issuer: Arc::clone(&issuer.spec.name),
                    key: token.key,
                    claims,
                    tag: token.tag,
                });
                self.insert(IssuerId(at), &verified, set);
            }
        }
    }
}

/// Those of all workers, each once, and no more than are handed over.
pub fn merge(of_workers: impl IntoIterator<Item = Vec<HandedToken>>) -> Vec<HandedToken> {
    let mut seen = HashSet::new();
    let all = of_workers.into_iter().flatten();
    let each = all.filter(|token| seen.insert((token.tag, token.issuer.clone())));
    each.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::{Tagger, TaggerKey};
    use crate::token::Algorithm;
    use crate::token::issuer::{Audience, IssuerSpec, KeySource, Keys};
    use crate::token::keys::{Key, KeySet};

    fn issuer(leeway: u64, secret: u8) -> Arc<Issuer> {
        let spec = IssuerSpec {
            name: "staff".into(),
            algorithms: [Algorithm::HS256].into(),
            keys: KeySource::File("key.pem".into()),
            issuers: None,
            audience: Audience::Any,
            sources: [].into(),
            leeway: Duration::from_secs(leeway),
            max_lifetime: Duration::from_secs(3600),
            revoked_file: None,
        };
        let keys = KeySet::new(vec![Key::secret(&[secret; 32])], &spec.algorithms);
        Arc::new(Issuer {
            spec: Arc::new(spec),
            keys: Keys::Fixed(Arc::new(keys)),
            revoked: Default::default(),
        })
    }

    #[test]
    fn tokens_are_known_where_the_same_keys_and_settings_would_verify_them() {
        let tagger = Tagger::new(TaggerKey::default()).unwrap();
        let (cache, issuers) = (TokenCache::new(Arc::clone(&tagger)), [issuer(30, 1)]);
        let (id, set) = (IssuerId(0), issuers[0].key_set_id());
        let verified = Rc::new(Verified {
            issuer: "staff".into(),
            key: KeyPrint::default(),
            claims: Claims::parse(br#"{"exp":4000000000,"sub":"alice","n":1.5}"#).unwrap(),
            tag: cache.tag("a.b.c"),
        });
        cache.insert(id, &verified, set);
        let handed = merge([cache.hand_over(&issuers), cache.hand_over(&issuers)]);
        assert_eq!(handed.len(), 1);
        let text = serde_json::to_string(&(handed, tagger.hand_over())).unwrap();
        let (handed, key): (Vec<HandedToken>, TaggerKey) = serde_json::from_str(&text).unwrap();
        let known = |issuers: [Arc<Issuer>; 1]| {
            let other = TokenCache::new(Tagger::new(key.clone()).unwrap());
            other.take(&handed, &issuers);
            other.get(other.tag("a.b.c"), id, issuers[0].key_set_id())
        };
        assert_eq!(known([issuer(30, 1)]).unwrap().claims, verified.claims);
        assert!(known([issuer(31, 1)]).is_none(), "other settings");
        assert!(known([issuer(30, 2)]).is_none(), "another key");
    }
}
