//! Whose sessions there are, and which plugin each handle is attached to.
//!
//! A session id is all that Janus asks for: who has it may use the session, claim it and destroy it.
//! Here each session belongs to the client that created it, on whatever connection that client
//! comes back. One value is shared by all workers; it is sharded by session, and bounded: sessions
//! are forgotten when they end, when the server does not know them, and when they have not been used
//! for long.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use parking_lot::Mutex;

const SHARDS: usize = 32;

/// A client, as far as sessions belong to it: a digest, so that its size does not depend on the
/// client's token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 16]);

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

impl Owner {
    /// The subject of a token (`iss` and `sub`), on every connection.
    pub fn of_subject(issuer: &str, subject: &str) -> Self {
        Self::digest(b"subject", &[issuer.as_bytes(), subject.as_bytes()])
    }

    /// A connection of a client without a subject: its sessions end with it. The number is another
    /// one for each connection.
    pub fn of_connection(number: u64) -> Self {
        Self::digest(b"connection", &[&number.to_le_bytes()])
    }

    fn digest(kind: &[u8], parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in std::iter::once(&kind).chain(parts) {
            // With its length, so that the end of one is not the beginning of the next.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut owner = [0; 16];
        owner.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(owner)
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The sessions of all clients.
    pub sessions: usize,
    /// The sessions of one client.
    pub sessions_per_owner: usize,
    /// The handles of one session.
    pub handles_per_session: usize,
    /// A session is forgotten if no message has named it for this long. Janus ends one after a
    /// minute, unless it is configured to wait longer.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            sessions_per_owner: 1000,
            handles_per_session: 256,
            idle: Duration::from_secs(3600),
        }
    }
}

/// The name of a plugin.
pub type PluginName = Cow<'static, str>;

/// What a client must not use. It cannot be told from what does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The session.
    Session,
    /// The handle, in a session that belongs to the client.
    Handle,
}

/// The sessions of one upstream.
#[derive(Debug)]
pub struct Owners {
    limits: Limits,
    sessions: [Mutex<HashMap<i64, Session>>; SHARDS],
    counts: [Mutex<HashMap<Owner, usize>>; SHARDS],
    total: AtomicUsize,
}

#[derive(Debug)]
struct Session {
    owner: Owner,
    used: Instant,
    /// Few, so a list.
    handles: Vec<(i64, PluginName)>,
}

impl Owners {
    /// None yet.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            sessions: Default::default(),
            counts: Default::default(),
            total: AtomicUsize::new(0),
        })
    }

    /// Room for a session that a client is about to create, unless it has its share.
    pub fn reserve(self: &Arc<Self>, owner: Owner) -> Option<Reservation> {
        // Counted first and judged afterwards, so that two at once are not one too many.
        let of_all = self.total.fetch_add(1, Ordering::Relaxed);
        let of_owner = {
            let mut counts = self.count_shard(owner).lock();
            let count = counts.entry(owner).or_default();
            *count += 1;
            *count
        };
        let reservation = Reservation {
            owners: Arc::clone(self),
            owner,
            is_used: false,
        };
        let has_room = of_all < self.limits.sessions && of_owner <= self.limits.sessions_per_owner;
        has_room.then_some(reservation)
    }

    /// Which plugin a handle of a client's session is attached to; `None` without a handle.
    ///
    /// # Errors
    /// If the session or the handle is not the client's.
    pub fn find(
        &self,
        owner: Owner,
        session: i64,
        handle: Option<i64>,
        now: Instant,
    ) -> Result<Option<PluginName>, Unknown> {
        let mut sessions = self.session_shard(session).lock();
        let found = sessions
            .get_mut(&session)
            .filter(|found| found.owner == owner);
        let found = found.ok_or(Unknown::Session)?;
        found.used = now;
        let Some(handle) = handle else {
            return Ok(None);
        };
        let attached = found.handles.iter().find(|(id, _)| *id == handle);
        let (_, plugin) = attached.ok_or(Unknown::Handle)?;
        Ok(Some(plugin.clone()))
    }

    /// Remembers a handle that the server has attached. One over the limit is not remembered, so
    /// that it cannot be used.
    pub fn attach(&self, session: i64, handle: i64, plugin: PluginName) {
        let mut sessions = self.session_shard(session).lock();
        if let Some(session) = sessions.get_mut(&session)
            && session.handles.len() < self.limits.handles_per_session
        {
            session.handles.retain(|(id, _)| *id != handle);
            session.handles.push((handle, plugin));
        }
    }

    /// Forgets a handle.
    pub fn detach(&self, session: i64, handle: i64) {
        if let Some(session) = self.session_shard(session).lock().get_mut(&session) {
            session.handles.retain(|(id, _)| *id != handle);
        }
    }

    /// Forgets a session.
    pub fn forget(&self, session: i64) {
        let forgotten = self.session_shard(session).lock().remove(&session);
        if let Some(forgotten) = forgotten {
            self.release(forgotten.owner);
        }
    }

    /// Forgets what has not been used for long.
    pub fn sweep(&self, now: Instant) {
        let is_used =
            |session: &mut Session| now.saturating_duration_since(session.used) < self.limits.idle;
        for shard in &self.sessions {
            // Released outside of the shard's lock.
            let mut idle = Vec::new();
            shard.lock().retain(|_, session| {
                let is_used = is_used(session);
                if !is_used {
                    idle.push(session.owner);
                }
                is_used
            });
            idle.into_iter().for_each(|owner| self.release(owner));
        }
    }

    /// How many sessions there are, with those that are being created.
    pub fn len(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn release(&self, owner: Owner) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        let mut counts = self.count_shard(owner).lock();
        if let Some(count) = counts.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&owner);
            }
        }
    }

    fn session_shard(&self, session: i64) -> &Mutex<HashMap<i64, Session>> {
        &self.sessions[session.unsigned_abs() as usize % SHARDS]
    }

    fn count_shard(&self, owner: Owner) -> &Mutex<HashMap<Owner, usize>> {
        &self.counts[usize::from(owner.0[0]) % SHARDS]
    }
}

/// Room for one session. It is given back if the session is not created.
#[derive(Debug)]
pub struct Reservation {
    owners: Arc<Owners>,
    owner: Owner,
    /// A session has it, and gives it back when it is forgotten.
    is_used: bool,
}

impl Reservation {
    /// The server has created the session. An id that another client's session has stays the
    /// other's: a client may propose an id, and an upstream may have several servers.
    pub fn created(mut self, session: i64, now: Instant) {
        let owners = Arc::clone(&self.owners);
        let mut sessions = owners.session_shard(session).lock();
        let known = sessions.get_mut(&session);
        if let Some(known) = known {
            if known.owner == self.owner {
                known.handles.clear();
                known.used = now;
            }
            return;
        }
        let new = Session {
            owner: self.owner,
            used: now,
            handles: Vec::new(),
        };
        sessions.insert(session, new);
        self.is_used = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_used {
            self.owners.release(self.owner);
        }
    }
}

#[cfg(test)]
mod tests;
