//! The tasks of all managed certificates. A reload keeps, stops or starts tasks.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::context::{AcmeContext, CertOutputs};
use super::current::Current;
use super::renewals::{self, RenewError, RenewMode, Renewals};
use super::spec::{AcmeSpec, CertSpec};
use super::task::CertTask;
use crate::store::folder::Folder;
use crate::store::{CertStore, Name};
use crate::telemetry::Chain;
use crate::telemetry::panics::Restarts;

/// Manages certificates until it is dropped.
#[derive(Debug)]
pub struct CertTasks {
    outputs: CertOutputs,
    context: Option<Arc<AcmeContext>>,
    running: Vec<Running>,
    renewals: Arc<Renewals>,
}

/// A task. It stops when this is dropped, but not in the middle of an order.
#[derive(Debug)]
struct Running {
    spec: Arc<AcmeSpec>,
    cert: Arc<CertSpec>,
    /// A value makes the task look at once; when this is dropped, the task stops.
    signal: watch::Sender<()>,
}

/// What a configuration asks for, and what the store has of it. No task has started yet.
#[derive(Debug, Default)]
pub struct Plan {
    wanted: Option<Wanted>,
    stored: HashMap<Name, Current>,
}

#[derive(Debug)]
struct Wanted {
    /// Without certificates, so that a change of one certificate does not restart the others.
    spec: Arc<AcmeSpec>,
    certs: Vec<Arc<CertSpec>>,
    context: Arc<AcmeContext>,
}

impl CertTasks {
    /// No tasks yet.
    pub fn new(outputs: CertOutputs) -> Self {
        Self {
            outputs,
            context: None,
            running: Vec::new(),
            renewals: Arc::default(),
        }
    }

    /// Reads what the store has and adds it to the cache, so that a certificate table that is made
    /// now includes it. A certificate that cannot be read is logged, and ordered again if it is
    /// damaged: no problem with certificates keeps the gateway from starting.
    pub fn plan(&self, spec: Option<&AcmeSpec>) -> Plan {
        let Some(spec) = spec else {
            return Plan::default();
        };
        let context = match &self.context {
            Some(context) if context.is_at(&spec.store) => Arc::clone(context),
            _ => self.open(spec),
        };
        let mut stored = HashMap::new();
        for cert in &spec.certificates {
            // What is served under this name stays until the plan is started.
            if self.running.iter().any(|task| task.cert.name == cert.name) {
                continue;
            }
            match Current::read(&*context.store, cert) {
                Ok(Some(current)) => {
                    self.outputs.cache.put(current.servable.clone());
                    stored.insert(cert.name.clone(), current);
                }
                Ok(None) => {}
                // The task reads it again and reports the error.
                Err(error) => {
                    tracing::debug!(certificate = %cert.name, error = %Chain(&error), "not served");
                }
            }
        }
        let common = AcmeSpec {
            certificates: Vec::new(),
            ..spec.clone()
        };
        let wanted = Wanted {
            spec: Arc::new(common),
            certs: spec.certificates.clone(),
            context,
        };
        Plan {
            wanted: Some(wanted),
            stored,
        }
    }

    fn open(&self, spec: &AcmeSpec) -> Arc<AcmeContext> {
        let store: Arc<dyn CertStore> = Arc::new(Folder::new(&spec.store));
        // Better now than when the next renewal is due in two months.
        if let Err(error) = store.probe() {
            let error = Chain(&error);
            tracing::error!(
                %error,
                "the store cannot be written; no orders or renewals until it can"
            );
        }
        let (outputs, renewals) = (self.outputs.clone(), Arc::clone(&self.renewals));
        AcmeContext::new(store, &spec.store, outputs, renewals)
    }

    /// Starts a plan: tasks whose certificate has not changed go on, others stop or start.
    ///
    /// # Panics
    /// Without a tokio runtime, if there is a certificate to manage.
    pub fn start(&mut self, plan: Plan) {
        let Plan { wanted, mut stored } = plan;
        self.running.retain(|task| {
            wanted
                .as_ref()
                .is_some_and(|new| new.spec == task.spec && new.certs.contains(&task.cert))
        });
        self.context = wanted.as_ref().map(|new| Arc::clone(&new.context));
        if let Some(wanted) = wanted {
            for cert in &wanted.certs {
                if !self.running.iter().any(|task| task.cert == *cert) {
                    let current = stored.remove(&cert.name);
                    self.running.push(wanted.start(cert, current));
                }
            }
        }
        self.remove_unmanaged();
        let is_managed = |name: &Name| self.running.iter().any(|task| task.cert.name == *name);
        self.outputs.statuses.retain(is_managed);
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

    /// Stops ordering. Certificates stay in service, and orders that have begun are finished.
    pub fn stop(&mut self) {
        self.running.clear();
        self.renewals.retain(|_| false);
    }

    /// Removes from the cache what no task manages, such as what a plan added that was not started.
    pub fn remove_unmanaged(&self) {
        let is_managed = |name: &str| {
            self.running
                .iter()
                .any(|task| task.cert.name.as_str() == name)
        };
        self.outputs.cache.retain(is_managed);
    }
}

impl Wanted {
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends when `Running`, which has its signal, is dropped"
    )]
    fn start(&self, cert: &Arc<CertSpec>, current: Option<Current>) -> Running {
        let (signal, signals) = watch::channel(());
        let (spec, cert) = (Arc::clone(&self.spec), Arc::clone(cert));
        let context = Arc::clone(&self.context);
        let (of, wanted, mut current) = (Arc::clone(&spec), Arc::clone(&cert), current);
        tokio::spawn(async move {
            let mut restarts = Restarts::of("acme");
            loop {
                let (of, wanted, context) = (of.clone(), wanted.clone(), context.clone());
                // What the store has is read again if the task starts a second time.
                let current = current.take();
                let task = CertTask::new(context, of, wanted, current, signals.clone());
                if restarts.run(task.run()).await.is_some() {
                    return;
                }
            }
        });
        Running { spec, cert, signal }
    }
}
