//! Issuers' keys from where they publish them: a set (JWKS, RFC 7517), or a folder with a file for each key (ASAP).
//!
//! Each place has one task on the control runtime. It alone fetches, and it replaces the issuer's keys whole; workers
//! only ever look at what is there, and a request whose key is not there asks the task and waits for its word.
//!
//! ```text
//! worker ── Want ──▶ task: set │ asap ── Client::get ──▶ https://…
//!    ▲                     │  when: fresh (headers), pace (failures, strangers)
//!    └──── Fetched ◀───────┘  only keys that can be used; else the last good ones stay
//! ```
//!
//! A place is no more trusted than it must be: its answers are bounded in size and time, redirects are not followed,
//! and a secret among the keys is none (RFC 8725, sections 3.1 and 3.10).

mod asap;
mod client;
mod fresh;
mod kids;
mod pace;
mod report;
mod set;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::token::issuer::{Fetched, IssuerSpec, KeySource, Want};
use report::Report;

pub use client::{Client, FetchError};
pub use fresh::fresh_for;

/// For an answer to come whole, from the look-up of the name to the last byte. Requests wait as long.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// More requests than this that ask for keys within one moment are not waited for.
pub const WANTS: usize = 1024;

/// Keeps an issuer's keys as it publishes them. Ends with the sender of `client`; a new client is used from then on.
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

/// Fetches once, for whoever only wants to know: what is there, in words.
///
/// # Errors
/// What is wrong there.
pub async fn ask(spec: &IssuerSpec, client: &Client) -> Result<String, FetchError> {
    match &spec.keys {
        KeySource::Jwks(place) => set::ask(&place.url, &spec.algorithms, client).await,
        KeySource::Asap(place) => asap::ask(&place.url, client).await,
        KeySource::File(_) | KeySource::Secret { .. } => Ok("is not fetched".to_owned()),
    }
}
