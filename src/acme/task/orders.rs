//! What a task orders: when an order is due, when an operator requests one, and dry runs.

use std::sync::Arc;

use super::super::attempt::{Attempt, SelfCheck};
use super::super::current::Current;
use super::super::error::OrderError;
use super::super::failure::Failure;
use super::super::open_order;
use super::super::renewals::{RenewMode, Request};
use super::super::schedule::{self, Why};
use super::super::spec::ChallengeKind;
use super::{CertTask, of_same_ca};
use crate::store::{Bundle, Stored};
use crate::telemetry::Chain;

impl CertTask {
    /// The reason as it is logged: `ianitor certs revoke` requests an order because it has revoked
    /// the certificate.
    pub(super) fn reason(&self, why: Why) -> Why {
        let is_revoked = self
            .current
            .as_ref()
            .is_some_and(|current| current.meta().revoked.is_some());
        if why == Why::Asked && is_revoked {
            Why::Revoked
        } else {
            why
        }
    }

    /// Answers what operators have asked for with the error of the store.
    pub(super) fn reject_requests(&self, error: &OrderError) {
        let renewals = &self.context.renewals;
        while let Some(request) = renewals.next(&self.cert.name) {
            renewals.reject(&self.cert.name, &request, error);
        }
    }

    /// Does what an operator asked for. A task that was stopped before its order began leaves the
    /// request to the task that a reload has put in its place.
    pub(super) async fn execute(&mut self, request: &Arc<Request>) {
        let result = match request.mode {
            RenewMode::DryRun => {
                let result = self.dry_run().await.map(|()| true);
                let error = result.as_ref().err().map(|failed| failed.error.text());
                tracing::info!(certificate = %self.cert.name, error, "dry run finished");
                result
            }
            RenewMode::Order => {
                // The certificate may just have been revoked.
                match self.read().await {
                    Ok(()) => self.order(Why::Asked, Some(request)).await,
                    Err(error) => Err(error.into()),
                }
            }
        };
        if !matches!(result, Ok(false)) {
            let renewals = &self.context.renewals;
            renewals.finish(&self.cert.name, request, result.map(drop));
        }
    }

    /// An order at the staging directory, of which nothing is kept.
    async fn dry_run(&self) -> Result<(), Failure> {
        let Some(url) = self.spec.staging.as_deref() else {
            return Err(OrderError::NoStaging.into());
        };
        tracing::info!(
            certificate = %self.cert.name, directory = url,
            "dry run of an order, as requested"
        );
        let attempt = self.staging_attempt(url, self.spec.challenges.clone());
        attempt.run().await.map(drop)
    }

    /// An attempt of which nothing is kept.
    fn staging_attempt<'a>(&'a self, url: &'a str, kinds: Vec<ChallengeKind>) -> Attempt<'a> {
        Attempt {
            context: &self.context,
            spec: &self.spec,
            cert: &self.cert,
            url,
            before: None,
            kinds,
            keeps: false,
            self_check: SelfCheck::Skip,
        }
    }

    /// Before a CA that has refused an order is asked again, its staging directory is asked, where
    /// limits are high. Returns the kinds of challenge for the order: the one that succeeded there,
    /// or the given ones if there is no such directory or it gives no answer to rely on.
    async fn rehearse(&self, kinds: Vec<ChallengeKind>) -> Result<Vec<ChallengeKind>, OrderError> {
        let Some(url) = self.staging() else {
            return Ok(kinds);
        };
        let (name, directory) = (&self.cert.name, url);
        tracing::info!(certificate = %name, directory, "trying the staging directory first");
        let attempt = self.staging_attempt(url, self.spec.challenges.clone());
        match attempt.run().await {
            Ok(obtained) => Ok(vec![obtained.kind]),
            Err(failed) if failed.error.is_failed_validation() => {
                Err(OrderError::Staging(Box::new(failed.error)))
            }
            Err(failed) => {
                tracing::info!(
                    certificate = %name, directory, error = %Chain(&failed.error),
                    "no answer from the staging directory; asking the CA itself"
                );
                Ok(kinds)
            }
        }
    }

    /// The staging directory, unless it is the CA's own.
    fn staging(&self) -> Option<&str> {
        let staging = self.spec.staging.as_deref();
        staging.filter(|url| *url != &*self.spec.directory)
    }

    /// Returns whether it ordered.
    pub(super) async fn order(
        &mut self,
        why: Why,
        request: Option<&Request>,
    ) -> Result<bool, Failure> {
        let result = self.order_under_lock(why, request).await;
        let current = self.current.as_ref().map(Current::meta);
        let validity = current.map(|meta| (meta.not_before, meta.not_after));
        match &result {
            Ok(false) => {}
            Ok(true) => {
                self.state.succeeded();
                self.context.renewals.renewed(&self.cert.name);
            }
            Err(Failure {
                error: OrderError::Unfinished { again },
                ..
            }) => self.state.unfinished(*again),
            Err(failed) => self.state.failed(failed, validity),
        }
        result
    }

