//! The task of one certificate: serves what the store has, orders when an order is due, and retries
//! after failures.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ari::Ari;
use super::attempt::Attempt;
use super::context::AcmeContext;
use super::current::{Current, Wanted};
use super::error::OrderError;
use super::failure::Failure;
use super::open_order;
use super::renewals::{RenewMode, Request};
use super::schedule::{self, Why};
use super::spec::{AcmeSpec, CertSpec};
use super::state::OrderState;
use crate::clock::{Moment, UnixTime};
use crate::store::{Bundle, Stored};
use crate::tls::ServableCert;

/// How often a task checks the store and the clock.
const CHECK: Duration = Duration::from_secs(2);

pub(super) struct CertTask {
    context: Arc<AcmeContext>,
    spec: Arc<AcmeSpec>,
    cert: Arc<CertSpec>,
    /// When this configuration of the certificate came into force.
    since: Moment,
    /// A value makes the task check at once; the end of the sender stops the task.
    signals: watch::Receiver<()>,
    current: Option<Current>,
    /// The newest version that was read, so that a damaged one is not read again and again.
    version_read: Option<u64>,
    /// A new certificate that could not be written to the store yet.
    unsaved: Option<Bundle>,
    ari: Ari,
    state: OrderState,
}

impl CertTask {
    pub(super) fn new(
        context: Arc<AcmeContext>,
        spec: Arc<AcmeSpec>,
        cert: Arc<CertSpec>,
        current: Option<Current>,
        signals: watch::Receiver<()>,
    ) -> Self {
        let state = OrderState::new(Arc::clone(&context), &spec, Arc::clone(&cert));
        let version_read = current.as_ref().map(Current::version);
        let (ari, since) = (Ari::default(), Moment::now());
        Self {
            context,
            spec,
            cert,
            since,
            signals,
            current,
            version_read,
            unsaved: None,
            ari,
            state,
        }
    }

