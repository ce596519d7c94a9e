//! Who they say they are: signed tokens (JWT, RFC 7519), judged as RFC 8725 advises.
//!
//! ```text
//! request ─ location ─▶ text ─ jws ─▶ Parts ─ Issuer::verify (keys) ─▶ Verified ─ Issuer::judge ─▶ policy
//!                                             once, then remembered      on every use
//! ```
//!
//! The algorithm is bound to the key, never taken from the token; what a token carries of keys or
//! places to get them from (`jwk`, `jku`, `x5c`, `x5u`) is not looked at.

pub mod claims;
pub mod issuer;
pub mod jws;
pub mod keys;
pub mod load;
pub mod location;
pub mod revoked;

mod algorithms;
mod bad_token;
mod spki;

pub use algorithms::{ALGORITHMS, Algorithm};
pub use bad_token::BadToken;
