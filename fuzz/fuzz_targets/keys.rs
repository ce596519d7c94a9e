//! Keys of issuers, from files and from servers: whatever they are, none of them panics, and a set
//! verifies no token that it did not sign.
//!
//! Input: a file of keys.
#![no_main]

use ianitor::json;
use ianitor::token::keys::{KeySet, from_public_json};
use ianitor::token::{Algorithm, jws, load};
use libfuzzer_sys::fuzz_target;

const ALL: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// `{"alg":"…","kid":"a"}`, `{}` and no signature.
const TOKENS: [&str; 3] = [
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.e30.AAAA",
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.AAAA",
];

fuzz_target!(|data: &[u8]| {
    if let Ok(keys) = load::parse(data) {
        check(&KeySet::new(keys, &ALL));
    }
    if let Ok(keys) = load::parse_pem(data) {
        check(&KeySet::new(keys, &ALL));
    }
    let public = json::parse_object(data)
        .ok()
        .and_then(|set| from_public_json(&set).ok());
    if let Some(keys) = public {
        check(&KeySet::new(keys, &ALL));
    }
});

fn check(set: &KeySet) {
    assert_eq!(set.is_empty(), set.len() == 0);
    assert_eq!(set.names().count(), set.len());
    assert!(set.names().flatten().all(|name| set.has(name)));
    let none = set.narrowed(&[]);
    assert!(none.is_empty());
    for token in TOKENS {
        let parts = jws::split(token).expect("a token");
        assert!(set.verify(&parts).is_err());
    }
}
