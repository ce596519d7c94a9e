//! The task of one issuer.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::client::{Client, FetchError};
use super::report::IssuerReport;
use super::{asap, set};
use crate::telemetry::panics::Restarts;
use crate::token::issuer::{Fetched, IssuerSpec, KeyRequest, KeySource};
use crate::token::keys::KeySet;

/// At most this many key requests are queued for an issuer; beyond that, requests do not wait.
pub const MAX_REQUESTS: usize = 1024;

/// Keeps an issuer's keys up to date. Ends when the sender of `client` is dropped; a new client
/// that is sent replaces the old one.
pub async fn follow(
    spec: Arc<IssuerSpec>,
    fetched: Arc<Fetched>,
    mut requests: mpsc::Receiver<KeyRequest>,
    client: watch::Receiver<Client>,
) {
    let mut restarts = Restarts::of("keys of an issuer");
    let report = |url: &str| IssuerReport::new(&spec, url, Arc::clone(&fetched));
    loop {
        let (requests, client) = (&mut requests, client.clone());
        let ended = match &spec.keys {
            KeySource::Jwks(endpoint) => {
                let task = set::follow(report(&endpoint.url), requests, client);
                restarts.run(task).await
            }
            KeySource::Asap(endpoint) => {
                let task = asap::follow(report(&endpoint.url), requests, client);
                restarts.run(task).await
            }
            KeySource::File(_) | KeySource::Secret { .. } => return,
        };
        if ended.is_some() {
            return;
        }
    }
}

/// Fetches once, for `check --live`, and describes what was found.
///
/// # Errors
/// Why there are no keys.
pub async fn ask(spec: &IssuerSpec, client: &Client) -> Result<String, FetchError> {
    match &spec.keys {
        KeySource::Jwks(endpoint) => set::ask(&endpoint.url, &spec.algorithms, client).await,
        KeySource::Asap(endpoint) => asap::ask(&endpoint.url, client).await,
        KeySource::File(_) | KeySource::Secret { .. } => Ok("is not fetched".to_owned()),
    }
}

/// Fetches once, for a command, the keys that a token with this key id is verified with. There is
/// none if the endpoint answers that it has no key of that id.
///
/// # Errors
/// Why there are no keys.
pub async fn fetch_keys(
    spec: &IssuerSpec,
    kid: Option<&str>,
    client: &Client,
) -> Result<KeySet, FetchError> {
    match (&spec.keys, kid) {
        (KeySource::Jwks(endpoint), _) => {
            set::fetch_keys(&endpoint.url, &spec.algorithms, client).await
        }
        (KeySource::Asap(endpoint), Some(kid)) => {
            asap::fetch_keys(&endpoint.url, kid, &spec.algorithms, client).await
        }
        (KeySource::Asap(_) | KeySource::File(_) | KeySource::Secret { .. }, _) => {
            Ok(KeySet::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::jwks::TIMEOUT;
    use crate::token::Algorithm;
    use crate::token::issuer::{Audience, KeyEndpoint, Requester};

    fn spec(keys: KeySource) -> Arc<IssuerSpec> {
        Arc::new(IssuerSpec {
            name: "staff".into(),
            algorithms: Box::new([Algorithm::ES256]),
            keys,
            issuers: None,
            audience: Audience::Any,
            sources: Box::new([]),
            leeway: IssuerSpec::LEEWAY,
            max_lifetime: IssuerSpec::MAX_LIFETIME,
            revoked_file: None,
        })
    }

    fn requester() -> Requester {
        Requester {
            group: crate::addr::ClientAddr::new([192, 0, 2, 1].into()).group(),
            is_listed: false,
        }
    }

    /// An endpoint without a server.
    fn nowhere() -> KeyEndpoint {
        KeyEndpoint {
            url: "http://127.0.0.1:1/keys".into(),
            ca_file: None,
        }
    }

    #[test]
    fn a_task_ends_when_nobody_has_it_and_leaves_no_request_waiting() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for keys in [KeySource::Jwks(nowhere()), KeySource::Asap(nowhere())] {
            let client = watch::Sender::new(Client::new("staff", &nowhere()).unwrap());
            let (request, requests) = mpsc::channel(1);
            let fetched = Fetched::new(request);
            let task = runtime.spawn(follow(
                spec(keys),
                Arc::clone(&fetched),
                requests,
                client.subscribe(),
            ));
            let began = Instant::now();
            runtime.block_on(async {
                fetched.look_for(Some("a".into()), requester()).await;
                assert!(fetched.failures() > 0 && fetched.last_success().is_none());
                drop(client);
                task.await.unwrap();
                fetched.look_for(Some("b".into()), requester()).await;
            });
            assert!(began.elapsed() < TIMEOUT);
        }
    }
}
