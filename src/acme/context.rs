//! What the keepers of all certificates have in common.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::OrderError;
use super::renewals::Renewals;
use crate::store::{CertStore, Lock, Name, Stored};
use crate::tls::CertCache;
use crate::tls::challenges::Challenges;

/// Orders that are open at a time: CAs count those too.
const ORDERS: usize = 4;

/// How often a lock is tried that another process has.
const LOCK_LOOK: Duration = Duration::from_millis(500);

/// Told of each certificate when it is there at the start, and when a new one comes.
pub type OnCertificate = Arc<dyn Fn(&Name, &Arc<Stored>) + Send + Sync>;

/// Where certificates come from and go to.
#[derive(Clone)]
pub(super) struct Parts {
    /// Where they are kept.
    pub(super) store: Arc<dyn CertStore>,
    /// Where they are served from.
    pub(super) shelf: Arc<CertCache>,
    /// Where CAs find their answers.
    pub(super) challenges: Arc<Challenges>,
    /// Who else wants them.
    pub(super) on_certificate: OnCertificate,
    /// What operators ask for.
    pub(super) renewals: Arc<Renewals>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// The parts, and who may order.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) orders: Semaphore,
    /// Versions that came for a configuration that was no more in force.
    outdated: Mutex<HashMap<Name, u64>>,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            orders: Semaphore::new(ORDERS),
            outdated: Mutex::default(),
        })
    }

    /// A reload came in the middle of its order.
    pub(super) fn outdate(&self, name: &Name, version: u64) {
        self.outdated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.clone(), version);
    }

    /// Whether it is ours, and not that of a gateway with another configuration.
    pub(super) fn is_outdated(&self, name: &Name, version: u64) -> bool {
        self.outdated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            == Some(&version)
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
        let store = Arc::clone(&self.parts.store);
        match tokio::task::spawn_blocking(move || work(&*store)).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(OrderError::Interrupted),
        }
    }

    /// Waits for a lock. Whoever has it looks again at what it guards.
    pub(super) async fn lock(&self, name: &str) -> Result<Box<dyn Lock>, OrderError> {
        loop {
            let of = name.to_owned();
            if let Some(lock) = self.store(move |store| store.try_lock(&of)).await? {
                return Ok(lock);
            }
            tokio::time::sleep(LOCK_LOOK).await;
        }
    }
}