    /// Orders, unless another process has ordered by the time that this one holds the lock. Returns
    /// whether it ordered.
    async fn order_under_lock(
        &mut self,
        why: Why,
        request: Option<&Request>,
    ) -> Result<bool, Failure> {
        let context = Arc::clone(&self.context);
        let _lock = context.lock(&self.cert.name.order_lock()).await?;
        let Ok(_permit) = context.orders.acquire().await else {
            return Ok(false);
        };
        self.read_newer().await?;
        self.state.adopt().await;
        let is_wanted = match request {
            Some(request) => request.is_pending(),
            None => self.is_due().is_some(),
        };
        if self.is_stopped() || !is_wanted {
            return Ok(false);
        }
        if request.is_none() && self.must_wait().await {
            return Ok(false);
        }
        let why = self.reason(why);
        tracing::info!(
            certificate = %self.cert.name,
            hosts = ?self.cert.hosts,
            directory = %self.spec.directory,
            %why,
            "ordering"
        );
        self.state.ordering();
        let bundle = self.obtain(request.is_some()).await?;
        self.store_and_serve(bundle).await?;
        Ok(true)
    }

    /// Whether another failed validation would be one too many for the CA. Those for another
    /// certificate with the same name count too. An open order may need none.
    async fn must_wait(&mut self) -> bool {
        let failed = &self.context.failed_validations;
        let wait = failed.wait(&self.spec.directory, &self.cert.hosts);
        if wait.is_zero() || self.has_open_order().await {
            return false;
        }
        self.state.postpone(wait);
        true
    }

    /// `is_asked`: an operator who requests an order has usually fixed something, and the CA itself
    /// is asked at once, with every kind of challenge.
    async fn obtain(&self, is_asked: bool) -> Result<Bundle, Failure> {
        let (spec, context) = (&self.spec, &self.context);
        let refusals = if is_asked { 0 } else { self.state.refusals() };
        let mut kinds = schedule::kinds(&spec.challenges, refusals);
        let mut self_check = match refusals {
            _ if is_asked => SelfCheck::Skip,
            // However sure we are, the CA has the last word now and then.
            refusals if schedule::is_eager(refusals) => SelfCheck::Require,
            _ => SelfCheck::Advise,
        };
        if refusals > 0 && self.staging().is_some() && !self.has_open_order().await {
            (kinds, self_check) = (self.rehearse(kinds).await?, SelfCheck::Skip);
        }
        if !is_asked {
            let failed = &context.failed_validations;
            kinds.truncate(failed.left(&spec.directory, &self.cert.hosts).max(1));
        }
        let attempt = Attempt {
            context,
            spec,
            cert: &self.cert,
            url: &spec.directory,
            before: of_same_ca(self.current.as_ref(), spec),
            kinds,
            keeps: true,
            self_check,
        };
        Ok(attempt.run().await?.bundle)
    }

    /// Whether the CA may still finish an earlier order, which needs no further challenge.
    async fn has_open_order(&self) -> bool {
        let name = self.cert.name.clone();
        let order = self.context.store(move |store| store.order(&name)).await;
        matches!(order, Ok(Some(_)))
    }

    /// Serves a new certificate, whether or not it can be stored: CAs limit how many they issue.
    pub(super) async fn store_and_serve(&mut self, bundle: Bundle) -> Result<(), OrderError> {
        self.unsaved = Some(bundle.clone());
        self.save().await;
        let version = match self.unsaved {
            None => self.version_read.unwrap_or_default(),
            Some(_) => self.current.as_ref().map_or(0, Current::version),
        };
        let place = self.context.store.place(&self.cert.name).into();
        let new = Current::new(Stored { version, bundle }, &self.cert, place)
            .map_err(OrderError::Unusable)?;
        self.serve(new);
        Ok(())
    }

    /// Stores a certificate that could not be stored before.
    pub(super) async fn save(&mut self) {
        let Some(bundle) = self.unsaved.take() else {
            return;
        };
        let (name, new) = (self.cert.name.clone(), bundle.clone());
        match self
            .context
            .store(move |store| store.put_certificate(&name, &new))
            .await
        {
            Ok(version) => {
                self.version_read = Some(version);
                open_order::forget(&self.context, &self.cert).await;
                self.state.was_saved();
                if self.is_stopped() {
                    self.context.outdate(&self.cert.name, version);
                }
            }
            Err(error) => {
                self.state.unsaved(&error);
                self.unsaved = Some(bundle);
            }
        }
    }
}
