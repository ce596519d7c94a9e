//! Issuers: what the configuration says of them, their keys, and whether they accept a token.

mod fetched;
mod judge;
mod spec;
mod verified;

pub use fetched::{Fetched, KeyLookup, KeyRequest, Requester, report_asked, report_too_many};
pub use judge::{Issuer, Keys};
pub use spec::{Audience, IssuerSpec, KeyEndpoint, KeySource};
pub use verified::{Tag, Verified};
