//! The state of the orders for one certificate: failures, waits and the next order. It is written
//! to the store, the log and the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::AcmeContext;
use super::current::Current;
use super::error::OrderError;
use super::failure::Failure;
use super::schedule::{Life, RetryClass, Why};
use super::spec::{AcmeSpec, CertSpec};
use super::status::CertStatus;
use super::wait::{LONGEST, Wait, next_try};
use crate::clock::UnixTime;
use crate::store::{CertStore, OrderRecord, Part, StoreError};
use crate::telemetry::Chain;

/// Errors of the store, each logged once until it changes.
const UNREAD: &str = "a certificate of the store cannot be served";
const UNSAVED: &str =
    "a new certificate is in service, but cannot be written to the store; retrying";
const UNWRITTEN: &str = "the state of an order cannot be written to the store";

pub(super) struct OrderState {
    context: Arc<AcmeContext>,
    cert: Arc<CertSpec>,
    record: OrderRecord,
    /// What this task last read from or wrote to the store.
    stored: Option<OrderRecord>,
    /// The wait before the next order.
    not_before: Option<Wait>,
    /// Whether the next process has to wait too.
    is_held: bool,
    /// The last logged error of the store by operation, so that each is logged once.
    logged: BTreeMap<&'static str, String>,
    /// Whether the CA has an order that it has not finished.
    is_unfinished: bool,
}

impl OrderState {
    pub(super) fn new(context: Arc<AcmeContext>, spec: &AcmeSpec, cert: Arc<CertSpec>) -> Self {
        let record = OrderRecord {
            wanted: wanted(spec, &cert),
            ..OrderRecord::default()
        };
        context.outputs.statuses.begin(&cert);
        Self {
            context,
            cert,
            record,
            stored: None,
            not_before: None,
            is_held: false,
            logged: BTreeMap::new(),
            is_unfinished: false,
        }
    }

    /// Continues from what the previous process has stored.
    pub(super) async fn open(&mut self) {
        let Some(kept) = self.read().await else {
            return;
        };
        self.wait_for(&kept);
        self.stored = Some(kept);
        if let Some(Wait { date: next, .. }) = self.not_before.filter(|wait| !wait.end.has_come()) {
            let (name, error, failures) = (
                &self.cert.name,
                self.record.error.as_deref(),
                self.record.failures,
            );
            tracing::warn!(
                certificate = %name, error, failures, %next,
                "orders have failed before the start and the CA counts them; `ianitor certs renew` \
                 does not wait"
            );
        }
    }

    /// Waits as long as another process of the same store has to.
    pub(super) async fn adopt(&mut self) {
        let Some(kept) = self.read().await else {
            return;
        };
        // This task's own record says nothing new, and its dates may be those of a clock that was
        // set since.
        if self.stored.as_ref() != Some(&kept) {
            self.wait_for(&kept);
        }
    }

    fn wait_for(&mut self, kept: &OrderRecord) {
        if kept.wanted != self.record.wanted {
            return;
        }
        // The CA counts the refusals of all processes.
        self.record.refusals = self.record.refusals.max(kept.refusals);
        // A clock that was wrong must not cause a longer wait than any CA asks for.
        let Some(left) = kept
            .left(UnixTime::now())
            .filter(|_| kept.hold)
            .map(|left| left.min(LONGEST))
        else {
            return;
        };
        let wait = Wait::new(left);
        if self
            .not_before
            .is_none_or(|ours| !left.is_zero() && ours.end < wait.end)
        {
            let OrderRecord {
                failures, error, ..
            } = kept.clone();
            self.record = OrderRecord {
                failures,
                error,
                ..self.record.clone()
            };
            (self.not_before, self.is_held) = (Some(wait), true);
        }
    }

    async fn read(&mut self) -> Option<OrderRecord> {
        let name = self.cert.name.clone();
        let read = move |store: &dyn CertStore| match store.order_record(&name) {
            // It is written again.
            Err(StoreError::Damaged { what, .. }) => {
                store.set_aside(&Part::Record(&name), &what).map(|()| None)
            }
            read => read,
        };
        self.context.store(read).await.ok().flatten()
    }

