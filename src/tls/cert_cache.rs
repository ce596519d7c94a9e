//! The certificates that are served beside those of `[tls]`: ordered ones, and placeholders until
//! those are issued.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::placeholder::Placeholders;
use super::servable::ServableCert;
use super::{LoadError, TlsSpec};

/// The ordered certificates. Certificate tasks add them, and each new table includes them.
#[derive(Debug, Default)]
pub struct CertCache {
    all: Mutex<Vec<ServableCert>>,
    placeholders: Placeholders,
    changed: Notify,
}

impl CertCache {
    /// An empty cache.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a certificate, or replaces the one of the same name.
    pub fn put(&self, new: ServableCert) {
        let mut all = self.all.lock();
        match all.iter_mut().find(|old| old.name == new.name) {
            Some(old) => *old = new,
            None => all.push(new),
        }
        self.changed.notify_one();
    }

    /// Removes every certificate whose name is not wanted.
    pub fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        let mut all = self.all.lock();
        let before = all.len();
        all.retain(|cert| is_wanted(&cert.name));
        if all.len() < before {
            self.changed.notify_one();
        }
    }

    /// All certificates, without placeholders.
    pub fn all(&self) -> Vec<ServableCert> {
        self.all.lock().clone()
    }

    /// The certificates for a table with this specification, in its order, followed by placeholders
    /// for the missing ones if the specification asks for them. A placeholder stays the same while
    /// it is needed, so that users accept it once. The errors say why a placeholder could not be
    /// generated; handshakes for its hosts fail.
    pub fn for_table(
        &self,
        spec: &TlsSpec,
        now: SystemTime,
    ) -> (Vec<ServableCert>, Vec<LoadError>) {
        // The table includes every change up to here.
        _ = std::pin::pin!(self.changed.notified()).as_mut().enable();
        let mut all = self.all();
        let position = |cert: &ServableCert| {
            spec.ordered
                .iter()
                .position(|ordered| ordered.config_key == cert.info().config_key)
        };
        all.sort_by_key(|cert| position(cert).unwrap_or(usize::MAX));
        let (placeholders, errors) = self.placeholders.of(spec, &all, now);
        all.extend(placeholders);
        (all, errors)
    }

    /// Resolves when the cache has changed since the last call resolved, or since the last table
    /// was built.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
