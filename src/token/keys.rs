//! Keys and sets of keys. Each key has the algorithms that it may be used with.

mod handed;

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::jws::Parts;
use super::{ALGORITHMS, Algorithm, BadToken};
pub use handed::HandedKey;
use handed::Material;

/// The shortest RSA modulus in bytes (RFC 7518, section 3.3).
const RSA_MODULUS: usize = 256;

/// The shortest secret in bytes that is as strong as its hash (RFC 7518, section 3.2).
pub const STRONG_SECRET: usize = 32;

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    kid: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
    print: KeyPrint,
    /// What a public key is made of; `None` for secrets.
    material: Option<Material>,
}

/// The SHA-256 of a key. It tells which tokens were signed with a key that has been withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPrint([u8; 32]);

impl KeyPrint {
    fn of(parts: &[&[u8]]) -> Self {
        let mut print = Self::default();
        print
            .0
            .copy_from_slice(digest::digest(&digest::SHA256, &parts.concat()).as_ref());
        print
    }
}

impl Key {
    /// A shared secret.
    pub fn secret(secret: &[u8]) -> Self {
        let algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        Self {
            kid: None,
            algorithms,
            key: DecodingKey::from_secret(secret),
            print: KeyPrint::of(&[secret]),
            material: None,
        }
    }

    /// An RSA key by its parts, big-endian.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        let n = &n[n.iter().take_while(|byte| **byte == 0).count()..];
        if n.len() < RSA_MODULUS {
            return Err(BadKey::Short(n.len() * 8));
        }
        use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
        let algorithms = vec![RS256, RS384, RS512, PS256, PS384, PS512];
        let print = KeyPrint::of(&[n, e]);
        Ok(Self {
            kid: None,
            algorithms,
            key: DecodingKey::from_rsa_raw_components(n, e),
            print,
            material: Some(Material::Rsa(n.to_vec(), e.to_vec())),
        })
    }

    /// A point on P-256 or P-384, uncompressed.
    pub(super) fn ec(point: &[u8]) -> Result<Self, BadKey> {
        let algorithm = match (point.first(), point.len()) {
            (Some(4), 65) => Algorithm::ES256,
            (Some(4), 97) => Algorithm::ES384,
            _ => return Err(BadKey::Kind),
        };
        let print = KeyPrint::of(&[point]);
        Ok(Self {
            kid: None,
            algorithms: vec![algorithm],
            key: DecodingKey::from_ec_der(point),
            print,
            material: Some(Material::Ec(point.to_vec())),
        })
    }

    /// An Ed25519 key.
    pub(super) fn ed25519(point: &[u8]) -> Result<Self, BadKey> {
        if point.len() != 32 {
            return Err(BadKey::Kind);
        }
        let print = KeyPrint::of(&[point]);
        Ok(Self {
            kid: None,
            algorithms: vec![Algorithm::EdDSA],
            key: DecodingKey::from_ed_der(point),
            print,
            material: Some(Material::Ed25519(point.to_vec())),
        })
    }

    /// The same key with this id.
    #[must_use]
    pub fn named(self, kid: &str) -> Self {
        Self {
            kid: Some(kid.into()),
            ..self
        }
    }

    /// A JWK (RFC 7517) for signatures.
    fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, BadKey> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| {
            let text = text(name).ok_or(BadKey::Jwk)?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| BadKey::Jwk)
        };
        if jwk.contains_key("d") {
            return Err(BadKey::Private);
        }
        if text("use").is_some_and(|usage| usage != "sig") {
            return Err(BadKey::Kind);
        }
        let point = || Ok([&[4][..], &bytes("x")?, &bytes("y")?].concat());
        let mut key = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => Self::rsa(&bytes("n")?, &bytes("e")?),
            (Some("EC"), Some("P-256" | "P-384")) => Self::ec(&point()?),
            (Some("OKP"), Some("Ed25519")) => Self::ed25519(&bytes("x")?),
            (Some("oct"), _) => match bytes("k")? {
                none if none.is_empty() => Err(BadKey::Jwk),
                secret => Ok(Self::secret(&secret)),
            },
            _ => Err(BadKey::Kind),
        }?;
        if let Some(alg) = text("alg") {
            key.algorithms
                .retain(|algorithm| ALGORITHMS.contains(&(alg, *algorithm)));
        }
        key.kid = text("kid").map(Box::from);
        if key.algorithms.is_empty() {
            Err(BadKey::Kind)
        } else {
            Ok(key)
        }
    }

    /// Whether it is a secret that is shorter than its hash.
    fn is_weak(&self) -> bool {
        self.is_secret()
            && self
                .key
                .try_get_as_bytes()
                .is_ok_and(|secret| secret.len() < STRONG_SECRET)
    }

    fn is_secret(&self) -> bool {
        self.algorithms.contains(&Algorithm::HS256)
            || self.algorithms.contains(&Algorithm::HS384)
            || self.algorithms.contains(&Algorithm::HS512)
    }
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// A kind or curve that no supported algorithm uses, or a key that is not for signatures.
    Kind,
    /// A JWK that lacks a member, or has one that is not base64url.
    Jwk,
    /// An RSA modulus of this many bits, which is too short.
    Short(usize),
    /// A private key.
    Private,
}