    /// Whether there is no wait after failures.
    pub(super) fn may_order(&self) -> bool {
        self.not_before.is_none_or(|wait| wait.end.has_come())
    }

    /// How many orders the CA has refused since the last successful one.
    pub(super) fn refusals(&self) -> u32 {
        self.record.refusals
    }

    pub(super) fn ordering(&self) {
        self.change(|status| status.is_ordering = true);
    }

    /// Another process has renewed the certificate.
    pub(super) fn renewed_elsewhere(&mut self) {
        let OrderRecord { wanted, .. } = std::mem::take(&mut self.record);
        self.record = OrderRecord {
            wanted,
            ..OrderRecord::default()
        };
        (self.not_before, self.is_held, self.is_unfinished) = (None, false, false);
    }

    pub(super) fn succeeded(&mut self) {
        self.renewed_elsewhere();
        self.change(|status| (status.issued, status.is_ordering) = (status.issued + 1, false));
    }

    /// `validity` is when that of the certificate in service begins and ends.
    pub(super) fn failed(&mut self, failed: &Failure, validity: Option<(UnixTime, UnixTime)>) {
        let now = UnixTime::now();
        let expires = validity.map(|(_, end)| end);
        let class = failed.error.retry_class();
        let is_refusal = matches!(class, RetryClass::Permanent | RetryClass::Costly);
        self.record.failures = self.record.failures.saturating_add(1);
        self.record.refusals = self.record.refusals.saturating_add(u32::from(is_refusal));
        let OrderRecord {
            failures, refusals, ..
        } = self.record;
        // Refusals and other failures are counted apart: a day without a network is no refusal.
        let of_class = if is_refusal {
            refusals
        } else {
            failures.saturating_sub(refusals)
        };
        let life = validity.map_or(Life::NONE, |(begin, end)| Life {
            left: now.until(end),
            whole: begin.until(end),
        });
        let wait = Wait::new(next_try(failed, of_class, life));
        let next = wait.date;
        self.not_before = Some(wait);
        let is_counted = is_refusal && !failed.error.is_before_the_ca();
        self.is_held = is_counted || failed.retry_after.is_some();
        self.is_unfinished = false;
        self.record.error = Some(failed.error.text());
        self.change(|status| (status.failed, status.is_ordering) = (status.failed + 1, false));
        let (name, error) = (&self.cert.name, Chain(&failed.error));
        let (advice, hint) = (failed.error.advice(), self.hint(&failed.error));
        let advice = advice.as_deref();
        match expires {
            Some(end) if end <= now => {
                tracing::error!(
                    certificate = %name,
                    %error,
                    advice,
                    failures,
                    %next,
                    hint,
                    expired = %end,
                    "no new certificate; the one in service has EXPIRED and stays in service"
                );
            }
            Some(_) => {
                tracing::warn!(
                    certificate = %name,
                    %error,
                    advice,
                    failures,
                    %next,
                    hint,
                    "no new certificate; the one in service stays"
                );
            }
            None => {
                tracing::error!(
                    certificate = %name,
                    %error,
                    advice,
                    failures,
                    %next,
                    hint,
                    "no certificate came"
                )
            }
        }
    }

    /// The CA needs more time for the order. The next process resumes it at its start.
    pub(super) fn unfinished(&mut self, again: Duration) {
        (self.not_before, self.is_held) = (Some(Wait::new(again)), false);
        self.change(|status| status.is_ordering = false);
        if !std::mem::replace(&mut self.is_unfinished, true) {
            tracing::info!(
                certificate = %self.cert.name, again_in = ?again,
                "the CA has not finished the order; it is asked again, also after a restart"
            );
        }
    }

    /// An order is due, but the CA would count another failed validation as one too many.
    pub(super) fn postpone(&mut self, wait: Duration) {
        (self.not_before, self.is_held) = (Some(Wait::new(wait)), true);
    }

