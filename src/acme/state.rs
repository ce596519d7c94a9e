//! What goes on with one certificate: kept in the store, told in the log, and there to be seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::Failed;
use super::context::Shared;
use super::current::Current;
use super::error::{Kind, OrderError};
use super::schedule::{Why, back_off};
use super::status::{CertStatus, Seen};
use super::{AcmeSpec, CertSpec};
use crate::clock::{Moment, UnixTime};
use crate::store::Progress;
use crate::telemetry::Chain;

/// What a CA says about waiting is believed up to here: Let's Encrypt's longest limit is a week.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What the store may refuse.
const UNREAD: &str = "a certificate of the store cannot be served";
const UNSAVED: &str =
    "a new certificate is in service and cannot be kept in the store; trying again";
const UNWRITTEN: &str = "what goes on with a certificate cannot be kept in the store";

/// One certificate's.
pub(super) struct Journal {
    shared: Arc<Shared>,
    cert: Arc<CertSpec>,
    seen: Arc<Seen>,
    progress: Progress,
    /// What the store has.
    kept: Option<Progress>,
    /// No order before this.
    not_before: Option<Wait>,
    /// Whether the process after this one has to wait for that too.
    is_held: bool,
    /// What the log was last told of the store, by what was to be done there: it is told once, not
    /// at every look.
    troubles: BTreeMap<&'static str, String>,
    /// Whether the CA has an order that it has not finished.
    is_unfinished: bool,
}

/// A wait, after failures or for the CA. It ends by the monotonic clock, however the system's clock
/// is set meanwhile; its dates are for people and for the process after this one.
#[derive(Clone, Copy, Debug)]
struct Wait {
    end: Moment,
    date: UnixTime,
    /// When that was its date.
    written: UnixTime,
}

/// Dates that differ by less are the same: the clock was not set, but counted.
const SAME_DATE: Duration = Duration::from_secs(5);

impl Wait {
    fn new(wait: Duration) -> Self {
        let end = Moment::after(wait);
        Self {
            end,
            date: end.date(),
            written: UnixTime::now(),
        }
    }

    /// With the date that it has by today's clock, if that was set.
    fn dated(self) -> Self {
        let date = self.end.date();
        let off = self.date.until(date).max(date.until(self.date));
        if off < SAME_DATE {
            self
        } else {
            Self {
                date,
                written: UnixTime::now(),
                ..self
            }
        }
    }
}

impl Journal {
    pub(super) fn new(
        shared: Arc<Shared>,
        spec: &AcmeSpec,
        cert: Arc<CertSpec>,
        seen: Arc<Seen>,
    ) -> Self {
        let progress = Progress {
            wanted: wanted(spec, &cert),
            ..Progress::default()
        };
        seen.begin(&cert);
        let (kept, not_before, troubles) = (None, None, BTreeMap::new());
        Self {
            shared,
            cert,
            seen,
            progress,
            kept,
            not_before,
            is_held: false,
            troubles,
            is_unfinished: false,
        }
    }

    /// Takes up what the process before this one has left.
    pub(super) async fn open(&mut self) {
        let Some(kept) = self.read().await else {
            return;
        };
        self.wait_for(&kept);
        self.kept = Some(kept);
        if let Some(Wait { date: next, .. }) = self.not_before.filter(|wait| !wait.end.has_come()) {
            let (name, error, failures) = (
                &self.cert.name,
                self.progress.error.as_deref(),
                self.progress.failures,
            );
            tracing::warn!(certificate = %name, error, failures, %next, "orders have failed before the start and the CA counts them; `ianitor certs renew` does not wait");
        }
    }

    /// Waits for what another process has been told to wait for.
    pub(super) async fn adopt(&mut self) {
        let Some(kept) = self.read().await else {
            return;
        };
        // What we have written says nothing new; its dates may be those of a clock that was set
        // since.
        if self.kept.as_ref() != Some(&kept) {
            self.wait_for(&kept);
        }
    }

