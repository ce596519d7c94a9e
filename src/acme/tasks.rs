//! All certificates that are looked after: one task for each, which a reload keeps, ends or begins.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::context::{OnCertificate, Parts, Shared};
use super::current::Current;
use super::renewals::{self, RenewError, RenewMode, Renewals};
use super::status::Seen;
use super::task::CertTask;
use super::{AcmeSpec, CertSpec};
use crate::store::folder::Folder;
use crate::store::{CertStore, Name};
use crate::telemetry::Chain;
use crate::tls::CertCache;
use crate::tls::challenges::Challenges;

/// Looks after certificates until it is dropped.
#[derive(Debug)]
pub struct CertTasks {
    wiring: Wiring,
    office: Option<Office>,
    running: Vec<Running>,
    renewals: Arc<Renewals>,
}

/// What a keeper works with, whatever the configuration is.
#[derive(Clone)]
pub struct Wiring {
    /// Where certificates are served from.
    pub shelf: Arc<CertCache>,
    /// Where CAs find their answers.
    pub challenges: Arc<Challenges>,
    /// Who else wants certificates.
    pub on_certificate: OnCertificate,
    /// Where one can see what goes on.
    pub seen: Arc<Seen>,
}

impl std::fmt::Debug for Wiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wiring")
            .field("shelf", &self.shelf)
            .finish_non_exhaustive()
    }
}

/// A store, and who works there.
#[derive(Clone, Debug)]
struct Office {
    path: PathBuf,
    shared: Arc<Shared>,
}

/// A task. It ends when this is dropped, but not in the middle of an order.
#[derive(Debug)]
struct Running {
    spec: Arc<AcmeSpec>,
    cert: Arc<CertSpec>,
    /// A value makes the task look at once; when this is dropped, the task stops.
    signal: watch::Sender<()>,
}

/// What a configuration asks for, and what there is of it in the store already. Nothing has begun
/// yet.
#[derive(Debug)]
pub struct Plan {
    /// Without certificates, so that a change of one does not concern the others.
    spec: Option<Arc<AcmeSpec>>,
    certs: Vec<Arc<CertSpec>>,
    office: Option<Office>,
    there: HashMap<Name, Current>,
}

impl CertTasks {
    /// Nothing to look after yet.
    pub fn new(wiring: Wiring) -> Self {
        Self {
            wiring,
            office: None,
            running: Vec::new(),
            renewals: Arc::default(),
        }
    }

    /// Reads what there is in the store, and puts it on the shelf, so that a table that is made now
    /// has it. What cannot be read is logged, and ordered anew if it is damaged: no trouble with
    /// certificates keeps the doors closed.
    pub fn plan(&self, spec: Option<&AcmeSpec>) -> Plan {
        let Some(spec) = spec else {
            return Plan {
                spec: None,
                certs: Vec::new(),
                office: None,
                there: HashMap::new(),
            };
        };
        let office = match &self.office {
            Some(office) if office.path == spec.store => office.clone(),
            _ => self.open(spec),
        };
        let mut there = HashMap::new();
        for cert in &spec.certificates {
            // What is served of this name stays until the plan is taken up.
            if self.running.iter().any(|task| task.cert.name == cert.name) {
                continue;
            }
            match Current::read(&*office.shared.parts.store, cert) {
                Ok(Some(current)) => {
                    self.wiring.shelf.put(current.managed.clone());
                    there.insert(cert.name.clone(), current);
                }
                Ok(None) => {}
                // Its keeper meets it again, and tells of it.
                Err(error) => {
                    tracing::debug!(certificate = %cert.name, error = %Chain(&error), "not on the shelf")
                }
            }
        }
        let common = AcmeSpec {
            certificates: Vec::new(),
            ..spec.clone()
        };
        Plan {
            spec: Some(Arc::new(common)),
            certs: spec.certificates.clone(),
            office: Some(office),
            there,
        }
    }

    fn open(&self, spec: &AcmeSpec) -> Office {
        let store: Arc<dyn CertStore> = Arc::new(Folder::new(&spec.store));
        // Found out now, and not when the next renewal is due in two months.
        if let Err(error) = store.probe() {
            tracing::error!(error = %Chain(&error), "nothing can be ordered or renewed until the store can be written");
        }
        let Wiring {
            shelf,
            challenges,
            on_certificate,
            ..
        } = self.wiring.clone();
        Office {
            path: spec.store.clone(),
            shared: Shared::new(Parts {
                store,
                shelf,
                challenges,
                on_certificate,
                renewals: Arc::clone(&self.renewals),
            }),
        }
    }

    /// Takes up a plan: tasks of certificates that are wanted as before go on, others end or begin.
    ///
    /// # Panics
    /// Without a tokio runtime, where there is a certificate to be looked after.
    pub fn start(&mut self, plan: Plan) {
        let Plan {
            spec,
            certs,
            office,
            mut there,
        } = plan;
        let is_kept =
            |task: &Running| Some(&task.spec) == spec.as_ref() && certs.contains(&task.cert);
        self.running.retain(is_kept);
        self.office = office;
        if let (Some(spec), Some(office)) = (spec, &self.office) {
            for cert in certs {
                if self.running.iter().any(|task| task.cert == cert) {
                    continue;
                }
                let current = there.remove(&cert.name);
                let (signal, signals) = watch::channel(());
                let seen = Arc::clone(&self.wiring.seen);
                let (spec, shared) = (Arc::clone(&spec), Arc::clone(&office.shared));
                let keeper = CertTask::new(
                    shared,
                    Arc::clone(&spec),
                    Arc::clone(&cert),
                    seen,
                    current,
                    signals,
                );
                tokio::spawn(keeper.run());
                self.running.push(Running { spec, cert, signal });
            }
        }
        self.clear_shelf();
        let is_managed = |name: &Name| self.running.iter().any(|task| task.cert.name == *name);
        self.wiring.seen.retain(is_managed);
        self.renewals.retain(is_managed);
    }

    /// Asks the task of a certificate to order now. Requests for one certificate share the order,
    /// also one that is under way; every caller gets its outcome. A request is withdrawn when its
    /// callers drop the future before the order begins.
    ///
    /// # Errors
    /// The future yields why there is no new certificate.
    pub fn renew(
        &self,
        name: &str,
        mode: RenewMode,
    ) -> impl Future<Output = Result<(), RenewError>> + Send + use<> {
        let task = self
            .running
            .iter()
            .find(|task| task.cert.name.as_str() == name);
        let request = task.map(|task| {
            let request = self.renewals.request(&task.cert.name, mode);
            task.signal.send_replace(());
            request
        });
        async move {
            match request {
                Some(request) => renewals::outcome(request).await,
                None => Err(RenewError::Unknown),
            }
        }
    }

    /// Begins no order any more; what there is stays in service. Orders that have begun are brought
    /// to their end.
    pub fn rest(&mut self) {
        self.running.clear();
        self.renewals.retain(|_| false);
    }

    /// Takes from the shelf what nobody looks after: a plan may not have been taken up.
    pub fn clear_shelf(&self) {
        let is_wanted = |name: &str| {
            self.running
                .iter()
                .any(|task| task.cert.name.as_str() == name)
        };
        self.wiring.shelf.retain(is_wanted);
    }
}
