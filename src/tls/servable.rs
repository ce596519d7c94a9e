//! A certificate that was not read from a file of `[tls]` and can be served.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::entry::CertEntry;
use super::info::{CertInfo, Origin};
use super::pem::PemFile;
use super::problem::Problem;
use super::{load, x509};
use crate::secret::Secret;

/// A certificate with its key that can be served.
#[derive(Clone)]
pub struct ServableCert {
    /// The name in the cache. A later certificate with this name replaces it.
    pub(super) name: Box<str>,
    entry: Arc<CertEntry>,
}

/// Serial number and issuer of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafFacts {
    /// The serial number: hexadecimal, lower case, no separators.
    pub serial: String,
    /// The issuer's common name, or its whole name if it has none.
    pub issuer: String,
}

impl ServableCert {
    /// Reads a chain and a key from PEM. Messages name `place`, where they are stored, and
    /// `config_key`, which configures them.
    ///
    /// # Errors
    /// If they cannot be served.
    pub fn new(
        name: &str,
        chain: &str,
        key: &Secret<String>,
        place: PathBuf,
        config_key: &str,
    ) -> Result<Self, Problem> {
        let chain = PemFile::parse(chain.as_bytes())
            .map_err(Problem::Damaged)?
            .chain()?;
        let key = PemFile::parse(key.reveal().as_bytes())
            .map_err(Problem::Damaged)?
            .key()?;
        let entry = load::entry(chain, key, place, config_key, Origin::Ordered)?;
        Ok(Self::of(name, entry))
    }

    pub(super) fn of(name: &str, entry: CertEntry) -> Self {
        Self {
            name: name.into(),
            entry: Arc::new(entry),
        }
    }

    /// Its names, validity and origin.
    pub fn info(&self) -> &CertInfo {
        &self.entry.info
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.entry.leaf()
    }

    /// Its serial number and issuer.
    ///
    /// # Errors
    /// If the certificate cannot be parsed.
    pub fn facts(&self) -> Result<LeafFacts, Problem> {
        let leaf = self.leaf().ok_or(Problem::NoCertificate)?;
        leaf_facts(leaf)
    }

    pub(super) fn entry(&self) -> &Arc<CertEntry> {
        &self.entry
    }
}

impl fmt::Debug for ServableCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServableCert")
            .field(&self.name)
            .field(&self.entry.info)
            .finish()
    }
}

/// The serial number and issuer of a certificate.
///
/// # Errors
/// If the certificate cannot be parsed.
pub fn leaf_facts(leaf: &CertificateDer<'_>) -> Result<LeafFacts, Problem> {
    let cert = x509::parse(leaf)?;
    let serial = x509::serial_digits(cert.raw_serial());
    let common_name = cert
        .issuer()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    let issuer = common_name.map_or_else(|| cert.issuer().to_string(), str::to_owned);
    Ok(LeafFacts { serial, issuer })
}
