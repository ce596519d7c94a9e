//! A folder with a file for each key, as Jitsi's ASAP has it: `<base>/<hex of the SHA-256 of
//! kid>.pem`.
//!
//! Which keys there are is learnt from the tokens that come. A key that was found is then fetched
//! again as a set would be, until the server says that it has gone.

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

/// So many keys are fetched again at once; others wait. What requests wait for is limited
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

/// The folder, as far as it is known.
struct Folder {
    report: Report,
    kids: Kids,
    flights: FuturesUnordered<Flight>,
    /// Who waits for what is under way.
    waiting: HashMap<Id, Vec<oneshot::Sender<Looked>>>,
    refreshes: usize,
    /// The files of the keys in force.
    files: HashMap<Id, Digest>,
}

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// A fetch that has come to its end.
struct Landed {
    id: Id,
    kid: Box<str>,
    is_refresh: bool,
    result: Result<Found, FetchError>,
}

/// A key that is there.
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

    /// When a key is to be fetched again, if one may be.
    fn next(&self) -> Option<Instant> {
        if self.refreshes < REFRESHES {
            self.kids.next()
        } else {
            None
        }
    }

    /// Looks for a key, or says at once that there is nothing to wait for: dropping the sender says
    /// that the server cannot be asked.
    fn wanted(&mut self, want: Want, client: &watch::Receiver<Client>) {
        // Without a name there is no file.
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
            // It has come meanwhile, or the server did not answer a moment ago.
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
                // That is an answer too.
                self.report.succeeded();
            }
            Err(error) => {
                self.kids.failed(id, now, patience(&error), pace::chance());
                self.report.failed(&error);
            }
        }
        // Where it is not settled, whoever waits is woken by the sender's end.
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

/// For how long a key that could not be had is not looked for again.
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

/// The key of an answer under the name that it was looked for by.
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

/// Which names there are is not known, so a key is asked for that should not be there.
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
mod tests {
    use std::sync::Arc;

    use http::HeaderMap;

    use super::*;
    use crate::token::issuer::Fetched;

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    fn key(kid: &str) -> Key {
        let came = Answer {
            headers: HeaderMap::new(),
            body: PEM.into(),
        };
        usable(&came, kid, &[Algorithm::EdDSA]).unwrap()
    }

    #[test]
    fn a_key_lies_where_jitsi_looks_for_it() {
        let file = "https://keys.example.com/asap/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae.pem";
        for base in [
            "https://keys.example.com/asap",
            "https://keys.example.com/asap/",
        ] {
            assert_eq!(file_url(base, &id("foo")), file);
        }
    }

    #[test]
    fn only_one_public_key_in_pem_is_a_key() {
        let pem = PEM;
        let word = |body: &str, algorithm| {
            let came = Answer {
                headers: HeaderMap::new(),
                body: body.to_owned().into(),
            };
            usable(&came, "a", &[algorithm])
                .map(|_| ())
                .map_err(|error| error.word())
        };
        assert_eq!(word(pem, Algorithm::EdDSA), Ok(()));
        assert_eq!(word(pem, Algorithm::RS256), Err("no_key"));
        for body in [
            "",
            "<!doctype html>",
            &pem.repeat(2),
            // A secret, also where it is the PEM itself.
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}"#,
        ] {
            for algorithm in [Algorithm::EdDSA, Algorithm::HS256] {
                assert_eq!(word(body, algorithm), Err("format"), "{body}");
            }
        }
        assert_eq!(word(pem, Algorithm::HS256), Err("no_key"));
    }

    #[test]
    fn a_key_is_kept_through_trouble_and_goes_when_the_server_says_so() {
        let fetched = Fetched::new(mpsc::channel(1).0);
        let algorithms = [Algorithm::EdDSA];
        // Of before a reload.
        fetched.replace(KeySet::new(vec![key("old")], &algorithms));
        let report = Report::of(
            "staff",
            "http://localhost/asap",
            &algorithms,
            Arc::clone(&fetched),
        );
        let mut folder = Folder::new(report);
        assert!(
            folder.next().is_some_and(|next| next <= Instant::now()),
            "it is looked at again"
        );
        let mut land = |kid: &str, result| {
            folder.landed(Landed {
                id: id(kid),
                kid: kid.into(),
                is_refresh: false,
                result,
            });
            let set = fetched.set();
            set.names().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        let found = |file| Found {
            key: key("new"),
            file: [file; 32],
            fresh: Duration::from_secs(60),
        };
        assert_eq!(land("new", Ok(found(1))), ["old", "new"]);
        // The same file again leaves the very set: tokens that are known by it stay known.
        let before = fetched.set();
        assert_eq!(land("new", Ok(found(1))), ["old", "new"]);
        assert!(Arc::ptr_eq(&before, &fetched.set()));
        assert_eq!(land("new", Ok(found(2))), ["old", "new"]);
        assert!(!Arc::ptr_eq(&before, &fetched.set()));
        assert_eq!(land("old", Err(FetchError::Late)), ["old", "new"]);
        assert_eq!(
            land("old", Err(FetchError::Status(http::StatusCode::FORBIDDEN))),
            ["old", "new"]
        );
        assert_eq!(
            land("old", Err(FetchError::Missing(http::StatusCode::NOT_FOUND))),
            ["new"]
        );
        assert_eq!(
            land(
                "none",
                Err(FetchError::Missing(http::StatusCode::NOT_FOUND))
            ),
            ["new"]
        );
        assert_eq!(
            (fetched.failures(), fetched.last_success().is_some()),
            (2, true)
        );
    }
}
