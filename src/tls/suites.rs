//! The cryptography of TLS: that of `aws_lc_rs`, with another way to the keys of TLS 1.3.
//!
//! A handshake derives some twenty values by HKDF (RFC 8446, section 7.1), each from a secret that
//! several have in common. The HKDF of `aws_lc_rs` prepares that secret, and even extracts it, once
//! for each value. [`HkdfUsingHmac`] of rustls, which is used here over the same HMAC, prepares it
//! once: a third of the hashing in a handshake is saved.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use rustls::crypto::hash::HashAlgorithm;
use rustls::crypto::hmac::{Hmac, Key, Tag};
use rustls::crypto::tls13::{Hkdf, HkdfUsingHmac};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, aws_lc_rs as library};
use rustls::{SupportedCipherSuite, Tls13CipherSuite};

/// The cryptography, with AEAD and ECDHE suites only. It is always passed explicitly, because a
/// process-wide default would be state shared with libraries and among tests.
pub(super) fn provider() -> CryptoProvider {
    let mut provider = library::default_provider();
    for suite in &mut provider.cipher_suites {
        let name = suite.suite();
        if let Some(own) = TLS13.iter().find(|own| own.common.suite == name) {
            *suite = SupportedCipherSuite::Tls13(own);
        }
    }
    provider
}

/// The suites of TLS 1.3.
static TLS13: LazyLock<Vec<Tls13CipherSuite>> = LazyLock::new(|| {
    let suites = library::DEFAULT_CIPHER_SUITES.iter();
    suites
        .filter_map(|suite| with_own_hkdf(suite.tls13()?))
        .collect()
});

fn with_own_hkdf(suite: &'static Tls13CipherSuite) -> Option<Tls13CipherSuite> {
    let CipherSuiteCommon {
        suite: name,
        hash_provider,
        confidentiality_limit,
    } = suite.common;
    let hkdf_provider: &dyn Hkdf = match hash_provider.algorithm() {
        HashAlgorithm::SHA256 => &HKDF_SHA256,
        HashAlgorithm::SHA384 => &HKDF_SHA384,
        _ => return None,
    };
    Some(Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: name,
            hash_provider,
            confidentiality_limit,
        },
        hkdf_provider,
        aead_alg: suite.aead_alg,
        quic: None,
    })
}

static HKDF_SHA256: HkdfUsingHmac<'static> = HkdfUsingHmac(&HmacOf(hmac::HMAC_SHA256));
static HKDF_SHA384: HkdfUsingHmac<'static> = HkdfUsingHmac(&HmacOf(hmac::HMAC_SHA384));

/// HMAC with one hash function.
struct HmacOf(hmac::Algorithm);

impl Hmac for HmacOf {
    fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
        Box::new(HmacKey(hmac::Key::new(self.0, key)))
    }

    fn hash_output_len(&self) -> usize {
        self.0.tag_len()
    }
}

/// A key whose two blocks have been hashed already.
struct HmacKey(hmac::Key);

impl Key for HmacKey {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(first);
        middle.iter().for_each(|part| context.update(part));
        context.update(last);
        Tag::new(context.sign().as_ref())
    }

    fn tag_len(&self) -> usize {
        self.0.algorithm().tag_len()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::tls13::OkmBlock;

    use super::*;

    const SECRETS: [&[u8]; 4] = [&[], &[7], &[0x5a; 48], &[0xc3; 200]];
    const SALTS: [Option<&[u8]>; 4] = [None, Some(&[]), Some(&[1; 32]), Some(&[2; 160])];
    const INFOS: [&[&[u8]]; 3] = [
        &[],
        &[b"key"],
        &[&[0, 12], &[9], b"tls13 key", &[], &[3; 300]],
    ];

    /// What is derived from a secret and a salt.
    fn derived(hkdf: &dyn Hkdf, salt: Option<&[u8]>, secret: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for expander in [
            hkdf.extract_from_secret(salt, secret),
            hkdf.extract_from_zero_ikm(salt),
        ] {
            for info in INFOS {
                let block = expander.expand_block(info);
                for len in [1, 12, 16, 32, 100] {
                    let mut out = vec![0; len];
                    expander.expand_slice(info, &mut out).unwrap();
                    all.push(out);
                }
                all.push(hkdf.hmac_sign(&block, secret).as_ref().to_vec());
                let next = hkdf.expander_for_okm(&OkmBlock::new(block.as_ref()));
                assert_eq!(next.hash_len(), expander.hash_len());
                all.push(next.expand_block(info).as_ref().to_vec());
                all.push(block.as_ref().to_vec());
            }
        }
        all
    }

    #[test]
    fn keys_are_those_of_the_library() {
        let default = library::default_provider().cipher_suites;
        let own = provider().cipher_suites;
        let mut count = 0;
        for (own, default) in own.iter().zip(&default) {
            assert_eq!(own.suite(), default.suite());
            let (Some(own), Some(default)) = (own.tls13(), default.tls13()) else {
                assert_eq!(own, default);
                continue;
            };
            count += 1;
            for (salt, secret) in SALTS
                .iter()
                .flat_map(|salt| SECRETS.map(|one| (*salt, one)))
            {
                assert_eq!(
                    derived(own.hkdf_provider, salt, secret),
                    derived(default.hkdf_provider, salt, secret)
                );
            }
        }
        assert_eq!((own.len(), count), (default.len(), 3));
    }

    #[test]
    fn what_is_too_long_is_not_derived() {
        for suite in TLS13.iter() {
            let expander = suite.hkdf_provider.extract_from_zero_ikm(None);
            let mut most = vec![0; 255 * expander.hash_len()];
            assert!(expander.expand_slice(&[b"x"], &mut most).is_ok());
            most.push(0);
            assert!(expander.expand_slice(&[b"x"], &mut most).is_err());
        }
    }
}
