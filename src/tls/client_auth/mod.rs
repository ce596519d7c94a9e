//! Certificates of clients: what the handshake asks for, and whether a certificate counts.
//!
//! ```text
//! handshake ─ AskForCertificate: any whose key the client has ─▶ ClientCertificate
//! request ─── ClientAuthority (CAs, revocation lists) ─ verify ─▶ Validity or BadCertificate
//! policy ──── SubjectPattern, SanPattern ─ CertFacts
//! ```
//!
//! A handshake does not fail because of a certificate. The request is judged instead, by the files
//! that are in force then, since a resumed session does not verify anything again.

mod asking;
mod authority;
mod certificate;
mod dn;
mod files;
mod pattern;
mod reason;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use authority::{ClientAuthority, Validity};
pub use certificate::{CertFacts, ClientCertificate, San};
pub use dn::{BadDn, Dn};
pub use pattern::{SanPattern, SubjectPattern};
pub use reason::BadCertificate;

pub(super) use asking::AskForCertificate;

/// The files by which certificates of clients are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthSpec {
    /// PEM: the CAs.
    pub ca: PathBuf,
    /// PEM: their lists of revoked certificates; `None` if nothing is revoked.
    pub crl: Option<PathBuf>,
}
