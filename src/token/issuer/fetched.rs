//! Keys that are fetched while the gateway runs, and how a request asks for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::addr::ClientGroup;
use crate::clock::UnixTime;
use crate::token::keys::{KeySet, KeySetId};

/// Keys that change while the gateway runs. Whoever fetches them replaces the set whole.
#[derive(Debug)]
pub struct Fetched {
    set: ArcSwap<KeySet>,
    want: tokio::sync::mpsc::Sender<Want>,
    /// In Unix time; 0 is never.
    succeeded: AtomicU64,
    failures: AtomicU64,
}

/// Somebody has a token with a key that is not there.
#[derive(Debug)]
pub struct Want {
    /// The key's name.
    pub kid: Option<Box<str>>,
    /// Who sent the token: what one client makes the gateway ask for is limited.
    pub asker: Asker,
    /// Told what became of it; dropped where the issuer could not be asked.
    pub done: oneshot::Sender<Looked>,
}

/// A client, as far as it is counted for the keys that it makes the gateway look for. An address on
/// the policy's allow list is counted apart from its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// Its address or network.
    pub group: ClientGroup,
    /// Whether it is on the list.
    pub is_listed: bool,
}

/// What became of looking for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The issuer has been asked: if the key is not there now, there is none.
    Asked,
    /// The issuer could not be asked.
    Away,
    /// It was not asked: this client has caused too many fetches.
    TooOften,
}

/// Says that the issuer has been asked.
pub fn settle(done: oneshot::Sender<Looked>) {
    // Who has asked may have gone.
    let _ = done.send(Looked::Asked);
}

/// Says that the issuer is not asked for this client now.
pub fn turn_away(done: oneshot::Sender<Looked>) {
    // Who has asked may have gone.
    let _ = done.send(Looked::TooOften);
}

impl Fetched {
    /// No key yet. Wants go to the other end of the channel.
    pub fn new(want: tokio::sync::mpsc::Sender<Want>) -> Arc<Self> {
        let never = AtomicU64::new(0);
        Arc::new(Self {
            set: ArcSwap::default(),
            want,
            succeeded: never,
            failures: AtomicU64::new(0),
        })
    }

    /// Where they are fetched has answered as it should.
    pub fn note_success(&self, now: UnixTime) {
        self.succeeded.store(now.0, Ordering::Relaxed);
    }

    /// It has not.
    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// When it last has.
    pub fn last_success(&self) -> Option<UnixTime> {
        Some(self.succeeded.load(Ordering::Relaxed))
            .filter(|at| *at > 0)
            .map(UnixTime)
    }

    /// How often it has not.
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

    /// Puts others in force.
    pub fn replace(&self, set: KeySet) {
        self.set.store(Arc::new(set));
    }

    /// Has a key looked for, and waits until that is over; too many wants at once are not waited
    /// for.
    pub async fn look_for(&self, kid: Option<Box<str>>, asker: Asker) -> Looked {
        let (done, over) = oneshot::channel();
        match self.want.try_send(Want { kid, asker, done }) {
            Ok(()) => over.await.unwrap_or(Looked::Away),
            Err(_) => Looked::Away,
        }
    }
}
