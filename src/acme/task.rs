//! Looks after one certificate: serves what the store has, orders when it is due, and asks again
//! after failures.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ari::Ari;
use super::attempt::{Attempt, Failed};
use super::context::Shared;
use super::current::{Current, Wanted};
use super::error::OrderError;
use super::renewals::{RenewMode, Request};
use super::schedule::{self, Why};
use super::state::Journal;
use super::status::Seen;
use super::{AcmeSpec, CertSpec, open_order as open};
use crate::clock::{Moment, UnixTime};
use crate::store::{Bundle, Stored};
use crate::tls::ServableCert;

/// How often a keeper looks at the store and at the clock.
const LOOK: Duration = Duration::from_secs(2);

/// One certificate's.
pub(super) struct CertTask {
    shared: Arc<Shared>,
    spec: Arc<AcmeSpec>,
    cert: Arc<CertSpec>,
    /// When it began to look after this certificate as it is wanted now.
    since: Moment,
    /// A value asks for a look at once; the end of the sender stops the task.
    signals: watch::Receiver<()>,
    current: Option<Current>,
    /// The newest version that was looked at: one that is damaged is not read again and again.
    looked_at: Option<u64>,
    /// A certificate that came, and that the store did not take.
    unsaved: Option<Bundle>,
    ari: Ari,
    journal: Journal,
}

impl CertTask {
    pub(super) fn new(
        shared: Arc<Shared>,
        spec: Arc<AcmeSpec>,
        cert: Arc<CertSpec>,
        seen: Arc<Seen>,
        current: Option<Current>,
        signals: watch::Receiver<()>,
    ) -> Self {
        let journal = Journal::new(Arc::clone(&shared), &spec, Arc::clone(&cert), seen);
        let looked_at = current.as_ref().map(Current::version);
        let (ari, since) = (Ari::default(), Moment::now());
        Self {
            shared,
            spec,
            cert,
            since,
            signals,
            current,
            looked_at,
            unsaved: None,
            ari,
            journal,
        }
    }