/// The keys of one issuer, restricted to the algorithms that the issuer uses.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    id: KeySetId,
    keys: Vec<Key>,
}

/// Identifies a set of keys: a token that one set verifies may not be verified by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySetId(u64);

impl KeySetId {
    /// An id that no other set has.
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl KeySet {
    /// Whether one of the keys is a secret that is shorter than its hash.
    pub(super) fn is_weak(&self) -> bool {
        self.keys.iter().any(Key::is_weak)
    }

    /// The keys that are for one of these algorithms.
    pub fn new(keys: Vec<Key>, algorithms: &[Algorithm]) -> Self {
        let narrowed = keys.into_iter().map(|mut key| {
            key.algorithms
                .retain(|algorithm| algorithms.contains(algorithm));
            key
        });
        Self {
            id: KeySetId::next(),
            keys: narrowed.filter(|key| !key.algorithms.is_empty()).collect(),
        }
    }

    /// Which set it is.
    pub fn id(&self) -> KeySetId {
        self.id
    }

    /// The same for sets that verify the same tokens, in any process.
    pub fn print(&self) -> KeyPrint {
        let keys = self.keys.iter().map(|key| {
            let text = format!("{:?} {:?} {:?}\n", key.kid, key.algorithms, key.print);
            text.into_bytes()
        });
        KeyPrint::of(&[&keys.collect::<Vec<_>>().concat()])
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The ids of the keys, in their order.
    pub fn names(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.kid.as_deref())
    }

    /// Whether a key has this id.
    pub fn has(&self, kid: &str) -> bool {
        self.names().any(|name| name == Some(kid))
    }

    /// Whether a key is for this algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.keys
            .iter()
            .any(|key| key.algorithms.contains(&algorithm))
    }

    /// With another key, which replaces a key of the same id.
    #[must_use]
    pub fn with(&self, key: Key, algorithms: &[Algorithm]) -> Self {
        let others = self
            .keys
            .iter()
            .filter(|other| other.kid.is_none() || other.kid != key.kid);
        let mut keys: Vec<Key> = others.cloned().collect();
        keys.push(key);
        Self::new(keys, algorithms)
    }

    /// Without the key of this id.
    #[must_use]
    pub fn without(&self, kid: &str) -> Self {
        let kept = self
            .keys
            .iter()
            .filter(|key| key.kid.as_deref() != Some(kid));
        Self {
            id: KeySetId::next(),
            keys: kept.cloned().collect(),
        }
    }

    /// Restricted to these algorithms.
    #[must_use]
    pub fn narrowed(&self, algorithms: &[Algorithm]) -> Self {
        Self::new(self.keys.clone(), algorithms)
    }

    /// Whether this key is in the set.
    pub fn has_key(&self, print: KeyPrint) -> bool {
        self.keys.iter().any(|key| key.print == print)
    }

    /// Finds the key that signed the token. A key without an id matches every `kid`.
    ///
    /// # Errors
    /// If no key signed it, or no key could have.
    pub fn verify(&self, parts: &Parts<'_>) -> Result<KeyPrint, BadToken> {
        if !self.is_for(parts.algorithm) {
            return Err(if self.is_empty() {
                BadToken::NoKey
            } else {
                BadToken::Algorithm
            });
        }
        let is_meant = |key: &&Key| {
            let same_name = || key.kid.is_none() || key.kid == parts.kid;
            key.algorithms.contains(&parts.algorithm) && (parts.kid.is_none() || same_name())
        };
        let mut meant = self.keys.iter().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return Err(BadToken::NoKey);
        }
        let signed = parts.signed.as_bytes();
        let verifies = |key: &&Key| {
            // An error means a key of another algorithm, which has been ruled out, or a malformed
            // signature.
            jsonwebtoken::crypto::verify(parts.signature, signed, &key.key, parts.algorithm)
                .unwrap_or(false)
        };
        meant
            .find(verifies)
            .map(|key| key.print)
            .ok_or(BadToken::Signature)
    }
}

/// The usable keys of a JWK or JWKS document.
///
/// # Errors
/// If it is neither, or a single key cannot be used. Unusable keys of a set are left out.
pub fn from_json(document: &Map<String, Value>) -> Result<Vec<Key>, BadKey> {
    let Some(keys) = document.get("keys") else {
        return Key::from_jwk(document).map(|key| vec![key]);
    };
    let keys = keys.as_array().ok_or(BadKey::Jwk)?;
    Ok(keys
        .iter()
        .filter_map(|key| Key::from_jwk(key.as_object()?).ok())
        .collect())
}

/// The keys of a published set. Secrets are left out: everybody could read them.
///
/// # Errors
/// As [`from_json`].
pub fn from_public_json(document: &Map<String, Value>) -> Result<Vec<Key>, BadKey> {
    Ok(from_json(document)?
        .into_iter()
        .filter(|key| !key.is_secret())
        .collect())
}
