//! Fetched keys, for the process that replaces this one.

use serde::{Deserialize, Serialize};

use super::{Algorithm, BadKey, Key, KeySet};

/// What a public key is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Material {
    /// An RSA key: modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point on P-256 or P-384.
    Ec(Vec<u8>),
    /// An Ed25519 key.
    Ed25519(Vec<u8>),
}

/// A public key that is handed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandedKey {
    kid: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    material: Material,
}

impl HandedKey {
    fn key(self) -> Result<Key, BadKey> {
        let mut key = match &self.material {
            Material::Rsa(n, e) => Key::rsa(n, e),
            Material::Ec(point) => Key::ec(point),
            Material::Ed25519(point) => Key::ed25519(point),
        }?;
        key.algorithms
            .retain(|algorithm| self.algorithms.contains(algorithm));
        key.kid = self.kid;
        Ok(key)
    }
}

impl KeySet {
    /// The public keys in their order. Secrets are not fetched, and stay.
    pub fn hand_over(&self) -> Vec<HandedKey> {
        let keys = self.keys.iter();
        let handed = keys.filter_map(|key| {
            Some(HandedKey {
                kid: key.kid.clone(),
                algorithms: key.algorithms.clone(),
                material: key.material.clone()?,
            })
        });
        handed.collect()
    }

    /// A set of keys of another process, restricted to these algorithms. What is no key here is
    /// left out.
    pub fn handed_over(keys: Vec<HandedKey>, algorithms: &[Algorithm]) -> Self {
        let keys = keys.into_iter().filter_map(|key| key.key().ok());
        Self::new(keys.collect(), algorithms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_in_the_other_process() {
        let keys = vec![
            Key::ed25519(&[7; 32]).unwrap().named("a"),
            Key::ec(&[&[4][..], &[1; 64]].concat()).unwrap(),
            Key::rsa(&[0xff; 256], &[1, 0, 1]).unwrap().named("b"),
            Key::secret(&[1; 32]).named("c"),
        ];
        let algorithms = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];
        let set = KeySet::new(keys, &algorithms);
        let text = serde_json::to_string(&set.hand_over()).unwrap();
        let other = KeySet::handed_over(serde_json::from_str(&text).unwrap(), &algorithms);
        assert_eq!(
            other.names().collect::<Vec<_>>(),
            [Some("a"), None, Some("b")]
        );
        assert_eq!(other.print(), set.print());
        assert_ne!(other.id(), set.id());
        // Fewer algorithms by now.
        let other = KeySet::handed_over(set.hand_over(), &[Algorithm::ES256]);
        assert_eq!(other.names().collect::<Vec<_>>(), [None]);
        assert_ne!(other.print(), set.print());
    }
}
