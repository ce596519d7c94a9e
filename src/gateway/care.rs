//! Certificates that look after themselves, and those of the neighbours: who works on them beside
//! the workers.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::error::StartError;
use super::previous::Previous;
use crate::acme::{CertTasks, Plan, RenewError, RenewMode, Seen, Wiring};
use crate::config::Config;
use crate::deploy::Hub;
use crate::status::board::Looks;
use crate::tls::challenges::Challenges;
use crate::tls::{self, CertCache};

/// CertTasks that order, the hub that brings to others what they get, and the tables that they share
/// with the workers.
#[derive(Debug)]
pub(super) struct CertServices {
    pub(super) shelf: Arc<CertCache>,
    pub(super) challenges: Arc<Challenges>,
    looks: Looks,
    keepers: CertTasks,
}

impl CertServices {
    pub(super) fn new(shelf: Arc<CertCache>) -> Self {
        let (challenges, orders, hub) = (Challenges::new(), Seen::new(), Hub::new());
        let to = Arc::clone(&hub);
        let keepers = CertTasks::new(Wiring {
            shelf: Arc::clone(&shelf),
            challenges: Arc::clone(&challenges),
            on_certificate: Arc::new(move |name, new| to.put(name, new)),
            seen: Arc::clone(&orders),
        });
        Self {
            shelf,
            challenges,
            looks: Looks { orders, hub },
            keepers,
        }
    }

    /// What is to be seen of the work.
    pub(super) fn looks(&self) -> Looks {
        self.looks.clone()
    }

    /// What a configuration asks for. What there is of it in the store is on the shelf then;
    /// nothing has begun.
    ///
    /// # Errors
    /// That `directory_ca` cannot be used, where that is not noted in `before`. All other trouble
    /// is of the kind that may pass.
    pub(super) fn plan(
        &self,
        config: &Config,
        before: &mut Previous<'_>,
    ) -> Result<Plan, StartError> {
        let directory_ca = config
            .acme
            .as_ref()
            .and_then(|acme| acme.directory_ca.as_deref());
        match directory_ca.map(|file| tls::client_config(Some(file), "acme.directory_ca")) {
            Some(Err(error)) if before.snapshot.is_some() => before.certificates.push(error),
            Some(Err(error)) => return Err(StartError::Certificates(vec![error])),
            Some(Ok(_)) | None => {}
        }
        Ok(self.keepers.plan(config.acme.as_ref()))
    }

    /// Takes up a plan.
    ///
    /// # Errors
    /// That there is something to do and no runtime for it.
    pub(super) fn start(&mut self, plan: Plan, config: &Config) -> io::Result<()> {
        if config.acme.is_some() {
            Handle::try_current().map_err(io::Error::other)?;
        }
        self.looks.hub.configure(&config.deploy);
        self.keepers.start(plan);
        Ok(())
    }

    /// Asks for a certificate to be ordered now; see [`CertTasks::renew`].
    pub(super) fn renew(
        &self,
        name: &str,
        mode: RenewMode,
    ) -> impl Future<Output = Result<(), RenewError>> + Send + use<> {
        self.keepers.renew(name, mode)
    }

    /// Orders nothing any more.
    pub(super) fn rest(&mut self) {
        self.keepers.rest();
    }

    /// A plan was not taken up.
    pub(super) fn give_up(&self) {
        self.keepers.clear_shelf();
    }
}