    /// Until nobody wants it any more; an order that has begun is brought to its end.
    pub(super) async fn run(mut self) {
        if let Some(current) = &self.current {
            (self.shared.parts.on_certificate)(&self.cert.name, &current.stored);
        }
        self.journal.open().await;
        while !self.is_over() {
            self.look().await;
            tokio::select! {
                _ = self.signals.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        self.signals.has_changed().is_err()
    }

    async fn look(&mut self) {
        self.save().await;
        if self.take_newer().await {
            self.refresh_ari().await;
            if let Some(request) = self.shared.parts.renewals.next(&self.cert.name) {
                self.execute(&request).await;
            } else if let Some(why) = self.is_due() {
                // What became of it is in the journal.
                _ = self.order(why, None).await;
            }
        }
        if self.is_over() {
            // Whoever comes after this one tells what goes on.
            return;
        }
        let (next, why) = self.due();
        self.journal.plan(next, why, self.current.as_ref()).await;
    }

    /// Serves what the store has, if that is newer. Says whether the store could be read; what is
    /// damaged is as good as not there.
    async fn take_newer(&mut self) -> bool {
        let name = self.cert.name.clone();
        match self.shared.store(move |store| store.version(&name)).await {
            Ok(newest) if newest == self.looked_at => true,
            Ok(newest) => {
                let is_read = self.read().await;
                self.looked_at = newest.filter(|_| is_read);
                is_read
            }
            Err(error) => {
                self.journal.unread(&error);
                error.is_damage()
            }
        }
    }

    /// Serves what the store has. Says whether it could be read.
    async fn read(&mut self) -> bool {
        let cert = Arc::clone(&self.cert);
        let read = self
            .shared
            .store(move |store| Current::read(store, &cert))
            .await;
        let mark = |of: &Current| (of.version(), of.meta().revoked);
        let is_news = |new: &Current| {
            self.current
                .as_ref()
                .is_none_or(|old| mark(old) != mark(new))
        };
        match read {
            Ok(Some(new)) => {
                self.journal.was_read();
                if is_news(&new) {
                    self.heed(&new);
                    self.take(new);
                }
                true
            }
            Ok(None) => true,
            Err(error) => {
                self.journal.unread(&error);
                error.is_damage()
            }
        }
    }

    /// What another process got, ends our failures too.
    fn heed(&mut self, new: &Current) {
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
            self.journal.others_succeeded();
        }
    }

    fn take(&mut self, new: Current) {
        if self.is_over() {
            // It is in the store for whoever may look after it now, and is not wanted as it is.
            return;
        }
        let (meta, version) = (new.meta(), new.version());
        tracing::info!(certificate = %self.cert.name, serial = meta.serial, issuer = meta.issuer, not_after = %meta.not_after, version, "in service");
        self.shared.parts.shelf.put(new.managed.clone());
        (self.shared.parts.on_certificate)(&self.cert.name, &new.stored);
        self.current = Some(new);
    }

    async fn refresh_ari(&mut self) {
        let Some(current) = &self.current else { return };
        let serial = &current.meta().serial;
        if !self.ari.is_due(serial) {
            return;
        }
        let Ok(_permit) = self.shared.orders.acquire().await else {
            return;
        };
        let attempt = Attempt {
            shared: &self.shared,
            spec: &self.spec,
            cert: &self.cert,
            url: &self.spec.directory,
            before: of_same_ca(self.current.as_ref(), &self.spec),
            kinds: Vec::new(),
            keeps: false,
        };
        self.ari.refresh(serial, &attempt).await;
    }

    /// When the next order is due by what is known of the certificate, and why.
    fn due(&self) -> (UnixTime, Why) {
        let Some(current) = &self.current else {
            return (UnixTime::default(), Why::Missing);
        };
        let wanted = Wanted {
            cert: &self.cert,
            directory: &self.spec.directory,
        };
        let is_of_before = self.shared.is_outdated(&self.cert.name, current.version());
        let since = if is_of_before {
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
        (at <= UnixTime::now() && self.journal.may_order()).then_some(why)
    }

    /// As people are told it: `ianitor certs revoke` asks for another one, because it has revoked
    /// the one that there is.
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
                let result = self.try_out().await.map(|()| true);
                let error = result.as_ref().err().map(Failed::text);
                tracing::info!(certificate = %self.cert.name, error, "tried out an order");
                result
            }
            RenewMode::Order => {
                // It may be asked for because it was just revoked.
                self.read().await;
                self.order(Why::Asked, Some(request)).await
            }
        };
        if !matches!(result, Ok(false)) {
            let renewals = &self.shared.parts.renewals;
            renewals.finish(&self.cert.name, request, result.map(drop));
        }
    }

    /// An order of which nothing is kept.
    async fn try_out(&self) -> Result<(), Failed> {
        let Some(url) = self.spec.staging.as_deref() else {
            return Err(OrderError::NoStaging.into());
        };
        tracing::info!(certificate = %self.cert.name, directory = url, "trying out an order, as asked for");
        let (kinds, keeps) = (self.spec.challenges.clone(), false);
        let attempt = Attempt {
            shared: &self.shared,
            spec: &self.spec,
            cert: &self.cert,
            url,
            before: None,
            kinds,
            keeps,
        };
        attempt.run().await.map(drop)
    }

    /// Says whether it ordered.
    async fn order(&mut self, why: Why, request: Option<&Request>) -> Result<bool, Failed> {
        let result = self.order_alone(why, request).await;
        let end = self
            .current
            .as_ref()
            .map(|current| current.meta().not_after);
        match &result {
            Ok(false) => {}
            Ok(true) => {
                self.journal.succeeded();
                self.shared.parts.renewals.renewed(&self.cert.name);
            }
            Err(Failed {
                error: OrderError::Unfinished { again },
                ..
            }) => self.journal.unfinished(*again),
            Err(failed) => self.journal.failed(failed, end),
        }
        result
    }

    /// Orders, if it is still to be ordered by the time that nobody else does. Says whether it was.
    async fn order_alone(&mut self, why: Why, request: Option<&Request>) -> Result<bool, Failed> {
        let shared = Arc::clone(&self.shared);
        let _lock = shared.lock(&self.cert.name.order_lock()).await?;
        let Ok(_permit) = shared.orders.acquire().await else {
            return Ok(false);
        };
        self.take_newer().await;
        self.journal.adopt().await;
        let is_wanted = match request {
            Some(request) => request.is_pending(),
            None => self.is_due().is_some(),
        };
        if self.is_over() || !is_wanted {
            return Ok(false);
        }
        let why = self.reason(why);
        tracing::info!(certificate = %self.cert.name, hosts = ?self.cert.hosts, directory = %self.spec.directory, %why, "ordering");
        self.journal.ordering();
        let (before, url) = (
            of_same_ca(self.current.as_ref(), &self.spec),
            &*self.spec.directory,
        );
        // Whoever asks by hand has mended something, and knows how often they ask.
        let refusals = if why == Why::Asked {
            0
        } else {
            self.journal.refusals()
        };
        let (kinds, keeps) = (schedule::kinds(&self.spec.challenges, refusals), true);
        let attempt = Attempt {
            shared: &shared,
            spec: &self.spec,
            cert: &self.cert,
            url,
            before,
            kinds,
            keeps,
        };
        let bundle = attempt.run().await?;
        self.keep(bundle).await?;
        Ok(true)
    }

    /// Serves a new certificate, kept or not: to lose it would be worse than not to have it after a
    /// restart.
    async fn keep(&mut self, bundle: Bundle) -> Result<(), OrderError> {
        self.unsaved = Some(bundle.clone());
        self.save().await;
        let version = match self.unsaved {
            None => self.looked_at.unwrap_or_default(),
            Some(_) => self.current.as_ref().map_or(0, Current::version),
        };
        let place = self.shared.parts.store.place(&self.cert.name).into();
        let new = Current::new(Stored { version, bundle }, &self.cert, place)
            .map_err(OrderError::Unusable)?;
        self.take(new);
        Ok(())
    }

    /// Puts into the store what it did not take before.
    async fn save(&mut self) {
        let Some(bundle) = self.unsaved.take() else {
            return;
        };
        let (name, new) = (self.cert.name.clone(), bundle.clone());
        match self
            .shared
            .store(move |store| store.put_certificate(&name, &new))
            .await
        {
            Ok(version) => {
                self.looked_at = Some(version);
                open::forget(&self.shared, &self.cert).await;
                self.journal.was_saved();
                if self.is_over() {
                    self.shared.outdate(&self.cert.name, version);
                }
            }
            Err(error) => {
                self.journal.unsaved(&error);
                self.unsaved = Some(bundle);
            }
        }
    }
}

/// What this CA knows, and would be told that it is replaced.
fn of_same_ca<'a>(current: Option<&'a Current>, spec: &AcmeSpec) -> Option<&'a ServableCert> {
    current
        .filter(|current| *current.meta().directory == *spec.directory)
        .map(|current| &current.managed)
}

#[cfg(test)]
mod tests;
