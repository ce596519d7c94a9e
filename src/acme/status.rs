//! The status of each managed certificate, for metrics and the status page.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::spec::CertSpec;
use crate::clock::UnixTime;
use crate::store::Name;

/// The status of all managed certificates. Their tasks write it.
#[derive(Debug, Default)]
pub struct CertStatuses(Mutex<BTreeMap<Name, CertStatus>>);

/// The status of a managed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertStatus {
    /// The certificate's name.
    pub name: Name,
    /// The hosts that it is or will be for.
    pub hosts: Vec<String>,
    /// When the certificate that is in service expires.
    pub not_after: Option<UnixTime>,
    /// When the next order is due.
    pub next: Option<UnixTime>,
    /// Why the next order is due then.
    pub why: String,
    /// Successful orders since the start.
    pub issued: u64,
    /// Failed orders since the start.
    pub failed: u64,
    /// Failed orders since the last successful one.
    pub failures: u32,
    /// The error of the last failed order.
    pub error: Option<String>,
    /// Whether the certificate is being ordered now.
    pub is_ordering: bool,
}

impl CertStatus {
    fn new(cert: &CertSpec) -> Self {
        Self {
            name: cert.name.clone(),
            hosts: cert.host_names(),
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

impl CertStatuses {
    /// No certificates yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, CertStatus>> {
        self.0.lock()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<CertStatus> {
        self.lock().values().cloned().collect()
    }

    /// Adds a certificate, or updates the hosts of one that is there.
    pub(super) fn begin(&self, cert: &CertSpec) {
        let mut all = self.lock();
        let status = all
            .entry(cert.name.clone())
            .or_insert_with(|| CertStatus::new(cert));
        status.hosts = cert.host_names();
    }

    /// Changes the status of a certificate, unless the certificate is no longer managed.
    pub(super) fn change(&self, cert: &CertSpec, change: impl FnOnce(&mut CertStatus)) {
        if let Some(status) = self.lock().get_mut(&cert.name) {
            change(status);
        }
    }

    /// Keeps the certificates that are still managed.
    pub(super) fn retain(&self, is_managed: impl Fn(&Name) -> bool) {
        self.lock().retain(|name, _| is_managed(name));
    }
}
