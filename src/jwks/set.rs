//! A set of keys at one URL (RFC 7517, section 5).

use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::client::{Client, Digest, Document, FetchError, sha256};
use super::fresh::fresh_for;
use super::pace::{self, Allowance};
use super::report::IssuerReport;
use super::requesters::Requesters;
use crate::clock;
use crate::json;
use crate::token::Algorithm;
use crate::token::issuer::{KeyLookup, KeyRequest, report_asked};
use crate::token::keys::{self, KeySet};

/// Missing keys of one client cause one fetch in this time, and one more if a key id comes back.
const PER_CLIENT: (u32, Duration) = (2, Duration::from_secs(10));

/// Those of all clients together cause this many fetches at once, and then one in this time, which
/// answers all requests that wait.
const OF_ALL: (u32, Duration) = (3, Duration::from_secs(2));

const ACCEPT: &str = "application/jwk-set+json, application/json";

pub(super) async fn follow(
    mut report: IssuerReport,
    requests: &mut mpsc::Receiver<KeyRequest>,
    mut client: watch::Receiver<Client>,
) {
    let (mut pending, mut in_force) = (Pending::new(report.first_fetch()), None);
    loop {
        tokio::select! {
            () = sleep_until(pending.next.into()) => {}
            Some(request) = requests.recv() => {
                let is_there = is_there(&report, &request);
                pending.take(request, is_there, clock::monotonic());
                continue;
            }
            changed = client.changed() => match changed {
                Err(_) => return,
                // The reload may have corrected the problem.
                Ok(()) if pending.failures > 0 => {}
                Ok(()) => continue,
            },
        }
        let now = client.borrow_and_update().clone();
        let result = fetch(&report, &now, requests, &mut pending.waiting).await;
        let fresh = match result {
            Ok((set, document)) => {
                let digest = Some(document.digest());
                if in_force != digest {
                    report.replace(set);
                }
                in_force = digest;
                report.succeeded();
                Some(fresh_for(&document.headers, clock::wall()))
            }
            Err(error) => {
                report.failed(&error);
                None
            }
        };
        pending.finish(fresh, clock::monotonic());
        report.note_next(pending.next);
    }
}

/// The next fetch, and what waits for it.
struct Pending {
    next: Instant,
    /// How many fetches have failed since one succeeded.
    failures: u32,
    waiting: Waiting,
    requesters: Requesters,
    all: Allowance,
}

/// Requests that wait for the next fetch, and the key ids that they wait for.
#[derive(Default)]
struct Waiting {
    requests: Vec<oneshot::Sender<KeyLookup>>,
    names: HashSet<Digest>,
}

impl Pending {
    fn new(next: Instant) -> Self {
        Self {
            next,
            failures: 0,
            waiting: Waiting::default(),
            requesters: Requesters::new(PER_CLIENT.0, PER_CLIENT.1),
            all: Allowance::new(OF_ALL.0, OF_ALL.1),
        }
    }

    /// Lets a request wait for a fetch, or answers the request.
    fn take(&mut self, request: KeyRequest, is_there: bool, now: Instant) {
        let name = name(&request);
        if is_there {
            report_asked(request.done);
        } else if self.next <= now || self.waiting.names.contains(&name) {
            // The fetch that is due answers this request too, and costs its client nothing.
            self.waiting.push(name, request);
        } else if self
            .requesters
            .take(request.requester, &name, now, |_| true)
        {
            if self.waiting.requests.is_empty() {
                self.next = self.next.min(self.all.reserve(now));
            }
            self.waiting.push(name, request);
        } else if self.failures == 0 {
            // What was fetched a moment ago is all there is. After a failure, dropping the sender
            // means that it is not known whether the key exists.
            report_asked(request.done);
        }
    }

    /// Notes a fetch: for how long what it found is fresh, or that it failed.
    fn finish(&mut self, fresh: Option<Duration>, now: Instant) {
        let wait = if let Some(fresh) = fresh {
            self.failures = 0;
            pace::ahead(fresh, pace::chance())
        } else {
            self.failures += 1;
            pace::after_failures(self.failures, pace::chance())
        };
        self.next = now + wait;
        let requests = std::mem::take(&mut self.waiting).requests;
        // After a failure, dropping the senders wakes the requests.
        if self.failures == 0 {
            requests.into_iter().for_each(report_asked);
        }
    }
}

impl Waiting {
    fn push(&mut self, name: Digest, request: KeyRequest) {
        self.names.insert(name);
        self.requests.push(request.done);
    }
}

/// Whether the key has arrived since the request found it missing.
fn is_there(report: &IssuerReport, request: &KeyRequest) -> bool {
    request
        .kid
        .as_deref()
        .is_some_and(|kid| report.fetched.set().has(kid))
}

/// The hash of the key id of a request.
fn name(request: &KeyRequest) -> Digest {
    sha256(request.kid.as_deref().unwrap_or_default().as_bytes())
}

/// Fetches. Requests that arrive meanwhile wait for this fetch.
async fn fetch(
    report: &IssuerReport,
    client: &Client,
    requests: &mut mpsc::Receiver<KeyRequest>,
    waiting: &mut Waiting,
) -> Result<(KeySet, Document), FetchError> {
    let mut get = pin!(client.get(&report.url, ACCEPT));
    let document = loop {
        tokio::select! {
            document = &mut get => break document?,
            Some(request) = requests.recv() => waiting.push(name(&request), request),
        }
    };
    Ok((usable(&document, &report.algorithms)?, document))
}

