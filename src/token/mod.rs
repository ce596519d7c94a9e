//! Signed tokens (JWT, RFC 7519), checked as RFC 8725 advises.
//!
//! ```text
//! request ─ location ─▶ text ─ jws ─▶ Parts ─ Issuer::verify ─▶ Verified ─ Issuer::judge ─▶ policy
//!                                             once, then cached          on every use
//! ```
//!
//! The algorithm is bound to the key, never taken from the token. Keys in a token's header, and
//! URLs of keys (`jwk`, `jku`, `x5c`, `x5u`), are ignored.

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