    /// Runs until it is stopped; an order that has begun is finished.
    pub(super) async fn run(mut self) {
        if let Some(current) = &self.current {
            (self.context.outputs.on_certificate)(&self.cert.name, &current.stored);
        }
        self.state.open().await;
        while !self.is_stopped() {
            self.check().await;
            tokio::select! {
                _ = self.signals.changed() => {}
                () = tokio::time::sleep(CHECK) => {}
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.signals.has_changed().is_err()
    }

    async fn check(&mut self) {
        self.save().await;
        if self.read_newer().await {
            self.refresh_ari().await;
            if let Some(request) = self.context.renewals.next(&self.cert.name) {
                self.execute(&request).await;
            } else if let Some(why) = self.is_due() {
                // The state has the outcome.
                _ = self.order(why, None).await;
            }
        }
        if self.is_stopped() {
            // The state belongs to the task that replaces this one.
            return;
        }
        let (next, why) = self.due();
        self.state.plan(next, why, self.current.as_ref()).await;
    }

    /// Serves the newest version of the store, if it was not read before. Returns whether the store
    /// could be read; a damaged certificate counts as absent.
    async fn read_newer(&mut self) -> bool {
        let name = self.cert.name.clone();
        match self.context.store(move |store| store.version(&name)).await {
            Ok(newest) if newest == self.version_read => true,
            Ok(newest) => {
                let is_read = self.read().await;
                self.version_read = newest.filter(|_| is_read);
                is_read
            }
            Err(error) => {
                self.state.unread(&error);
                error.is_damage()
            }
        }
    }

    /// Serves the newest version of the store. Returns whether it could be read.
    async fn read(&mut self) -> bool {
        let cert = Arc::clone(&self.cert);
        let read = self
            .context
            .store(move |store| Current::read(store, &cert))
            .await;
        let mark = |of: &Current| (of.version(), of.meta().revoked);
        let is_new = |new: &Current| {
            self.current
                .as_ref()
                .is_none_or(|old| mark(old) != mark(new))
        };
        match read {
            Ok(Some(new)) => {
                self.state.was_read();
                if is_new(&new) {
                    self.note_renewed(&new);
                    self.serve(new);
                }
                true
            }
            Ok(None) => true,
            Err(error) => {
                self.state.unread(&error);
                error.is_damage()
            }
        }
    }

    /// A certificate that another process ordered ends the failures of this one too.
    fn note_renewed(&mut self, new: &Current) {
        let wanted = Wanted {
            cert: &self.cert,
            directory: &self.spec.directory,
        };
        if self
            .current
            .as_ref()
            .is_some_and(|old| old.version() < new.version())
            && !wanted.differs(new.meta())
        {
            self.state.renewed_elsewhere();
        }
    }

    fn serve(&mut self, new: Current) {
        if self.is_stopped() {
            // The configuration has changed, or the gateway is shutting down. The certificate is in
            // the store, where a later task finds it.
            return;
        }
        let (meta, version) = (new.meta(), new.version());
        tracing::info!(certificate = %self.cert.name, serial = meta.serial, issuer = meta.issuer, not_after = %meta.not_after, version, "in service");
        self.context.outputs.cache.put(new.servable.clone());
        (self.context.outputs.on_certificate)(&self.cert.name, &new.stored);
        self.current = Some(new);
    }

    async fn refresh_ari(&mut self) {
        let Some(current) = &self.current else { return };
        let serial = &current.meta().serial;
        if !self.ari.is_due(serial) {
            return;
        }
        let Ok(_permit) = self.context.orders.acquire().await else {
            return;
        };
        let cert = of_same_ca(self.current.as_ref(), &self.spec);
        self.ari
            .refresh(serial, &self.spec, &self.cert.name, cert)
            .await;
    }

    /// When the next order is due, waits after failures aside, and why.
    fn due(&self) -> (UnixTime, Why) {
        let Some(current) = &self.current else {
            return (UnixTime::default(), Why::Missing);
        };
        let wanted = Wanted {
            cert: &self.cert,
            directory: &self.spec.directory,
        };
        let is_outdated = self.context.is_outdated(&self.cert.name, current.version());
        let since = if is_outdated {
            UnixTime(u64::MAX)
        } else {
            self.since.date()
        };
        current.due(
            &wanted,
            self.ari.window(&current.meta().serial),
            since,
            UnixTime::now(),
        )
    }

    fn is_due(&self) -> Option<Why> {
        let (at, why) = self.due();
        (at <= UnixTime::now() && self.state.may_order()).then_some(why)
    }

    /// The reason as it is logged: `ianitor certs revoke` requests an order because it has revoked
    /// the certificate.
    fn reason(&self, why: Why) -> Why {
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

    /// Does what an operator asked for. A task that was stopped before its order began leaves the
    /// request to the task that a reload has put in its place.
    async fn execute(&mut self, request: &Arc<Request>) {
        let result = match request.mode {
            RenewMode::DryRun => {
                let result = self.dry_run().await.map(|()| true);
                let error = result.as_ref().err().map(|failed| failed.error.text());
                tracing::info!(certificate = %self.cert.name, error, "dry run finished");
                result
            }
            RenewMode::Order => {
                // The certificate may just have been revoked.
                self.read().await;
                self.order(Why::Asked, Some(request)).await
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
        tracing::info!(certificate = %self.cert.name, directory = url, "dry run of an order, as requested");
        let (kinds, keeps) = (self.spec.challenges.clone(), false);
        let attempt = Attempt {
            context: &self.context,
            spec: &self.spec,
            cert: &self.cert,
            url,
            before: None,
            kinds,
            keeps,
        };
        attempt.run().await.map(drop)
    }

    /// Returns whether it ordered.
    async fn order(&mut self, why: Why, request: Option<&Request>) -> Result<bool, Failure> {
        let result = self.order_under_lock(why, request).await;
        let end = self
            .current
            .as_ref()
            .map(|current| current.meta().not_after);
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
            Err(failed) => self.state.failed(failed, end),
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
        self.read_newer().await;
        self.state.adopt().await;
        let is_wanted = match request {
            Some(request) => request.is_pending(),
            None => self.is_due().is_some(),
        };
        if self.is_stopped() || !is_wanted {
            return Ok(false);
        }
        let why = self.reason(why);
        tracing::info!(certificate = %self.cert.name, hosts = ?self.cert.hosts, directory = %self.spec.directory, %why, "ordering");
        self.state.ordering();
        let (before, url) = (
            of_same_ca(self.current.as_ref(), &self.spec),
            &*self.spec.directory,
        );
        // An operator who requests an order has usually fixed something.
        let refusals = if why == Why::Asked {
            0
        } else {
            self.state.refusals()
        };
        let (kinds, keeps) = (schedule::kinds(&self.spec.challenges, refusals), true);
        let attempt = Attempt {
            context: &context,
            spec: &self.spec,
            cert: &self.cert,
            url,
            before,
            kinds,
            keeps,
        };
        let bundle = attempt.run().await?;
        self.store_and_serve(bundle).await?;
        Ok(true)
    }

    /// Serves a new certificate, whether or not it can be stored: CAs limit how many they issue.
    async fn store_and_serve(&mut self, bundle: Bundle) -> Result<(), OrderError> {
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
    async fn save(&mut self) {
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

/// The current certificate, if it is of the CA that is configured: only that CA knows it.
fn of_same_ca<'a>(current: Option<&'a Current>, spec: &AcmeSpec) -> Option<&'a ServableCert> {
    current
        .filter(|current| *current.meta().directory == *spec.directory)
        .map(|current| &current.servable)
}

#[cfg(test)]
mod tests;
