//! Public keys of servers, known by their hash.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The SHA-256 of a public key (SubjectPublicKeyInfo), written `sha256/` and base64 (RFC 7469,
/// section 2.4; `curl --pinnedpubkey`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a key in DER.
    pub fn of(public_key: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, public_key).as_ref());
        Self(hash)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        // curl writes two slashes.
        let hash = text.strip_prefix("sha256/").ok_or(BadPin)?;
        let hash = hash
            .strip_prefix('/')
            .filter(|_| hash.len() > 44)
            .unwrap_or(hash);
        let bytes = BASE64_STANDARD.decode(hash).map_err(|_| BadPin)?;
        bytes.try_into().map(Self).map_err(|_| BadPin)
    }
}

/// The text is not a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no pin, which is \"sha256/\" and 44 characters of base64; `openssl x509 -in cert.pem \
     -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64` \
     prints them"
)]
pub struct BadPin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written_also_by_curl() {
        let pin = Pin::of(b"a key");
        let text = pin.to_string();
        assert_eq!(text.len(), "sha256/".len() + 44);
        assert_eq!(text.parse(), Ok(pin));
        let of_curl = text.replacen("sha256/", "sha256//", 1);
        assert_eq!(of_curl.parse(), Ok(pin));
        for bad in ["", "sha256/", "sha1/AAAA", &text[7..], &text[..50]] {
            assert_eq!(bad.parse::<Pin>(), Err(BadPin), "{bad}");
        }
    }
}
