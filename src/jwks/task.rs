//! The task of one issuer.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::client::{Client, FetchError};
use super::report::Report;
use super::{asap, set};
use crate::token::issuer::{Fetched, IssuerSpec, KeySource, Want};

/// At most this many key requests are queued for an issuer; beyond that, requests do not wait.
pub const WANTS: usize = 1024;

/// Keeps an issuer's keys up to date. Ends when the sender of `client` is dropped; a new client
/// that is sent replaces the old one.
pub async fn follow(
    spec: Arc<IssuerSpec>,
    fetched: Arc<Fetched>,
    wants: mpsc::Receiver<Want>,
    client: watch::Receiver<Client>,
) {
    match &spec.keys {
        KeySource::Jwks(place) => {
            set::follow(Report::new(&spec, &place.url, fetched), wants, client).await;
        }
        KeySource::Asap(place) => {
            asap::follow(Report::new(&spec, &place.url, fetched), wants, client).await;
        }
        KeySource::File(_) | KeySource::Secret { .. } => {}
    }
}

/// Fetches once, for `check --live`, and describes what was found.
///
/// # Errors
/// Why there are no keys.
pub async fn ask(spec: &IssuerSpec, client: &Client) -> Result<String, FetchError> {
    match &spec.keys {
        KeySource::Jwks(place) => set::ask(&place.url, &spec.algorithms, client).await,
        KeySource::Asap(place) => asap::ask(&place.url, client).await,
        KeySource::File(_) | KeySource::Secret { .. } => Ok("is not fetched".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::jwks::TIMEOUT;
    use crate::token::Algorithm;
    use crate::token::issuer::{Asker, Audience, Place};

    fn spec(keys: KeySource) -> Arc<IssuerSpec> {
        Arc::new(IssuerSpec {
            name: "staff".into(),
            algorithms: Box::new([Algorithm::ES256]),
            keys,
            issuer: None,
            audience: Audience::Any,
            sources: Box::new([]),
            leeway: IssuerSpec::LEEWAY,
            max_lifetime: IssuerSpec::MAX_LIFETIME,
            revoked_file: None,
        })
    }

    fn asker() -> Asker {
        Asker {
            group: crate::addr::ClientAddr::new([192, 0, 2, 1].into()).group(),
            is_listed: false,
        }
    }

    /// An endpoint without a server.
    fn nowhere() -> Place {
        Place {
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
            let client = watch::Sender::new(Client::new(&nowhere(), "ca_file").unwrap());
            let (want, wants) = mpsc::channel(1);
            let fetched = Fetched::new(want);
            let task = runtime.spawn(follow(
                spec(keys),
                Arc::clone(&fetched),
                wants,
                client.subscribe(),
            ));
            let began = Instant::now();
            runtime.block_on(async {
                fetched.look_for(Some("a".into()), asker()).await;
                assert!(fetched.failures() > 0 && fetched.last_success().is_none());
                drop(client);
                task.await.unwrap();
                fetched.look_for(Some("b".into()), asker()).await;
            });
            assert!(began.elapsed() < TIMEOUT);
        }
    }
}
