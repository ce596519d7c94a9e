//! A folder with a file for each key, as in Jitsi's ASAP: `<base>/<hex of the SHA-256 of kid>.pem`.
//!
//! The key ids are learnt from tokens. A key that was found is fetched again like a set, until the
//! server says that it no longer exists.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::client::{Client, Digest, Document, FetchError, sha256};
use super::fresh::fresh_for;
use super::known_keys::{self, Id, KnownKeys};
use super::pace;
use super::report::IssuerReport;
use super::set::no_key;
use crate::clock;
use crate::token::Algorithm;
use crate::token::issuer::{KeyLookup, KeyRequest, report_asked, report_too_many};
use crate::token::keys::{Key, KeySet};
use crate::token::load;

/// At most this many keys are refreshed at once. Fetches that requests wait for are limited
/// elsewhere.
const REFRESHES: usize = 4;

const ACCEPT: &str = "application/x-pem-file, */*";

pub(super) async fn follow(
    report: IssuerReport,
    requests: &mut mpsc::Receiver<KeyRequest>,
    client: watch::Receiver<Client>,
) {
    let mut client = client;
    let mut folder = Folder::new(report);
    loop {
        let next = folder.next();
        tokio::select! {
            Some(request) = requests.recv() => folder.request(request, &client),
            Some(finished) = folder.fetches.next() => folder.finish(finished),
            () = at(next) => folder.refresh(&client),
            changed = client.changed() => match changed {
                Err(_) => return,
                Ok(()) => folder.known_keys.try_again(clock::monotonic()),
            },
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// The state of the task.
struct Folder {
    report: IssuerReport,
    known_keys: KnownKeys,
    fetches: FuturesUnordered<Fetch>,
    /// The requests that wait for a fetch under way.
    waiting: HashMap<Id, Vec<oneshot::Sender<KeyLookup>>>,
    refreshes: usize,
    /// The hashes of the files of the keys in force.
    files: HashMap<Id, Digest>,
}

type Fetch = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// A finished fetch.
struct Finished {
    id: Id,
    kid: Box<str>,
    is_refresh: bool,
    result: Result<Found, FetchError>,
}

/// A key that was found.
struct Found {
    key: Key,
    file: Digest,
    fresh: Duration,
}

impl Folder {
    fn new(report: IssuerReport) -> Self {
        let set = report.fetched.set();
        let known = set.names().flatten().map(|kid| (id(kid), Box::from(kid)));
        let known_keys = KnownKeys::new(known, clock::monotonic());
        Self {
            report,
            known_keys,
            fetches: FuturesUnordered::new(),
            waiting: HashMap::new(),
            refreshes: 0,
            files: HashMap::new(),
        }
    }

    /// When the next key is to be refreshed, if another refresh may start.
    fn next(&self) -> Option<Instant> {
        if self.refreshes < REFRESHES {
            self.known_keys.next()
        } else {
            None
        }
    }

    /// Fetches a key for a request, or answers the request at once. Dropping the sender means that
    /// the server cannot be reached.
    fn request(&mut self, request: KeyRequest, client: &watch::Receiver<Client>) {
        // Without a key id there is no file.
        let Some(kid) = request.kid else {
            return report_asked(request.done);
        };
        let (id, now) = (id(&kid), clock::monotonic());
        if self.known_keys.is_missing(&id, now) {
            return report_asked(request.done);
        }
        if let Some(others) = self.waiting.get_mut(&id) {
            others.push(request.done);
        } else if !self.known_keys.may_exist(&id, now) {
            // The key has arrived meanwhile, or the server did not answer a moment ago.
        } else if self.known_keys.may_fetch(&id, request.requester, now) {
            self.waiting.insert(id, vec![request.done]);
            self.launch(id, kid, false, client);
        } else {
            report_too_many(request.done);
        }
    }

    fn refresh(&mut self, client: &watch::Receiver<Client>) {
        while self.refreshes < REFRESHES {
            let Some((id, kid)) = self.known_keys.due(clock::monotonic()) else {
                return;
            };
            self.refreshes += 1;
            self.launch(id, kid, true, client);
        }
    }

    fn launch(
        &mut self,
        id: Id,
        kid: Box<str>,
        is_refresh: bool,
        client: &watch::Receiver<Client>,
    ) {
        let (client, url) = (client.borrow().clone(), file_url(&self.report.url, &id));
        let algorithms = self.report.algorithms.clone();
        self.fetches.push(Box::pin(async move {
            let result = fetch(&client, &url, &kid, &algorithms).await;
            Finished {
                id,
                kid,
                is_refresh,
                result,
            }
        }));
    }

    fn finish(
        &mut self,
        Finished {
            id,
            kid,
            is_refresh,
            result,
        }: Finished,
    ) {
        let now = clock::monotonic();
        let is_settled = matches!(result, Ok(_) | Err(FetchError::Missing(_)));
        self.refreshes -= usize::from(is_refresh);
        let set = self.report.fetched.set();
        match result {
            Ok(Found { key, file, fresh }) => {
                let evicted =
                    self.known_keys
                        .found(id, &kid, now + pace::ahead(fresh, pace::chance()));
                if self.files.insert(id, file) != Some(file) {
                    self.report.replace(set.with(key, &self.report.algorithms));
                }
                if let Some(evicted) = evicted {
                    self.drop_key(&evicted);
                }
                self.report.succeeded();
            }
            Err(FetchError::Missing(_)) => {
                self.known_keys.lost(id, now);
                self.drop_key(&kid);
                // The server has answered.
                self.report.succeeded();
            }
            Err(error) => {
                self.known_keys
                    .failed(id, now, patience(&error), pace::chance());
                self.report.failed(&error);
            }
        }
        // If the fetch failed, dropping the senders wakes the requests.
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        waiting
            .into_iter()
            .filter(|_| is_settled)
            .for_each(report_asked);
    }

    fn drop_key(&mut self, kid: &str) {
        self.files.remove(&id(kid));
        let set = self.report.fetched.set();
        if set.has(kid) {
            self.report.replace(set.without(kid));
        }
    }
}

/// How long a key that could not be fetched is not fetched again.
fn patience(error: &FetchError) -> Duration {
    if error.is_unavailable() {
        known_keys::UNAVAILABLE
    } else {
        known_keys::MISSING
    }
}

fn id(kid: &str) -> Id {
    sha256(kid.as_bytes())
}

fn file_url(base: &str, id: &Id) -> String {
    let mut url = format!("{}/", base.trim_end_matches('/'));
    for byte in id {
        let _ = write!(url, "{byte:02x}");
    }
    url + ".pem"
}

async fn fetch(
    client: &Client,
    url: &str,
    kid: &str,
    algorithms: &[Algorithm],
) -> Result<Found, FetchError> {
    let document = client.get(url, ACCEPT).await?;
    Ok(Found {
        key: usable(&document, kid, algorithms)?,
        file: document.digest(),
        fresh: fresh_for(&document.headers, clock::wall()),
    })
}

/// The key of a document, with the id that it was fetched by.
fn usable(document: &Document, kid: &str, algorithms: &[Algorithm]) -> Result<Key, FetchError> {
    let mut keys = load::parse_pem(&document.body)
        .map_err(|_| FetchError::NotPem)?
        .into_iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(FetchError::NotPem);
    };
    let key = key.named(kid);
    if KeySet::new(vec![key.clone()], algorithms).is_empty() {
        Err(no_key(algorithms))
    } else {
        Ok(key)
    }
}

/// The key of this id, if there is one.
pub(super) async fn fetch_keys(
    url: &str,
    kid: &str,
    algorithms: &[Algorithm],
    client: &Client,
) -> Result<KeySet, FetchError> {
    match fetch(client, &file_url(url, &id(kid)), kid, algorithms).await {
        Ok(found) => Ok(KeySet::new(vec![found.key], algorithms)),
        Err(FetchError::Missing(_)) => Ok(KeySet::default()),
        Err(error) => Err(error),
    }
}

/// Asks for a key that should not exist, as no key id is known.
pub(super) async fn ask(url: &str, client: &Client) -> Result<String, FetchError> {
    match client.get(&file_url(url, &id("")), ACCEPT).await {
        Ok(_) => Ok("answers, also for a key without a name".to_owned()),
        Err(FetchError::Missing(_)) => {
            Ok("answers, and has no key where there should be none".to_owned())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
