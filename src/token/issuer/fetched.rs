//! Keys that are fetched while the gateway runs, and how a request asks for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::addr::ClientGroup;
use crate::clock::UnixTime;
use crate::token::keys::{KeySet, KeySetId};

/// The fetched keys of one issuer. The task that fetches them replaces the whole set; workers read
/// it.
#[derive(Debug)]
pub struct Fetched {
    set: ArcSwap<KeySet>,
    requests: tokio::sync::mpsc::Sender<KeyRequest>,
    /// Unix time of the last success; 0 before the first.
    succeeded: AtomicU64,
    failures: AtomicU64,
    /// Unix time at which they are to be fetched again; 0 if that is not known.
    due: AtomicU64,
}

/// A request needs a key that is not there.
#[derive(Debug)]
pub struct KeyRequest {
    /// The key's id, if the token names one.
    pub kid: Option<Box<str>>,
    /// The client that sent the token: the fetches that one client causes are limited.
    pub requester: Requester,
    /// Receives the outcome. Dropped if the issuer could not be asked.
    pub done: oneshot::Sender<KeyLookup>,
}

/// A client whose key requests are counted. An address on the policy's allow list is counted apart
/// from its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requester {
    /// Its address, or its /64.
    pub group: ClientGroup,
    /// Whether it is on the allow list.
    pub is_listed: bool,
}

/// The outcome of a key request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLookup {
    /// The issuer answered: if the key is not there now, it does not exist.
    Asked,
    /// The issuer could not be reached.
    Unavailable,
    /// The issuer was not asked, because this client has caused too many fetches.
    TooMany,
}

/// Reports that the issuer answered.
pub fn report_asked(done: oneshot::Sender<KeyLookup>) {
    // The request may be gone.
    let _ = done.send(KeyLookup::Asked);
}

/// Reports that the issuer is not asked for this client now.
pub fn report_too_many(done: oneshot::Sender<KeyLookup>) {
    // The request may be gone.
    let _ = done.send(KeyLookup::TooMany);
}

impl Fetched {
    /// Without a key yet. Key requests are sent into the channel.
    pub fn new(requests: tokio::sync::mpsc::Sender<KeyRequest>) -> Arc<Self> {
        let never = AtomicU64::new(0);
        Arc::new(Self {
            set: ArcSwap::default(),
            requests,
            succeeded: never,
            failures: AtomicU64::new(0),
            due: AtomicU64::new(0),
        })
    }

    /// Notes a fetch that succeeded.
    pub fn note_success(&self, now: UnixTime) {
        self.succeeded.store(now.0, Ordering::Relaxed);
    }

    /// Notes when the keys are to be fetched again.
    pub fn note_due(&self, at: UnixTime) {
        self.due.store(at.0, Ordering::Relaxed);
    }

    /// When they are to be fetched again.
    pub fn due(&self) -> UnixTime {
        UnixTime(self.due.load(Ordering::Relaxed))
    }

    /// Notes a fetch that failed.
    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// When a fetch last succeeded.
    pub fn last_success(&self) -> Option<UnixTime> {
        Some(self.succeeded.load(Ordering::Relaxed))
            .filter(|at| *at > 0)
            .map(UnixTime)
    }

    /// How many fetches have failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The keys in force.
    pub fn set(&self) -> Arc<KeySet> {
        self.set.load_full()
    }

    /// Which keys are in force. This is asked for each request, so it writes nothing that two
    /// workers share.
    pub(super) fn set_id(&self) -> KeySetId {
        self.set.load().id()
    }

    /// Replaces the keys.
    pub fn replace(&self, set: KeySet) {
        self.set.store(Arc::new(set));
    }

    /// Requests a key and waits for the outcome. If too many requests are queued, none is made.
    pub async fn look_for(&self, kid: Option<Box<str>>, requester: Requester) -> KeyLookup {
        let (done, over) = oneshot::channel();
        match self.requests.try_send(KeyRequest {
            kid,
            requester,
            done,
        }) {
            Ok(()) => over.await.unwrap_or(KeyLookup::Unavailable),
            Err(_) => KeyLookup::Unavailable,
        }
    }
}
