//! Certificates that nobody wrote into `[tls]`: ordered from a CA, or made to stand in until one
//! comes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use super::certs::Entry;
use super::info::{CertInfo, Origin};
use super::pem::PemFile;
use super::placeholder::Placeholders;
use super::problem::Problem;
use super::{LoadError, TlsSpec, load, x509};
use crate::secret::Secret;

/// A certificate with its key that can be served.
#[derive(Clone)]
pub struct ServableCert {
    /// What it is called; a later one of this name takes its place.
    name: Box<str>,
    entry: Arc<Entry>,
}

/// What a certificate says about itself, for people and for schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafFacts {
    /// Its number at the CA: hexadecimal, lower case, no separators.
    pub serial: String,
    /// Who signed it: the common name, or the whole name where there is none.
    pub issuer: String,
}

impl ServableCert {
    /// Reads a chain and a key from PEM. `place` is where they are kept and `config_key` what asked
    /// for them, both for people.
    ///
    /// # Errors
    /// Why they cannot be served.
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

    pub(super) fn of(name: &str, entry: Entry) -> Self {
        Self {
            name: name.into(),
            entry: Arc::new(entry),
        }
    }

    /// What it is.
    pub fn info(&self) -> &CertInfo {
        &self.entry.info
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.entry.leaf()
    }

    /// What it says about itself.
    ///
    /// # Errors
    /// That it cannot be understood.
    pub fn facts(&self) -> Result<LeafFacts, Problem> {
        let leaf = self.leaf().ok_or(Problem::NoCertificate)?;
        leaf_facts(leaf)
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
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

/// What a certificate says about itself.
///
/// # Errors
/// That it cannot be understood.
pub fn leaf_facts(leaf: &CertificateDer<'_>) -> Result<LeafFacts, Problem> {
    let cert = x509::parse(leaf)?;
    let serial = cert
        .raw_serial()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let common_name = cert
        .issuer()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    let issuer = common_name.map_or_else(|| cert.issuer().to_string(), str::to_owned);
    Ok(LeafFacts { serial, issuer })
}

/// The managed certificates that there are: whoever orders puts them here, and whoever builds a
/// table takes them.
#[derive(Debug, Default)]
pub struct CertCache {
    all: Mutex<Vec<ServableCert>>,
    placeholders: Placeholders,
    changed: Notify,
}

impl CertCache {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts a certificate in the place of the one of its name.
    pub fn put(&self, new: ServableCert) {
        let mut all = self.all.lock();
        match all.iter_mut().find(|old| old.name == new.name) {
            Some(old) => *old = new,
            None => all.push(new),
        }
        self.changed.notify_one();
    }

    /// Keeps those that are still wanted.
    pub fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        let mut all = self.all.lock();
        let before = all.len();
        all.retain(|one| is_wanted(&one.name));
        if all.len() < before {
            self.changed.notify_one();
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<ServableCert> {
        self.all.lock().clone()
    }

    /// What a table with this specification takes: all of them, in the order in which it names
    /// them, and placeholders for those that have not come yet, if it wants any. A placeholder
    /// stays the same for as long as it is needed, so that clients that were told to accept it are
    /// not asked again. What could not be made goes beside them: its hosts are not answered.
    pub fn for_table(
        &self,
        spec: &TlsSpec,
        now: SystemTime,
    ) -> (Vec<ServableCert>, Vec<LoadError>) {
        // What was changed up to here is in the table.
        _ = std::pin::pin!(self.changed.notified()).as_mut().enable();
        let mut all = self.all();
        let place = |one: &ServableCert| {
            spec.ordered
                .iter()
                .position(|wanted| wanted.config_key == one.info().config_key)
        };
        all.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
        let (placeholders, errors) = self.placeholders.of(spec, &all, now);
        all.extend(placeholders);
        (all, errors)
    }

    /// Resolves when something was put or taken away since the last call resolved, or the last
    /// table was made.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
