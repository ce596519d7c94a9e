//! Issuers: what the configuration says of them, their keys, and whether they accept a token.

mod fetched;
mod judge;
mod spec;
mod verified;

pub use fetched::{Asker, Fetched, Looked, Want, settle, turn_away};
pub use judge::{Issuer, Keys};
pub use spec::{Audience, IssuerSpec, KeySource, Place};
pub use verified::{Tag, Verified};
