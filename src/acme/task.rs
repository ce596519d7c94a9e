//! The task of one certificate: serves what the store has, orders when an order is due, and retries
//! after failures.

mod orders;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ari::Ari;
use super::context::AcmeContext;
use super::current::{Current, Wanted};
use super::error::OrderError;
use super::schedule::Why;
use super::spec::{AcmeSpec, CertSpec};
use super::state::OrderState;
use crate::clock::{Moment, UnixTime};
use crate::store::{Bundle, Part};
use crate::telemetry::Chain;
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
        self.set_damage_aside().await;
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
        match self.read_newer().await {
            Ok(()) => self.order_what_is_due().await,
            // Without the store no order is made.
            Err(error) => self.reject_requests(&error),
        }
        if self.is_stopped() {
            // The state belongs to the task that replaces this one.
            return;
        }
        let (next, why) = self.due();
        self.state.plan(next, why, self.current.as_ref()).await;
    }

    async fn order_what_is_due(&mut self) {
        self.refresh_ari().await;
        if let Some(request) = self.context.renewals.next(&self.cert.name) {
            self.execute(&request).await;
        } else if let Some(why) = self.is_due() {
            // The state has the outcome.
            _ = self.order(why, None).await;
        }
    }

    /// Serves the newest version of the store, if it was not read before. What is damaged is moved
    /// aside and counts as absent.
    ///
    /// # Errors
    /// If the store cannot be read.
    async fn read_newer(&mut self) -> Result<(), OrderError> {
        match self.newest_version().await {
            Ok(newest) if newest == self.version_read => Ok(()),
            Ok(newest) => {
                self.read().await?;
                self.version_read = newest;
                Ok(())
            }
            Err(error) if error.is_damage() => self.read().await,
            Err(error) => {
                self.state.unread(&error);
                Err(error)
            }
        }
    }

    async fn newest_version(&self) -> Result<Option<u64>, OrderError> {
        let name = self.cert.name.clone();
        self.context.store(move |store| store.version(&name)).await
    }

    /// Serves the newest version of the store.
    ///
    /// # Errors
    /// As [`read_newer`](Self::read_newer).
    async fn read(&mut self) -> Result<(), OrderError> {
        loop {
            self.set_damage_aside().await;
            let cert = Arc::clone(&self.cert);
            let read = self
                .context
                .store(move |store| Current::read(store, &cert))
                .await;
            match read {
                Ok(Some(new)) => {
                    self.state.was_read();
                    self.serve_if_new(new);
                    return Ok(());
                }
                Ok(None) => {
                    self.state.was_read();
                    return Ok(());
                }
                // There is one version less to read now.
                Err(error) if self.set_unusable_aside(&error).await => {}
                Err(error) => {
                    self.state.unread(&error);
                    return if error.is_damage() {
                        Ok(())
                    } else {
                        Err(error)
                    };
                }
            }
        }
    }

    /// Moves damaged versions aside. The one in service is written to the store again.
    async fn set_damage_aside(&mut self) {
        let name = self.cert.name.clone();
        let moved = self
            .context
            .store(move |store| store.set_versions_aside(&name))
            .await;
        // What cannot be moved now is reported when it is read, and moved when it can be.
        for version in moved.unwrap_or_default() {
            self.was_set_aside(version);
        }
    }

    /// Moves a version aside that is whole and cannot be served, such as one with another key.
    async fn set_unusable_aside(&mut self, error: &OrderError) -> bool {
        let Some(version) = error.unusable_version() else {
            return false;
        };
        let (name, why) = (self.cert.name.clone(), Chain(error).to_string());
        let moved = self
            .context
            .store(move |store| store.set_aside(&Part::Version(&name, version), &why))
            .await;
        if moved.is_ok() {
            self.was_set_aside(version);
        }
        moved.is_ok()
    }

    fn was_set_aside(&mut self, version: u64) {
        let in_service = self.current.as_ref();
        let is_it = in_service.filter(|current| current.version() == version);
        if let Some(current) = is_it.filter(|_| self.unsaved.is_none()) {
            self.unsaved = Some(current.stored.bundle.clone());
        }
    }

    fn serve_if_new(&mut self, new: Current) {
        let mark = |of: &Current| (of.version(), of.meta().revoked);
        let is_new = |old: &Current| mark(old) != mark(&new);
        // The one in service is about to be written to the store again.
        let is_older = |old: &Current| self.unsaved.is_some() && new.version() < old.version();
        let in_service = self.current.as_ref();
        if in_service.is_none_or(|old| is_new(old) && !is_older(old)) {
            self.note_renewed(&new);
            self.serve(new);
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
        tracing::info!(
            certificate = %self.cert.name,
            serial = meta.serial,
            issuer = meta.issuer,
            not_after = %meta.not_after,
            version,
            "in service"
        );
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
}

/// The current certificate, if it is of the CA that is configured: only that CA knows it.
fn of_same_ca<'a>(current: Option<&'a Current>, spec: &AcmeSpec) -> Option<&'a ServableCert> {
    current
        .filter(|current| *current.meta().directory == *spec.directory)
        .map(|current| &current.servable)
}

#[cfg(test)]
mod tests;