    /// How an operator who has fixed the cause avoids the wait. After a rate limit, ordering sooner
    /// would only extend the limit.
    fn hint(&self, error: &OrderError) -> Option<String> {
        let is_fixable = self.is_held && !error.is_rate_limit();
        is_fixable.then(|| {
            format!(
                "`ianitor certs renew {}` does not wait for that",
                self.cert.name
            )
        })
    }

    /// Publishes when the next order is due, and why.
    pub(super) async fn plan(&mut self, due: UnixTime, why: Why, current: Option<&Current>) {
        self.not_before = self.not_before.map(Wait::dated);
        let next = self
            .not_before
            .map_or(due, |wait| wait.date.max(due))
            .max(UnixTime(1));
        self.record.next = Some(next);
        // A renewal that is due later is no wait: a reason to order sooner may come up.
        let held = self
            .not_before
            .filter(|wait| self.is_held && wait.date == next);
        (self.record.hold, self.record.written) = (held.is_some(), held.map(|wait| wait.written));
        self.record.why = match self.not_before {
            _ if self.is_unfinished => format!("{why}; the CA has not finished the order"),
            Some(wait) if wait.date > due => format!("{why}; trying again"),
            _ => why.to_string(),
        };
        let record = self.record.clone();
        self.change(|status| {
            status.not_after = current.map(|current| current.meta().not_after);
            (status.next, status.why) = (record.next, record.why);
            (status.failures, status.error) = (record.failures, record.error);
        });
        self.write().await;
    }

    async fn write(&mut self) {
        // It is read again, since it may have been damaged or removed.
        if self.stored.as_ref() == Some(&self.record) && self.read().await.is_some() {
            return;
        }
        let (name, record) = (self.cert.name.clone(), self.record.clone());
        match self
            .context
            .store(move |store| store.put_order_record(&name, &record))
            .await
        {
            Ok(()) => {
                self.logged.remove(UNWRITTEN);
                self.stored = Some(self.record.clone());
            }
            Err(error) => self.note(&error, UNWRITTEN),
        }
    }

    /// The certificate in the store cannot be read.
    pub(super) fn unread(&mut self, error: &OrderError) {
        self.note(error, UNREAD);
    }

    pub(super) fn was_read(&mut self) {
        self.logged.remove(UNREAD);
    }

    /// The new certificate could not be written to the store.
    pub(super) fn unsaved(&mut self, error: &OrderError) {
        self.note(error, UNSAVED);
    }

    pub(super) fn was_saved(&mut self) {
        self.logged.remove(UNREAD);
        if self.logged.remove(UNSAVED).is_some() {
            tracing::info!(certificate = %self.cert.name, "the certificate is now in the store");
        }
    }

    fn note(&mut self, error: &OrderError, what: &'static str) {
        let text = Chain(error).to_string();
        if self.logged.get(what) != Some(&text) {
            tracing::error!(certificate = %self.cert.name, error = text, "{what}");
            self.logged.insert(what, text);
        }
    }

    fn change(&self, change: impl FnOnce(&mut CertStatus)) {
        self.context.outputs.statuses.change(&self.cert, change);
    }
}

/// What is ordered, and how. After a change, earlier failures no longer count.
fn wanted(spec: &AcmeSpec, cert: &CertSpec) -> String {
    let hosts: Vec<&str> = cert.hosts.iter().map(|host| host.as_str()).collect();
    let kinds: Vec<&str> = spec.challenges.iter().map(|kind| kind.name()).collect();
    let profile = cert.profile.as_deref().unwrap_or("-");
    let account = spec
        .external_account
        .as_ref()
        .map_or("-", |account| &account.key_id);
    [
        &hosts.join(","),
        cert.key_type.name(),
        profile,
        &spec.directory,
        &kinds.join(","),
        account,
    ]
    .join(" ")
}

#[cfg(test)]
mod tests;