/// The usable keys of a document; at least one.
fn usable(document: &Document, algorithms: &[Algorithm]) -> Result<KeySet, FetchError> {
    let json = json::parse_object(&document.body).map_err(FetchError::NotJson)?;
    let keys = keys::from_public_json(&json).map_err(|_| match jwks_uri(&json) {
        Some(url) => FetchError::Discovery(url),
        None => FetchError::NotSet,
    })?;
    let set = KeySet::new(keys, algorithms);
    if set.is_empty() {
        Err(no_key(algorithms))
    } else {
        Ok(set)
    }
}

/// Where the keys are, if this is the description of an issuer (RFC 8414, section 2; OpenID
/// Connect Discovery 1.0, section 3).
fn jwks_uri(json: &Map<String, Value>) -> Option<String> {
    /// The longest URL that is shown in a log line.
    const LONGEST: usize = 512;
    let url = json.get("jwks_uri")?.as_str()?;
    let is_url = url.len() <= LONGEST && url.parse::<http::Uri>().is_ok();
    is_url.then(|| url.to_owned())
}

pub(super) fn no_key(algorithms: &[Algorithm]) -> FetchError {
    FetchError::NoKey(
        algorithms
            .iter()
            .map(|one| format!("{one:?}"))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

pub(super) async fn fetch_keys(
    url: &str,
    algorithms: &[Algorithm],
    client: &Client,
) -> Result<KeySet, FetchError> {
    usable(&client.get(url, ACCEPT).await?, algorithms)
}

pub(super) async fn ask(
    url: &str,
    algorithms: &[Algorithm],
    client: &Client,
) -> Result<String, FetchError> {
    let set = fetch_keys(url, algorithms, client).await?;
    let names = set
        .names()
        .map(|name| name.map_or("without a name".to_owned(), |name| format!("{name:?}")));
    let names: Vec<String> = names.collect();
    let count = if set.len() == 1 {
        "1 key".to_owned()
    } else {
        format!("{} keys", set.len())
    };
    Ok(format!("{count}: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::token::issuer::Requester;

    const EC: &str = concat!(
        r#"{"kty":"EC","crv":"P-256","kid":"a","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","#,
        r#""y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#
    );

    fn usable_of(body: &str) -> Result<KeySet, FetchError> {
        let document = Document {
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        };
        usable(&document, &[Algorithm::ES256, Algorithm::RS256])
    }

    fn request(kid: &str) -> (KeyRequest, oneshot::Receiver<KeyLookup>) {
        let (done, answer) = oneshot::channel();
        let client = crate::addr::ClientAddr::new(std::net::Ipv4Addr::LOCALHOST.into());
        let requester = Requester {
            group: client.group(),
            is_listed: false,
        };
        let kid = Some(kid.into());
        let request = KeyRequest {
            kid,
            requester,
            done,
        };
        (request, answer)
    }

    #[test]
    fn a_fetch_that_is_due_costs_no_client_anything() {
        let now = Instant::now();
        let mut pending = Pending::new(now);
        // Before the first fetch, and two more keys than one client may have fetched.
        for kid in ["a", "b", "c", "d"] {
            pending.take(request(kid).0, false, now);
        }
        assert_eq!(pending.waiting.requests.len(), 4);
        pending.finish(Some(Duration::from_secs(600)), now);
        let (unknown, mut answer) = request("e");
        pending.take(unknown, false, now);
        assert!(
            answer.try_recv().is_err(),
            "it waits for a fetch of its own"
        );
        assert_eq!(pending.waiting.requests.len(), 1);
        assert!(pending.next <= now);
    }

    #[test]
    fn a_set_has_the_keys_that_can_be_used() {
        let secret = concat!(
            r#"{"kty":"oct","kid":"b","#,
            r#""k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"}"#
        );
        let odd =
            r#"{"kty":"EC","crv":"secp256k1","kid":"c"}, 7, {"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
        let set = usable_of(&format!(r#"{{"keys":[{secret},{odd},{EC}]}}"#)).unwrap();
        assert_eq!(set.names().collect::<Vec<_>>(), [Some("a")]);
    }

    #[test]
    fn the_description_of_an_issuer_leads_to_its_keys() {
        let body = r#"{"issuer":"https://a.test","jwks_uri":"https://a.test/keys"}"#;
        let error = usable_of(body).unwrap_err().to_string();
        assert!(
            error.contains("jwks_url = \"https://a.test/keys\""),
            "{error}"
        );
    }

    #[test]
    fn an_answer_without_a_usable_key_is_no_set() {
        let secret = r#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}]}"#;
        let encrypting = EC.replace("\"kid\"", "\"use\":\"enc\",\"kid\"");
        let other = EC.replace("\"kid\"", "\"alg\":\"ES384\",\"kid\"");
        for (body, word) in [
            ("{\"keys\":[]}", "no_key"),
            (secret, "no_key"),
            (&*format!("{{\"keys\":[{encrypting}]}}"), "no_key"),
            (&*format!("{{\"keys\":[{other}]}}"), "no_key"),
            ("{\"keys\":{}}", "format"),
            ("{}", "format"),
            ("[]", "format"),
            (
                r#"{"issuer":"a","jwks_uri":"https://a.test/keys"}"#,
                "discovery",
            ),
            (r#"{"jwks_uri":"a b"}"#, "format"),
            ("<!doctype html>", "format"),
            (&*format!("{{\"keys\":[{EC}],\"keys\":[]}}"), "format"),
        ] {
            assert_eq!(usable_of(body).unwrap_err().word(), word, "{body}");
        }
    }
}
