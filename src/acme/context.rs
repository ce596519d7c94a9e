//! What the tasks of all certificates share: the store, the outputs, and the limits on orders.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::error::OrderError;
use super::failed_validations::FailedValidations;
use super::renewals::Renewals;
use super::status::CertStatuses;
use crate::store::{CertStore, Lock, Name, Stored};
use crate::tls::CertCache;
use crate::tls::challenges::Challenges;

/// How many orders may be open at a time: CAs limit that number too.
const ORDERS: usize = 4;

/// How often a lock that another process holds is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(500);

/// Called for each certificate that is in the store at the start, and for each new one.
pub type OnCertificate = Arc<dyn Fn(&Name, &Arc<Stored>) + Send + Sync>;

/// Where certificates and their status go, whatever the configuration is.
#[derive(Clone)]
pub struct CertOutputs {
    /// The certificates that the workers serve.
    pub cache: Arc<CertCache>,
    /// The responses to the challenges of CAs.
    pub challenges: Arc<Challenges>,
    /// Passes certificates on, as to other servers.
    pub on_certificate: OnCertificate,
    /// What metrics and the status page show.
    pub statuses: Arc<CertStatuses>,
}

impl fmt::Debug for CertOutputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertOutputs")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// A store and everything that an order needs beside its own specification.
#[derive(Debug)]
pub(super) struct AcmeContext {
    pub(super) store: Arc<dyn CertStore>,
    /// Where the store is.
    path: PathBuf,
    pub(super) outputs: CertOutputs,
    /// What operators have asked for.
    pub(super) renewals: Arc<Renewals>,
    /// One permit for each open order.
    pub(super) orders: Semaphore,
    pub(super) failed_validations: FailedValidations,
    /// Versions that were ordered for a configuration that a reload has replaced meanwhile.
    outdated: Mutex<HashMap<Name, u64>>,
}

impl AcmeContext {
    pub(super) fn new(
        store: Arc<dyn CertStore>,
        path: &Path,
        outputs: CertOutputs,
        renewals: Arc<Renewals>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            path: path.to_owned(),
            outputs,
            renewals,
            orders: Semaphore::new(ORDERS),
            failed_validations: FailedValidations::default(),
            outdated: Mutex::default(),
        })
    }

    /// For commands and tests: certificates go nowhere but into the store.
    pub(super) fn without_outputs(store: Arc<dyn CertStore>, path: &Path) -> Arc<Self> {
        let outputs = CertOutputs {
            cache: CertCache::new(),
            challenges: Challenges::new(),
            on_certificate: Arc::new(|_, _| {}),
            statuses: CertStatuses::new(),
        };
        Self::new(store, path, outputs, Arc::default())
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Notes that a version was ordered for a configuration that is no longer in force.
    pub(super) fn outdate(&self, name: &Name, version: u64) {
        let mut outdated = self.outdated.lock();
        outdated.insert(name.clone(), version);
    }

    /// Whether this process ordered the version for an earlier configuration. Any other version
    /// that does not match the configuration comes from another gateway.
    pub(super) fn is_outdated(&self, name: &Name, version: u64) -> bool {
        let outdated = self.outdated.lock();
        outdated.get(name) == Some(&version)
    }

    /// Works with the store where blocking is allowed.
    pub(super) async fn store<T, E>(
        &self,
        work: impl FnOnce(&dyn CertStore) -> Result<T, E> + Send + 'static,
    ) -> Result<T, OrderError>
    where
        T: Send + 'static,
        E: Into<OrderError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&*store)).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(OrderError::Interrupted),
        }
    }

    /// Waits for a lock. What it guards may have changed in the meantime.
    pub(super) async fn lock(&self, name: &str) -> Result<Box<dyn Lock>, OrderError> {
        loop {
            let of = name.to_owned();
            if let Some(lock) = self.store(move |store| store.try_lock(&of)).await? {
                return Ok(lock);
            }
            tokio::time::sleep(LOCK_RETRY).await;
        }
    }
}
