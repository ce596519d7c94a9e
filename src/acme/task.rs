//! The task of one certificate: serves what the store has, orders when an order is due, and retries
//! after failures.

mod orders;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ari::Ari;
use super::context::AcmeContext;
use super::current::{Current, Wanted};
use super::schedule::Why;
use super::spec::{AcmeSpec, CertSpec};
use super::state::OrderState;
use crate::clock::{Moment, UnixTime};
use crate::store::Bundle;
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
