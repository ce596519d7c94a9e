//! Whose sessions and objects there are, where both have texts as ids, as at Kurento.
//!
//! An object belongs to the client that created it. Of a tree of objects only the root is
//! remembered: the ids of all others begin with its id and a slash. An object is forgotten with the
//! last session that has used it.

mod handed;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::handed::ChangeLog;
use super::quota::Place;
use super::{Owner, SHARDS};

/// The longest id in bytes that is remembered.
pub(in crate::signalling) const LONGEST: usize = 256;

/// How many sessions that have used an object are remembered with it: the last ones.
const MOST_SESSIONS: usize = 64;

/// The sessions and objects of one upstream.
#[derive(Debug)]
pub struct Objects {
    /// How long a session is remembered after its last connection has ended.
    idle: Duration,
    /// By owner, so that what one message names is found in one place.
    shards: [Mutex<HashMap<Owner, Holdings>>; SHARDS],
    change_log: Arc<ChangeLog>,
}

/// What belongs to one client.
#[derive(Debug, Default)]
struct Holdings {
    sessions: HashMap<Box<str>, Session>,
    roots: HashMap<Box<str>, Root>,
    /// How many sessions there have been.
    last: u64,
}

#[derive(Debug)]
struct Session {
    #[expect(dead_code, reason = "only held and dropped")]
    place: Place,
    /// Another one for each session of the client.
    number: u64,
    used: Instant,
    /// With each connection that uses it: whether it has been forgotten.
    connections: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Root {
    #[expect(dead_code, reason = "only held and dropped")]
    place: Place,
    /// The numbers of the sessions that have used it.
    sessions: Vec<u64>,
}

/// A connection that uses a session. The session is not forgotten before it is dropped.
#[derive(Clone, Debug)]
pub struct InUse(Arc<AtomicBool>);

impl InUse {
    /// Whether the session has been forgotten since: the server has said that it does not have it.
    pub fn is_forgotten(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Objects {
    pub(super) fn new(idle: Duration, change_log: Arc<ChangeLog>) -> Self {
        Self {
            idle,
            shards: Default::default(),
            change_log,
        }
    }

    /// The server has created a session. `None` if its id is too long to be remembered.
    pub fn session_created(&self, place: Place, session: &str, now: Instant) -> Option<InUse> {
        if session.len() > LONGEST {
            return None;
        }
        let owner = place.owner();
        let mut shard = self.shard(owner).lock();
        let Holdings { sessions, last, .. } = shard.entry(owner).or_default();
        let new = || {
            *last += 1;
            Session {
                place,
                number: *last,
                used: now,
                connections: Arc::default(),
            }
        };
        let found = sessions.entry(session.into()).or_insert_with(new);
        let in_use = InUse(Arc::clone(&found.connections));
        drop(shard);
        self.note(owner, session, now);
        Some(in_use)
    }

    /// A client's connection uses a session, if the session is the client's.
    pub fn use_session(&self, owner: Owner, session: &str) -> Option<InUse> {
        let shard = self.shard(owner).lock();
        let session = shard.get(&owner)?.sessions.get(session)?;
        Some(InUse(Arc::clone(&session.connections)))
    }

    /// Whether a session is another client's. It looks at all clients, one after the other.
    pub fn is_of_another(&self, owner: Owner, session: &str) -> bool {
        self.shards.iter().any(|shard| {
            let holdings = shard.lock();
            let mut others = holdings.iter().filter(|(other, _)| **other != owner);
            others.any(|(_, holdings)| holdings.sessions.contains_key(session))
        })
    }

    /// Whether a session is the client's.
    pub fn has_session(&self, owner: Owner, session: &str, now: Instant) -> bool {
        let mut shard = self.shard(owner).lock();
        let holdings = shard.get_mut(&owner);
        let found = holdings.and_then(|holdings| holdings.sessions.get_mut(session));
        found.is_some_and(|session| {
            session.used = now;
            true
        })
    }

    /// The server has created an object in a session of the client. What is below another object
    /// is not remembered by itself.
    pub fn object_created(&self, place: Place, session: &str, object: &str) {
        let owner = place.owner();
        let mut shard = self.shard(owner).lock();
        let Some(holdings) = shard.get_mut(&owner) else {
            return;
        };
        let found = holdings.sessions.get(session);
        if let Some(found) = found
            && object.len() <= LONGEST
            && !object.contains('/')
        {
            let (sessions, used) = (vec![found.number], found.used);
            let root = Root { place, sessions };
            holdings.roots.insert(object.into(), root);
            drop(shard);
            self.note(owner, session, used);
        }
    }

    /// Whether an object is the client's, who uses it in this session.
    pub fn has_object(&self, owner: Owner, session: Option<&str>, object: &str) -> bool {
        let mut shard = self.shard(owner).lock();
        let Some(Holdings {
            sessions, roots, ..
        }) = shard.get_mut(&owner)
        else {
            return false;
        };
        let Some(root) = roots.get_mut(root_of(object)) else {
            return false;
        };
        if let Some(session) = session.and_then(|session| sessions.get(session)) {
            root.use_in(session.number);
        }
        true
    }

    /// The server does not have this session any more.
    pub fn forget_session(&self, owner: Owner, session: &str) {
        self.update(owner, |holdings| {
            holdings.sessions.remove(session);
            holdings.forget_unused();
        });
    }

    /// The server does not have this object any more. Those below it are forgotten with the root.
    pub fn forget_object(&self, owner: Owner, object: &str) {
        self.update(owner, |holdings| {
            holdings.roots.remove(object);
        });
    }

    /// Forgets what has not been used for long, in one of several parts.
    pub(super) fn sweep(&self, number: usize, now: Instant) {
        self.shards[number % SHARDS].lock().retain(|_, holdings| {
            let before = holdings.sessions.len();
            holdings
                .sessions
                .retain(|_, session| session.is_alive(self.idle, now));
            if holdings.sessions.len() < before {
                holdings.forget_unused();
            }
            !holdings.sessions.is_empty()
        });
    }

    fn update(&self, owner: Owner, change: impl FnOnce(&mut Holdings)) {
        let mut shard = self.shard(owner).lock();
        if let Some(holdings) = shard.get_mut(&owner) {
            change(holdings);
            if holdings.sessions.is_empty() {
                shard.remove(&owner);
            }
        }
    }

    fn shard(&self, owner: Owner) -> &Mutex<HashMap<Owner, Holdings>> {
        &self.shards[usize::from(owner.0[0]) % SHARDS]
    }
}

impl Holdings {
    /// Forgets the objects that no session uses.
    fn forget_unused(&mut self) {
        let sessions = self.sessions.values();
        let sessions: HashSet<u64> = sessions.map(|session| session.number).collect();
        self.roots.retain(|_, root| {
            root.sessions.retain(|known| sessions.contains(known));
            !root.sessions.is_empty()
        });
    }
}

impl Root {
    fn use_in(&mut self, session: u64) {
        if !self.sessions.contains(&session) {
            if self.sessions.len() >= MOST_SESSIONS {
                self.sessions.remove(0);
            }
            self.sessions.push(session);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connections.store(true, Ordering::Relaxed);
    }
}

impl Session {
    fn is_alive(&mut self, idle: Duration, now: Instant) -> bool {
        if Arc::strong_count(&self.connections) > 1 {
            self.used = now;
        }
        now.saturating_duration_since(self.used) < idle
    }
}

fn root_of(object: &str) -> &str {
    object.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