    fn wait_for(&mut self, kept: &Progress) {
        if kept.wanted != self.progress.wanted {
            return;
        }
        // What was counted is counted by the CA too, whoever waits for it.
        self.progress.refusals = self.progress.refusals.max(kept.refusals);
        // A clock that was wrong does not make us wait for longer than any CA.
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
            let Progress {
                failures, error, ..
            } = kept.clone();
            self.progress = Progress {
                failures,
                error,
                ..self.progress.clone()
            };
            (self.not_before, self.is_held) = (Some(wait), true);
        }
    }

    async fn read(&mut self) -> Option<Progress> {
        let name = self.cert.name.clone();
        // What is damaged is written anew.
        self.shared
            .store(move |store| store.progress(&name))
            .await
            .ok()
            .flatten()
    }

    /// Whether failures let us ask the CA again.
    pub(super) fn may_order(&self) -> bool {
        self.not_before.is_none_or(|wait| wait.end.has_come())
    }

    /// How many orders the CA has refused since the last that succeeded.
    pub(super) fn refusals(&self) -> u32 {
        self.progress.refusals
    }

    pub(super) fn ordering(&self) {
        self.change(|seen| seen.is_ordering = true);
    }

    /// There is a certificate, and it was not we who got it.
    pub(super) fn others_succeeded(&mut self) {
        let Progress { wanted, .. } = std::mem::take(&mut self.progress);
        self.progress = Progress {
            wanted,
            ..Progress::default()
        };
        (self.not_before, self.is_held, self.is_unfinished) = (None, false, false);
    }

    pub(super) fn succeeded(&mut self) {
        self.others_succeeded();
        self.change(|seen| (seen.issued, seen.is_ordering) = (seen.issued + 1, false));
    }

    /// `end` is that of the certificate that there is.
    pub(super) fn failed(&mut self, failed: &Failed, end: Option<UnixTime>) {
        let now = UnixTime::now();
        let kind = failed.error.kind();
        let is_refusal = matches!(kind, Kind::Refused | Kind::Counted);
        self.progress.failures = self.progress.failures.saturating_add(1);
        self.progress.refusals = self.progress.refusals.saturating_add(u32::from(is_refusal));
        let Progress {
            failures, refusals, ..
        } = self.progress;
        // A CA that was away for a day has refused nothing, and the other way round.
        let of_kind = if is_refusal {
            refusals
        } else {
            failures.saturating_sub(refusals)
        };
        let wait = Wait::new(next_try(
            failed,
            of_kind,
            end.map_or(Duration::ZERO, |end| now.until(end)),
        ));
        let next = wait.date;
        self.not_before = Some(wait);
        self.is_held = is_refusal || failed.retry_after.is_some();
        self.is_unfinished = false;
        self.progress.error = Some(failed.text());
        self.change(|seen| (seen.failed, seen.is_ordering) = (seen.failed + 1, false));
        let (name, error) = (&self.cert.name, Chain(&failed.error));
        let (advice, hint) = (failed.error.advice(), self.hint(&failed.error));
        let advice = advice.as_deref();
        match end {
            Some(end) if end <= now => {
                tracing::error!(certificate = %name, %error, advice, failures, %next, hint, expired = %end, "no new certificate; the one in service has EXPIRED and stays in service");
            }
            Some(_) => {
                tracing::warn!(certificate = %name, %error, advice, failures, %next, hint, "no new certificate; the one in service stays");
            }
            None => {
                tracing::error!(certificate = %name, %error, advice, failures, %next, hint, "no certificate came")
            }
        }
    }

    /// The CA is at the order, and is asked again then; a process after this one asks at its start.
    pub(super) fn unfinished(&mut self, again: Duration) {
        (self.not_before, self.is_held) = (Some(Wait::new(again)), false);
        self.change(|seen| seen.is_ordering = false);
        if !std::mem::replace(&mut self.is_unfinished, true) {
            tracing::info!(certificate = %self.cert.name, again_in = ?again, "the CA has not finished the order; it is asked again, also after a restart");
        }
    }

    /// How somebody who has mended the cause gets on. Whoever is limited would only be limited for
    /// longer.
    fn hint(&self, error: &OrderError) -> Option<String> {
        let is_to_be_mended = self.is_held && !error.is_rate_limit();
        is_to_be_mended.then(|| {
            format!(
                "`ianitor certs renew {}` does not wait for that",
                self.cert.name
            )
        })
    }

    /// When the next order is due and why: tells everybody, if it is news.
    pub(super) async fn plan(&mut self, due: UnixTime, why: Why, current: Option<&Current>) {
        self.not_before = self.not_before.map(Wait::dated);
        let next = self
            .not_before
            .map_or(due, |wait| wait.date.max(due))
            .max(UnixTime(1));
        self.progress.next = Some(next);
        // What is due only later is planned, not held: a reason to order sooner may come.
        let held = self
            .not_before
            .filter(|wait| self.is_held && wait.date == next);
        (self.progress.hold, self.progress.written) =
            (held.is_some(), held.map(|wait| wait.written));
        self.progress.why = match self.not_before {
            _ if self.is_unfinished => format!("{why}; the CA has not finished the order"),
            Some(wait) if wait.date > due => format!("{why}; trying again"),
            _ => why.to_string(),
        };
        let progress = self.progress.clone();
        self.change(|seen| {
            seen.not_after = current.map(|current| current.meta().not_after);
            (seen.next, seen.why) = (progress.next, progress.why);
            (seen.failures, seen.error) = (progress.failures, progress.error);
        });
        self.write().await;
    }

    async fn write(&mut self) {
        // Somebody may have damaged it, or moved it away.
        if self.kept.as_ref() == Some(&self.progress) && self.read().await.is_some() {
            return;
        }
        let (name, progress) = (self.cert.name.clone(), self.progress.clone());
        match self
            .shared
            .store(move |store| store.put_progress(&name, &progress))
            .await
        {
            Ok(()) => {
                self.troubles.remove(UNWRITTEN);
                self.kept = Some(self.progress.clone());
            }
            Err(error) => self.note(&error, UNWRITTEN),
        }
    }

    /// The store does not give what it has.
    pub(super) fn unread(&mut self, error: &OrderError) {
        self.note(error, UNREAD);
    }

    pub(super) fn was_read(&mut self) {
        self.troubles.remove(UNREAD);
    }

    /// The store does not take what came.
    pub(super) fn unsaved(&mut self, error: &OrderError) {
        self.note(error, UNSAVED);
    }

    pub(super) fn was_saved(&mut self) {
        self.troubles.remove(UNREAD);
        if self.troubles.remove(UNSAVED).is_some() {
            tracing::info!(certificate = %self.cert.name, "the store has taken the certificate now");
        }
    }

    fn note(&mut self, error: &OrderError, what: &'static str) {
        let text = Chain(error).to_string();
        if self.troubles.get(what) != Some(&text) {
            tracing::error!(certificate = %self.cert.name, error = text, "{what}");
            self.troubles.insert(what, text);
        }
    }

    fn change(&self, change: impl FnOnce(&mut CertStatus)) {
        self.seen.change(&self.cert, change);
    }
}

/// What is ordered, and how: after a change of that, failures of before do not count.
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

/// How long to wait: for the CA's word where it limits how often it is asked; at least for that
/// elsewhere. `left` is what is left of the certificate that there is.
fn next_try(failed: &Failed, failures: u32, left: Duration) -> Duration {
    let is_limit = failed.error.is_rate_limit() && failed.retry_after.is_some();
    let kind = if is_limit {
        Kind::Limited
    } else {
        failed.error.kind()
    };
    let by_us = back_off(kind, failures, left);
    failed
        .retry_after
        .map_or(by_us, |said| said.min(LONGEST).max(by_us))
}

#[cfg(test)]
mod tests;
