//! What goes on with one certificate: kept in the store, told in the log, and there to be seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::Failed;
use super::current::Current;
use super::error::{Kind, OrderError};
use super::schedule::{Why, back_off};
use super::seen::{CertSeen, Seen};
use super::shared::Shared;
use super::{AcmeSpec, CertSpec};
use crate::clock::UnixTime;
use crate::store::{Answer, Progress, Wish};
use crate::telemetry::Chain;

/// What a CA says about waiting is believed up to here: Let's Encrypt's longest limit is a week.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What the store may refuse.
const UNREAD: &str = "a certificate of the store cannot be served";
const UNSAVED: &str = "a new certificate is in service and cannot be kept in the store; trying again";
const UNWRITTEN: &str = "what goes on with a certificate cannot be kept in the store";

/// One certificate's.
pub(super) struct Journal {
    shared: Arc<Shared>,
    cert: Arc<CertSpec>,
    seen: Arc<Seen>,
    progress: Progress,
    /// What the store has.
    kept: Option<Progress>,
    /// No order before this, after failures.
    not_before: Option<UnixTime>,
    /// Whether the process after this one has to wait for that too.
    is_held: bool,
    /// What the log was last told of the store, by what was to be done there: it is told once, not at every look.
    troubles: BTreeMap<&'static str, String>,
}

impl Journal {
    pub(super) fn new(shared: Arc<Shared>, spec: &AcmeSpec, cert: Arc<CertSpec>, seen: Arc<Seen>) -> Self {
        let progress = Progress { wanted: wanted(spec, &cert), ..Progress::default() };
        seen.begin(&cert);
        Self { shared, cert, seen, progress, kept: None, not_before: None, is_held: false, troubles: BTreeMap::new() }
    }

    /// Takes up what the process before this one has left.
    pub(super) async fn open(&mut self) {
        let Some(kept) = self.read().await else { return };
        self.progress.answer = kept.answer.clone();
        self.kept = Some(kept);
        self.adopt().await;
        if let Some(next) = self.not_before.filter(|next| *next > UnixTime::now()) {
            let (name, error, failures) = (&self.cert.name, self.progress.error.as_deref(), self.progress.failures);
            tracing::warn!(certificate = %name, error, failures, %next, "orders have failed before the start and the CA counts them; `ianitor certs renew` does not wait");
        }
    }

    /// Waits for what another process has been told to wait for.
    pub(super) async fn adopt(&mut self) {
        let Some(kept) = self.read().await else { return };
        let is_ours = kept.wanted == self.progress.wanted && kept.hold;
        if let Some(next) = kept.next.filter(|next| is_ours && Some(*next) > self.not_before) {
            let Progress { failures, error, .. } = kept;
            self.progress = Progress { failures, error, ..self.progress.clone() };
            self.is_held = true;
            // A clock that was wrong does not make us wait for longer than any CA.
            self.not_before = Some(next.min(UnixTime::now().after(LONGEST)));
        }
    }

    async fn read(&mut self) -> Option<Progress> {
        let name = self.cert.name.clone();
        // What is damaged is written anew.
        self.shared.store(move |store| store.progress(&name)).await.ok().flatten()
    }

    /// What somebody asks for.
    pub(super) async fn wish(&mut self) -> Option<Wish> {
        let name = self.cert.name.clone();
        match self.shared.store(move |store| store.take_wish(&name)).await {
            Ok(wish) => wish,
            Err(error) => {
                self.note(&error, "what was asked for cannot be read");
                None
            }
        }
    }

    /// What somebody asks for, and what was not done.
    pub(super) async fn wish_again(&mut self, wish: Wish) {
        let name = self.cert.name.clone();
        if let Err(error) = self.shared.store(move |store| store.put_wish(&name, &wish)).await {
            self.note(&error, "what was asked for is forgotten");
        }
    }

    /// Whether failures let us ask the CA again.
    pub(super) fn may_order(&self, now: UnixTime) -> bool {
        self.not_before.is_none_or(|at| at <= now || now.until(at) > LONGEST)
    }

    pub(super) fn ordering(&self) {
        self.change(|seen| seen.is_ordering = true);
    }

