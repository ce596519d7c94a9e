//! Fetches the keys of issuers that publish them, as the gateway would for a token.

use std::sync::Arc;

use ianitor::clock::UnixTime;
use ianitor::jwks::{self, Client};
use ianitor::policy::{IssuerId, TokenRule};
use ianitor::telemetry::{Chain, Visible};
use ianitor::token::issuer::Issuer;
use ianitor::token::jws::Parts;

use crate::cli::output::{CliError, runtime};

/// What came of fetching the keys of the issuers that a policy accepts.
#[derive(Debug, Default)]
pub(super) struct KeyFetches(Vec<(IssuerId, Result<String, String>)>);

impl KeyFetches {
    /// Fetches the keys that could verify the token, and puts them in force.
    ///
    /// # Errors
    /// If there is no runtime.
    pub(super) fn for_token(
        parts: &Parts<'_>,
        rule: &TokenRule,
        issuers: &[Arc<Issuer>],
    ) -> Result<Self, CliError> {
        runtime()?.block_on(async {
            let mut fetches = Vec::new();
            for accepted in &rule.issuers {
                let issuer = &issuers[accepted.id.0];
                if issuer.spec.algorithms.contains(&parts.algorithm)
                    && let Some(result) = fetch(issuer, parts).await
                {
                    fetches.push((accepted.id, result));
                }
            }
            Ok(Self(fetches))
        })
    }

    /// What was found, or why nothing was; `None` if this issuer's keys were not fetched.
    pub(super) fn of(&self, id: IssuerId) -> Option<&Result<String, String>> {
        let (_, result) = self.0.iter().find(|(fetched, _)| *fetched == id)?;
        Some(result)
    }
}

async fn fetch(issuer: &Issuer, parts: &Parts<'_>) -> Option<Result<String, String>> {
    let endpoint = issuer.spec.keys.endpoint()?;
    let fetched = issuer.keys.fetched()?;
    let client = match Client::new(&issuer.spec.name, endpoint) {
        Ok(client) => client,
        Err(error) => return Some(Err(Chain(&error).to_string())),
    };
    let url = &endpoint.url;
    Some(
        match jwks::fetch_keys(&issuer.spec, parts.kid.as_deref(), &client).await {
            Ok(keys) => {
                let count = keys.len();
                fetched.replace(keys);
                fetched.note_success(UnixTime::now());
                Ok(format!("keys from {url}: {count}"))
            }
            Err(error) => Err(format!("keys from {url}: {}", Visible(Chain(&error)))),
        },
    )
}
