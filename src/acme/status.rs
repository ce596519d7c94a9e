//! What there is to be seen of the ordering, for metrics and the status page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::CertSpec;
use crate::clock::UnixTime;
use crate::store::Name;

/// Shared by the keepers, which write, and by whoever looks.
#[derive(Debug, Default)]
pub struct Seen(Mutex<BTreeMap<Name, CertStatus>>);

/// A certificate that is looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertStatus {
    /// What it is called.
    pub name: Name,
    /// What it is, or is to be, for.
    pub hosts: Vec<String>,
    /// When the one that is there ends.
    pub not_after: Option<UnixTime>,
    /// When the next order is due, and why then.
    pub next: Option<UnixTime>,
    /// Why then.
    pub why: String,
    /// Orders that led to a certificate, since the start.
    pub issued: u64,
    /// Orders that did not, since the start.
    pub failed: u64,
    /// How many have failed since the last that did not.
    pub failures: u32,
    /// What the last one failed of.
    pub error: Option<String>,
    /// Whether it is being ordered now.
    pub is_ordering: bool,
}

impl CertStatus {
    fn new(cert: &CertSpec) -> Self {
        Self {
            name: cert.name.clone(),
            hosts: cert
                .hosts
                .iter()
                .map(|host| host.as_str().to_owned())
                .collect(),
            not_after: None,
            next: None,
            why: String::new(),
            issued: 0,
            failed: 0,
            failures: 0,
            error: None,
            is_ordering: false,
        }
    }
}

impl Seen {
    /// Nothing to be seen yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<CertStatus> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Begins with one, or goes on with it for the hosts that it is for now.
    pub(super) fn begin(&self, cert: &CertSpec) {
        let new = CertStatus::new(cert);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = new.hosts.clone();
        all.entry(cert.name.clone()).or_insert(new).hosts = hosts;
    }

    /// Changes what is to be seen of one. Whoever is still at it when nobody wants it any more,
    /// changes nothing.
    pub(super) fn change(&self, cert: &CertSpec, change: impl FnOnce(&mut CertStatus)) {
        if let Some(seen) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(&cert.name)
        {
            change(seen);
        }
    }

    /// Keeps those that are still looked after.
    pub(super) fn retain(&self, is_kept: impl Fn(&Name) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|name, _| is_kept(name));
    }
}