    /// There is a certificate, and it was not we who got it.
    pub(super) fn others_succeeded(&mut self) {
        let Progress { wanted, answer, .. } = std::mem::take(&mut self.progress);
        self.progress = Progress { wanted, answer, ..Progress::default() };
        (self.not_before, self.is_held) = (None, false);
    }

    pub(super) fn succeeded(&mut self) {
        self.others_succeeded();
        self.change(|seen| (seen.issued, seen.is_ordering) = (seen.issued + 1, false));
    }

    /// `end` is that of the certificate that there is.
    pub(super) fn failed(&mut self, failed: &Failed, end: Option<UnixTime>) {
        let now = UnixTime::now();
        self.progress.failures += 1;
        let failures = self.progress.failures;
        let kind = failed.error.kind();
        let next = next_try(failed, failures, now, end);
        self.not_before = Some(next);
        self.is_held = kind == Kind::Refused || failed.retry_after.is_some();
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
            None => tracing::error!(certificate = %name, %error, advice, failures, %next, hint, "no certificate came"),
        }
    }

    /// How somebody who has mended the cause gets on. Whoever is limited would only be limited for longer.
    fn hint(&self, error: &OrderError) -> Option<String> {
        let is_to_be_mended = self.is_held && !error.is_rate_limit();
        is_to_be_mended.then(|| format!("`ianitor certs renew {}` does not wait for that", self.cert.name))
    }

    /// Whether there is an answer that nobody has been given.
    pub(super) fn has_answer(&self) -> bool {
        self.progress.answer != self.kept.as_ref().and_then(|kept| kept.answer.clone())
    }

    pub(super) fn answer(&mut self, wish: &Wish, result: Result<(), Failed>) {
        let error = result.err().map(|failed| failed.text());
        if wish.dry_run {
            tracing::info!(certificate = %self.cert.name, error, "tried out an order");
        }
        self.progress.answer = Some(Answer { id: wish.id.clone(), error });
    }

    /// When the next order is due and why: tells everybody, if it is news.
    pub(super) async fn plan(&mut self, due: UnixTime, why: Why, current: Option<&Current>) {
        let next = self.not_before.map_or(due, |at| at.max(due)).max(UnixTime(1));
        self.progress.next = Some(next);
        // What is due only later is planned, not held: a reason to order sooner may come.
        self.progress.hold = self.is_held && self.not_before == Some(next);
        self.progress.why = match self.not_before {
            Some(at) if at > due => format!("{why}; trying again"),
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
        if !self.has_answer() {
            // Another process may have answered a wish meanwhile.
            self.progress.answer = self.read().await.and_then(|kept| kept.answer).or(self.progress.answer.take());
        }
        let (name, progress) = (self.cert.name.clone(), self.progress.clone());
        match self.shared.store(move |store| store.put_progress(&name, &progress)).await {
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

    fn change(&self, change: impl FnOnce(&mut CertSeen)) {
        self.seen.change(&self.cert, change);
    }
}

/// What is ordered, and how: after a change of that, failures of before do not count.
fn wanted(spec: &AcmeSpec, cert: &CertSpec) -> String {
    let hosts: Vec<&str> = cert.hosts.iter().map(|host| host.as_str()).collect();
    let kinds: Vec<&str> = spec.challenges.iter().map(|kind| kind.name()).collect();
    let profile = cert.profile.as_deref().unwrap_or("-");
    let account = spec.external_account.as_ref().map_or("-", |account| &account.key_id);
    [&hosts.join(","), cert.key_type.name(), profile, &spec.directory, &kinds.join(","), account].join(" ")
}

/// The CA's word where it limits how often it is asked; at least that elsewhere.
fn next_try(failed: &Failed, failures: u32, now: UnixTime, end: Option<UnixTime>) -> UnixTime {
    let left = end.map_or(Duration::ZERO, |end| now.until(end));
    let kind =
        if failed.error.is_rate_limit() && failed.retry_after.is_some() { Kind::Limited } else { failed.error.kind() };
    let by_us = now.after(back_off(kind, failures, left));
    failed.retry_after.map_or(by_us, |at| at.min(now.after(LONGEST)).max(by_us))
}

#[cfg(test)]
mod tests;
