//! Private keys: a new one for each certificate.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, RsaKeySize};

use super::spec::KeyType;
use crate::host::HostName;

impl KeyType {
    /// Generates a key. RSA blocks for up to a second.
    pub(super) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        }
    }
}

/// The request for a certificate of this key, DER. Names are in the subject alternative names
/// only, since some CAs reject a common name.
pub(super) fn signing_request(key: &KeyPair, hosts: &[HostName]) -> Result<Vec<u8>, rcgen::Error> {
    let names: Vec<String> = hosts.iter().map(|host| host.as_str().to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_made_and_asked_for() {
        for (name, kind) in KeyType::NAMES {
            let key = kind.generate().unwrap();
            assert_eq!(kind.name(), name);
            assert!(
                !signing_request(&key, &["a.example".parse().unwrap()])
                    .unwrap()
                    .is_empty(),
                "{name}"
            );
        }
    }
}
