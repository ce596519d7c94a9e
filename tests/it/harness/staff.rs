//! Issuers with a secret each, and tokens of a subject.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::token;
pub(crate) use super::token::SECRET;

/// An issuer `staff`, with its secret and more lines.
pub(crate) fn issuer(lines: &str) -> String {
    issuer_named("staff", SECRET, lines)
}

/// An issuer with a secret and more lines.
pub(crate) fn issuer_named(name: &str, secret: &str, lines: &str) -> String {
    format!(
        "[issuers.{name}]\nalgorithms = [\"HS256\"]\nsecret = \"{secret}\"\naudience = \"any\"\n\
         {lines}"
    )
}

/// A token of `staff` for a subject, that expires in this many seconds.
pub(crate) fn token(subject: &str, seconds: i64) -> String {
    mint(SECRET, &json!({ "sub": subject, "exp": now() + seconds }))
}

/// A token with these claims.
pub(crate) fn mint(secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(
        &Header::default(),
        claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    token::now().try_into().unwrap()
}
