//! What a task knows about its issuer, and its reports to the log, the metrics and the workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::FetchError;
use super::fresh::LONGEST;
use crate::clock::{self, UnixTime};
use crate::telemetry::Chain;
use crate::token::Algorithm;
use crate::token::issuer::{Fetched, IssuerSpec};
use crate::token::keys::KeySet;

/// An issuer, as its task sees it.
#[derive(Debug)]
pub(super) struct IssuerReport {
    pub(super) name: Arc<str>,
    pub(super) url: Box<str>,
    pub(super) algorithms: Box<[Algorithm]>,
    pub(super) fetched: Arc<Fetched>,
    /// The kind of failure that was logged last, so that it is logged once and not for each try.
    trouble: Option<&'static str>,
}

impl IssuerReport {
    pub(super) fn new(spec: &IssuerSpec, url: &str, fetched: Arc<Fetched>) -> Self {
        Self::of(&spec.name, url, &spec.algorithms, fetched)
    }

    pub(super) fn of(
        name: &str,
        url: &str,
        algorithms: &[Algorithm],
        fetched: Arc<Fetched>,
    ) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            algorithms: algorithms.into(),
            fetched,
            trouble: None,
        }
    }

    /// When to fetch first: at once, unless another process has handed over keys that are fresh.
    pub(super) fn first_fetch(&self) -> Instant {
        let (due, now) = (self.fetched.due(), UnixTime::now());
        let wait = Duration::from_secs(due.0.saturating_sub(now.0));
        let is_fresh = wait <= LONGEST && !self.fetched.set().is_empty();
        clock::monotonic() + if is_fresh { wait } else { Duration::ZERO }
    }

    /// Notes when to fetch again.
    pub(super) fn note_next(&self, next: Instant) {
        let wait = next.saturating_duration_since(clock::monotonic());
        self.fetched.note_due(UnixTime::now().after(wait));
    }

    /// Reports a fetch that succeeded.
    pub(super) fn succeeded(&mut self) {
        self.fetched.note_success(UnixTime::now());
        if self.trouble.take().is_some() {
            tracing::info!(
                issuer = %self.name,
                url = %self.url,
                "an issuer's keys are fetched again"
            );
        }
    }

    /// Puts other keys in force.
    pub(super) fn replace(&self, set: KeySet) {
        let before = self.fetched.set();
        if !before.names().eq(set.names()) {
            tracing::info!(
                issuer = %self.name,
                url = %self.url,
                keys = set.len(),
                "an issuer's keys have changed"
            );
        }
        self.fetched.replace(set);
    }

    /// Reports a fetch that failed. The keys in force stay.
    pub(super) fn failed(&mut self, error: &FetchError) {
        self.fetched.note_failure();
        let word = error.word();
        let error = Chain(error);
        if self.trouble.replace(word) == Some(word) {
            tracing::debug!(
                issuer = %self.name,
                url = %self.url,
                %error,
                "an issuer's keys could not be fetched"
            );
            return;
        }
        let message = match self.fetched.set().is_empty() {
            true => "an issuer's keys could not be fetched; its tokens are rejected until then",
            false => "an issuer's keys could not be fetched; the last good ones stay in force",
        };
        tracing::warn!(
            issuer = %self.name,
            url = %self.url,
            %error,
            "{message}"
        );
    }
}
