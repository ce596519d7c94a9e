//! The background services for certificates: ordering, and deployment to other servers.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::error::StartError;
use super::previous::Previous;
use crate::acme::{CertOutputs, CertStatuses, CertTasks, Plan, RenewError, RenewMode};
use crate::config::Config;
use crate::deploy::Hub;
use crate::status::board::Looks;
use crate::tls::challenges::Challenges;
use crate::tls::{self, CertCache};

/// The tasks that order certificates, the hub that deploys them to other servers, and the tables
/// that they share with the workers.
#[derive(Debug)]
pub(super) struct CertServices {
    pub(super) cert_cache: Arc<CertCache>,
    pub(super) challenges: Arc<Challenges>,
    looks: Looks,
    tasks: CertTasks,
    /// Another process orders and deploys, or none does any more.
    is_stopped: bool,
}

impl CertServices {
    pub(super) fn new(cert_cache: Arc<CertCache>) -> Self {
        let (challenges, orders, hub) = (Challenges::new(), CertStatuses::new(), Hub::new());
        let receiver = Arc::clone(&hub);
        let tasks = CertTasks::new(CertOutputs {
            cache: Arc::clone(&cert_cache),
            challenges: Arc::clone(&challenges),
            on_certificate: Arc::new(move |name, new| receiver.put(name, new)),
            statuses: Arc::clone(&orders),
        });
        Self {
            cert_cache,
            challenges,
            looks: Looks { orders, hub },
            tasks,
            is_stopped: false,
        }
    }

    /// The state of the services, for the status pages.
    pub(super) fn looks(&self) -> Looks {
        self.looks.clone()
    }

    /// Plans the orders of a configuration. Certificates that the store already has are put into
    /// the cache; no task is started.
    ///
    /// # Errors
    /// If `directory_ca` cannot be used at a start. At a reload the error is added to `previous`
    /// instead. All other problems are temporary and retried.
    pub(super) fn plan(
        &self,
        config: &Config,
        previous: &mut Previous<'_>,
    ) -> Result<Plan, StartError> {
        let directory_ca = config
            .acme
            .as_ref()
            .and_then(|acme| acme.directory_ca.as_deref());
        match directory_ca.map(|file| tls::client_config(Some(file), "acme.directory_ca")) {
            Some(Err(error)) if previous.snapshot.is_some() => previous.certificates.push(error),
            Some(Err(error)) => return Err(StartError::Certificates(vec![error])),
            Some(Ok(_)) | None => {}
        }
        Ok(self.tasks.plan(config.acme.as_ref()))
    }

    /// Starts the tasks of a plan, unless they have been stopped.
    ///
    /// # Errors
    /// If there are certificates to order and this is not called on a runtime.
    pub(super) fn start(&mut self, plan: Plan, config: &Config) -> io::Result<()> {
        if self.is_stopped {
            return Ok(());
        }
        if config.acme.is_some() {
            Handle::try_current().map_err(io::Error::other)?;
        }
        self.looks.hub.configure(&config.deploy);
        self.tasks.start(plan);
        Ok(())
    }

    /// Orders a certificate now; see [`CertTasks::renew`].
    pub(super) fn renew(
        &self,
        name: &str,
        mode: RenewMode,
    ) -> impl Future<Output = Result<(), RenewError>> + Send + use<> {
        self.tasks.renew(name, mode)
    }

    /// Stops deploying certificates: another process does. This one would put those that it has in
    /// place of newer ones.
    pub(super) fn stop_deploying(&self) {
        self.looks.hub.configure(&[]);
    }

    /// Stops ordering certificates, for good.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
        self.tasks.stop();
    }

    /// Removes the certificates that [`CertServices::plan`] added to the cache, if its plan is not
    /// started.
    pub(super) fn rollback(&self) {
        self.tasks.remove_unmanaged();
    }
}
