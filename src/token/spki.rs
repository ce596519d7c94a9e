//! Public keys from files: PEM or DER, as SubjectPublicKeyInfo, PKCS#1 or a certificate.

use aws_lc_rs::signature::RsaPublicKeyComponents;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::keys::{BadKey, Key};

/// Every public key of a PEM file.
pub(super) fn from_pem(text: &[u8]) -> Result<Vec<Key>, BadKey> {
    let mut keys = Vec::new();
    for section in Pem::iter_from_buffer(text) {
        let Pem { label, contents } = section.map_err(|_| BadKey::Kind)?;
        match label.as_str() {
            "PUBLIC KEY" => keys.push(from_spki(&contents)?),
            "RSA PUBLIC KEY" => keys.push(from_rsa(&contents)?),
            "CERTIFICATE" => {
                let (_, certificate) =
                    x509_parser::parse_x509_certificate(&contents).map_err(|_| BadKey::Kind)?;
                keys.push(from_spki(certificate.public_key().raw)?);
            }
            label if label.ends_with("PRIVATE KEY") => return Err(BadKey::Private),
            _ => return Err(BadKey::Kind),
        }
    }
    if keys.is_empty() {
        Err(BadKey::Kind)
    } else {
        Ok(keys)
    }
}

/// A key in DER: SubjectPublicKeyInfo, or a bare RSAPublicKey of PKCS#1, which Rust programs often
/// write.
pub(super) fn from_der(der: &[u8]) -> Result<Key, BadKey> {
    from_spki(der).or_else(|error| match from_rsa(der) {
        Ok(key) => Ok(key),
        Err(short @ BadKey::Short(_)) => Err(short),
        Err(_) => Err(error),
    })
}

fn from_spki(der: &[u8]) -> Result<Key, BadKey> {
    let (rest, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| BadKey::Kind)?;
    if !rest.is_empty() {
        return Err(BadKey::Kind);
    }
    let key = &info.subject_public_key.data;
    let algorithm = &info.algorithm.algorithm;
    let curve = info
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.as_oid().ok());
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        from_rsa(key)
    } else if *algorithm == OID_SIG_ED25519 {
        Key::ed25519(key)
    } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        && curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
    {
        Key::ec(key)
    } else {
        Err(BadKey::Kind)
    }
}

fn from_rsa(der: &[u8]) -> Result<Key, BadKey> {
    let public = aws_lc_rs::rsa::PublicKey::from_der(der).map_err(|_| BadKey::Kind)?;
    let parts = RsaPublicKeyComponents::<Vec<u8>>::from(&public);
    Key::rsa(&parts.n, &parts.e)
}
