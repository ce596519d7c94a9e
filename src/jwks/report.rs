//! What a task knows of its issuer, and what the log, the metrics and the workers are told.

use std::sync::Arc;

use super::client::FetchError;
use crate::clock::UnixTime;
use crate::telemetry::Chain;
use crate::token::Algorithm;
use crate::token::issuer::{Fetched, IssuerSpec};
use crate::token::keys::KeySet;

/// An issuer, as its task sees it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) name: Arc<str>,
    pub(super) url: Box<str>,
    pub(super) algorithms: Box<[Algorithm]>,
    pub(super) fetched: Arc<Fetched>,
    /// What the log was last told is wrong: it is told once, not at every try.
    trouble: Option<&'static str>,
}

impl Report {
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

    /// The place has answered as it should.
    pub(super) fn succeeded(&mut self) {
        self.fetched.note_success(UnixTime::now());
        if self.trouble.take().is_some() {
            tracing::info!(issuer = %self.name, url = %self.url, "an issuer's keys are fetched again");
        }
    }

    /// Other keys are in force.
    pub(super) fn replace(&self, set: KeySet) {
        let before = self.fetched.set();
        if !before.names().eq(set.names()) {
            tracing::info!(issuer = %self.name, url = %self.url, keys = set.len(), "an issuer's keys have changed");
        }
        self.fetched.replace(set);
    }

    /// The place has not answered as it should. The keys in force stay.
    pub(super) fn failed(&mut self, error: &FetchError) {
        self.fetched.note_failure();
        let word = error.word();
        let error = Chain(error);
        if self.trouble.replace(word) == Some(word) {
            tracing::debug!(issuer = %self.name, url = %self.url, %error, "an issuer's keys could not be fetched");
            return;
        }
        let so = match self.fetched.set().is_empty() {
            true => {
                "an issuer's keys could not be fetched; its tokens are refused until they can be"
            }
            false => "an issuer's keys could not be fetched; the last good ones stay in force",
        };
        tracing::warn!(issuer = %self.name, url = %self.url, %error, "{so}");
    }
}
