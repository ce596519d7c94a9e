//! A folder with a file for each key, as in Jitsi's ASAP: `<base>/<hex of the SHA-256 of kid>.pem`.
//!
//! The key ids are learnt from tokens. A key that was found is fetched again like a set, until the
//! server says that it no longer exists.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::client::{Answer, Client, Digest, FetchError, sha256};
use super::fresh::fresh_for;
use super::kids::{self, Id, Kids};
use super::pace;
use super::report::Report;
use super::set::no_key;
use crate::token::Algorithm;
use crate::token::issuer::{Looked, Want, settle, turn_away};
use crate::token::keys::{Key, KeySet};
use crate::token::load;

/// At most this many keys are refreshed at once. Fetches that requests wait for are limited
/// elsewhere.
const REFRESHES: usize = 4;

const ACCEPT: &str = "application/x-pem-file, */*";

pub(super) async fn follow(
    report: Report,
    mut wants: mpsc::Receiver<Want>,
    client: watch::Receiver<Client>,
) {
    let mut client = client;
    let mut folder = Folder::new(report);
    loop {
        let next = folder.next();
        tokio::select! {
            Some(want) = wants.recv() => folder.wanted(want, &client),
            Some(landed) = folder.flights.next() => folder.landed(landed),
            () = at(next) => folder.refresh(&client),
            changed = client.changed() => match changed {
                Err(_) => return,
                Ok(()) => folder.kids.try_again(Instant::now()),
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
    report: Report,
    kids: Kids,
    flights: FuturesUnordered<Flight>,
    /// The requests that wait for a fetch under way.
    waiting: HashMap<Id, Vec<oneshot::Sender<Looked>>>,
    refreshes: usize,
    /// The hashes of the files of the keys in force.
    files: HashMap<Id, Digest>,
}

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// A finished fetch.
struct Landed {
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
    fn new(report: Report) -> Self {
        let set = report.fetched.set();
        let held = set.names().flatten().map(|kid| (id(kid), Box::from(kid)));
        let kids = Kids::new(held, Instant::now());
        Self {
            report,
            kids,
            flights: FuturesUnordered::new(),
            waiting: HashMap::new(),
            refreshes: 0,
            files: HashMap::new(),
        }
    }

    /// When the next key is to be refreshed, if another refresh may start.
    fn next(&self) -> Option<Instant> {
        if self.refreshes < REFRESHES {
            self.kids.next()
        } else {
            None
        }
    }

    /// Fetches a key for a request, or answers the request at once. Dropping the sender means that
    /// the server cannot be reached.
    fn wanted(&mut self, want: Want, client: &watch::Receiver<Client>) {
        // Without a key id there is no file.
        let Some(kid) = want.kid else {
            return settle(want.done);
        };
        let (id, now) = (id(&kid), Instant::now());
        if self.kids.is_nobodys(&id, now) {
            return settle(want.done);
        }
        if let Some(others) = self.waiting.get_mut(&id) {
            others.push(want.done);
        } else if !self.kids.is_open(&id, now) {
            // The key has arrived meanwhile, or the server did not answer a moment ago.
        } else if self.kids.may_look(&id, want.asker, now) {
            self.waiting.insert(id, vec![want.done]);
            self.launch(id, kid, false, client);
        } else {
            turn_away(want.done);
        }
    }

    fn refresh(&mut self, client: &watch::Receiver<Client>) {
        while self.refreshes < REFRESHES {
            let Some((id, kid)) = self.kids.due(Instant::now()) else {
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
        self.flights.push(Box::pin(async move {
            let result = client.get(&url, ACCEPT).await.and_then(|came| {
                let key = usable(&came, &kid, &algorithms)?;
                Ok(Found {
                    key,
                    file: came.digest(),
                    fresh: fresh_for(&came.headers, SystemTime::now()),
                })
            });
            Landed {
                id,
                kid,
                is_refresh,
                result,
            }
        }));
    }

    fn landed(
        &mut self,
        Landed {
            id,
            kid,
            is_refresh,
            result,
        }: Landed,
    ) {
        let now = Instant::now();
        let is_settled = matches!(result, Ok(_) | Err(FetchError::Missing(_)));
        self.refreshes -= usize::from(is_refresh);
        let set = self.report.fetched.set();
        match result {
            Ok(Found { key, file, fresh }) => {
                let gone = self
                    .kids
                    .came(id, &kid, now + pace::ahead(fresh, pace::chance()));
                if self.files.insert(id, file) != Some(file) {
                    self.report.replace(set.with(key, &self.report.algorithms));
                }
                if let Some(gone) = gone {
                    self.drop_key(&gone);
                }
                self.report.succeeded();
            }
            Err(FetchError::Missing(_)) => {
                self.kids.went(id, now);
                self.drop_key(&kid);
                // The server has answered.
                self.report.succeeded();
            }
            Err(error) => {
                self.kids.failed(id, now, patience(&error), pace::chance());
                self.report.failed(&error);
            }
        }
        // If the fetch failed, dropping the senders wakes the requests.
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        waiting.into_iter().filter(|_| is_settled).for_each(settle);
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
    match error {
        FetchError::Unreachable(_)
        | FetchError::Late
        | FetchError::Broken(_)
        | FetchError::Status(_) => kids::AWAY,
        _ => kids::MISSING,
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

/// The key of a document, with the id that it was fetched by.
fn usable(came: &Answer, kid: &str, algorithms: &[Algorithm]) -> Result<Key, FetchError> {
    let mut keys = load::parse_pem(&came.body)
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

/// Asks for a key that should not exist, as no key id is known.
pub(super) async fn ask(url: &str, client: &Client) -> Result<String, FetchError> {
    match client.get(&file_url(url, &id("")), ACCEPT).await {
        Ok(_) => Ok("answers, also for a key without a name".to_owned()),
        Err(FetchError::Missing(status)) => Ok(format!(
            "answers ({} for a key that should not be there)",
            status.as_u16()
        )),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
