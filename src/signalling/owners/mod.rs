//! Whose sessions there are, and which plugin each handle is attached to.
//!
//! A session id is all that Janus asks for: who has it may use, claim and destroy the session.
//! Here each session belongs to the client that created it, on whatever connection that client
//! comes back. One value is shared by all workers; it is sharded by session, and bounded: sessions
//! are forgotten when they end, when the server does not know them, and when they have not been
//! used for long.

mod handed;
mod objects;
mod quota;
mod resources;
mod rooms;

pub use handed::{Handed, HandedHandle};
pub(super) use objects::LONGEST;
pub use objects::{InUse, Objects};
pub use quota::Place;
pub use resources::{ResourceId, ResourceLookup, ResourcePath, Resources};

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::rules::Entries;
use crate::addr::ClientAddr;
use handed::ChangeLog;
use quota::Quota;

const SHARDS: usize = 32;

/// How long the handles of a session need no check.
const CHECK_PERIOD: Duration = Duration::from_secs(10);

/// A client, as far as sessions belong to it: a digest, so that its size does not depend on the
/// client's token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner([u8; 16]);

/// The byte of an owner whose lowest bit says whether it is a connection.
const KIND: usize = 15;

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

impl Owner {
    /// The subject of a token that has no `iss`, as [`Owner::of_token`].
    pub fn of_subject(issuer: &str, subject: &str) -> Self {
        Self::of_token(issuer, None, subject)
    }

    /// The subject of a token, on every connection: the entry of `[issuers]` that accepts it, its
    /// `iss`, of which one entry may accept several, and its `sub`.
    pub fn of_token(issuer: &str, iss: Option<&str>, subject: &str) -> Self {
        // An empty `iss` is one as well.
        let kind: &[u8] = iss.map_or(b"subject", |_| b"subject of iss");
        let parts = [issuer, iss.unwrap_or_default(), subject].map(str::as_bytes);
        Self::digest(kind, &parts)
    }

    /// A user whom a token names beside its subject: with Jitsi, `sub` is the tenant or the domain.
    pub fn of_user(issuer: &str, iss: Option<&str>, subject: &str, user: &str) -> Self {
        let kind: &[u8] = iss.map_or(b"user", |_| b"user of iss");
        let parts = [issuer, iss.unwrap_or_default(), subject, user].map(str::as_bytes);
        Self::digest(kind, &parts)
    }

    /// A connection of a client without a subject: its sessions end with it. The number is another
    /// one for each connection.
    pub fn of_connection(number: u64) -> Self {
        let mut owner = Self::digest(b"connection", &[&number.to_le_bytes()]);
        owner.0[KIND] |= 1;
        owner
    }

    /// Whether its sessions end with a connection.
    pub fn is_connection(self) -> bool {
        self.0[KIND] & 1 == 1
    }

    /// A client without a subject, where each message may come on another connection: its IPv4
    /// address, or the /64 of its IPv6 address. A client has all addresses of that, and each would
    /// have a share of its own.
    pub fn of_address(client: ClientAddr) -> Self {
        // No digest, as each message needs it; one with these zeros is not to be found. The first
        // byte, which chooses the shard, is the one that differs most.
        let mut owner = [0; 16];
        match client.ip() {
            IpAddr::V4(ip) => {
                owner[..4].copy_from_slice(&ip.octets());
                owner[..4].reverse();
                owner[8] = 4;
            }
            IpAddr::V6(ip) => {
                owner[..8].copy_from_slice(&ip.octets()[..8]);
                owner[..8].reverse();
                owner[8] = 6;
            }
        }
        Self(owner)
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
        owner[KIND] &= !1;
        Self(owner)
    }
}

/// How much is remembered. Sessions and handles that a client asks for count from then on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The sessions of all clients.
    pub sessions: usize,
    /// The sessions of one client.
    pub sessions_per_owner: usize,
    /// The handles of all clients.
    pub handles: usize,
    /// The handles of one client: a server may have one for each of its own users.
    pub handles_per_owner: usize,
    /// A session is forgotten if no message has named it for this long, and no open WebSocket
    /// uses it. Janus ends one after a minute, unless it is configured to wait longer.
    pub idle: Duration,
    /// The same for sessions with texts as ids, after their last connection has ended. Kurento
    /// ends one after 4 to 8 minutes.
    pub idle_objects: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            sessions_per_owner: 5000,
            handles: 400_000,
            handles_per_owner: 20_000,
            idle: Duration::from_secs(300),
            idle_objects: Duration::from_secs(600),
        }
    }
}

/// The name of a plugin.
pub type PluginName = Cow<'static, str>;

/// Why a client may create no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// It has its share, or all clients together have what there is.
    Share,
    /// The gateway is being stopped.
    Stopping,
}

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
    idle: Duration,
    /// Set when the gateway is being stopped: it would soon not know whose a new session is.
    refuses_sessions: AtomicBool,
    session_quota: Arc<Quota>,
    handle_quota: Arc<Quota>,
    shards: [Mutex<HashMap<i64, Session>>; SHARDS],
    objects: Objects,
    resources: Resources,
    change_log: Arc<ChangeLog>,
}

#[derive(Debug)]
struct Session {
    place: Place,
    used: Instant,
    /// When it was last found that the client may have its handles.
    checked: Instant,
    handles: HashMap<i64, Handle>,
}

#[derive(Debug)]
struct Handle {
    attached: Attached,
    #[expect(dead_code, reason = "only held and dropped")]
    place: Place,
}

/// What a handle is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The plugin.
    pub plugin: PluginName,
    /// The rooms that the handle has entered.
    pub entered: Entries,
}

/// What there is of what a message names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The handle.
    pub handle: Option<Attached>,
    /// Whether it is time to look whether the client may still have the handles of the session
    /// ([`Owners::find_in_handles`], [`Owners::note_checked`]).
    pub is_check_due: bool,
}

impl Owners {
    /// None yet.
    pub fn new(limits: Limits) -> Arc<Self> {
        let session_quota = Quota::new(limits.sessions, limits.sessions_per_owner);
        let share = limits.sessions_per_owner;
        let change_log = Arc::<ChangeLog>::default();
        let idle = limits.idle_objects;
        let quota = Arc::clone(&session_quota);
        let resources = Resources::new(idle, share, quota, Arc::clone(&change_log));
        Arc::new(Self {
            idle: limits.idle,
            refuses_sessions: AtomicBool::new(false),
            session_quota,
            handle_quota: Quota::new(limits.handles, limits.handles_per_owner),
            shards: Default::default(),
            objects: Objects::new(idle, Arc::clone(&change_log)),
            resources,
            change_log,
        })
    }

    /// A place for a session that a client is about to create.
    ///
    /// # Errors
    /// Why it may create none.
    pub fn reserve_session(&self, owner: Owner) -> Result<Place, NoPlace> {
        if self.refuses_sessions.load(Ordering::Relaxed) {
            return Err(NoPlace::Stopping);
        }
        self.session_quota.enter(owner).ok_or(NoPlace::Share)
    }

    /// From now on no session has a place.
    pub fn refuse_sessions(&self) {
        self.refuses_sessions.store(true, Ordering::Relaxed);
    }

    /// A place for a handle that a client is about to attach, unless it has its share.
    pub fn reserve_handle(&self, owner: Owner) -> Option<Place> {
        self.handle_quota.enter(owner)
    }

    /// Sessions and objects that have texts as ids. They count as sessions and handles.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Resources of WHIP and WHEP. They count as sessions.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The server has created a session. An id that another client's session has stays the
    /// other's: a client may propose an id, and an upstream may have several servers.
    pub fn created(&self, place: Place, session: i64, now: Instant) {
        let owner = place.owner();
        let mut sessions = self.shard(session).lock();
        let known = sessions.get(&session);
        if known.is_none_or(|known| known.place.owner() == place.owner()) {
            let new = Session {
                place,
                used: now,
                checked: now,
                handles: HashMap::new(),
            };
            sessions.insert(session, new);
        }
        drop(sessions);
        self.note_session(owner, session, now);
    }

    /// The server has attached a handle.
    pub fn attached(&self, place: Place, session: i64, handle: i64, plugin: PluginName) {
        let owner = place.owner();
        let used = self.with_own(owner, session, |session| {
            let entered = Entries::default();
            let attached = Attached { plugin, entered };
            session.handles.insert(handle, Handle { attached, place });
            session.used
        });
        if let Some(used) = used {
            self.note_session(owner, session, used);
        }
    }

    /// What a handle of a client's session is attached to.
    ///
    /// # Errors
    /// If the session or the handle is not the client's.
    pub fn find(
        &self,
        owner: Owner,
        session: i64,
        handle: Option<i64>,
        now: Instant,
    ) -> Result<Found, Unknown> {
        let mut sessions = self.shard(session).lock();
        let found = sessions.get_mut(&session);
        let found = found.filter(|found| found.place.owner() == owner);
        let found = found.ok_or(Unknown::Session)?;
        found.used = now;
        let handle = handle.map(|handle| found.handles.get(&handle).ok_or(Unknown::Handle));
        let handle = handle.transpose()?;
        Ok(Found {
            handle: handle.map(|handle| handle.attached.clone()),
            is_check_due: now.saturating_duration_since(found.checked) >= CHECK_PERIOD,
        })
    }

    /// Whether the session is another client's.
    pub fn is_of_another(&self, owner: Owner, session: i64) -> bool {
        let sessions = self.shard(session).lock();
        let known = sessions.get(&session);
        known.is_some_and(|known| known.place.owner() != owner)
    }

    /// A connection that uses the session is open. `false` if the client has no such session.
    pub fn keep(&self, owner: Owner, session: i64, now: Instant) -> bool {
        let kept = self.with_own(owner, session, |session| session.used = now);
        kept.is_some()
    }

    /// Forgets a handle of a client's session.
    pub fn detach(&self, owner: Owner, session: i64, handle: i64) {
        self.with_own(owner, session, |session| session.handles.remove(&handle));
    }

    /// Forgets a client's session. Another client's with this id may be one of another server.
    pub fn forget(&self, owner: Owner, session: i64) {
        let mut sessions = self.shard(session).lock();
        if let Entry::Occupied(known) = sessions.entry(session)
            && known.get().place.owner() == owner
        {
            known.remove();
            let id = session;
            self.change_log
                .note(owner, || Some(Handed::Ended { owner, id }));
        }
    }

    /// Changes a session, if it is this client's.
    fn with_own<T>(
        &self,
        owner: Owner,
        session: i64,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        let mut sessions = self.shard(session).lock();
        let own = sessions.get_mut(&session);
        let own = own.filter(|own| own.place.owner() == owner);
        own.map(change)
    }

    /// Forgets what has not been used for long, in one of several parts: which one, the number
    /// says, so that consecutive numbers come to all of them.
    pub fn sweep(&self, number: usize, now: Instant) {
        self.objects.sweep(number, now);
        self.resources.sweep(now);
        self.shards[number % SHARDS]
            .lock()
            .retain(|_, session| now.saturating_duration_since(session.used) < self.idle);
    }

    /// How many sessions there are, with those that are being created.
    pub fn sessions(&self) -> usize {
        self.session_quota.taken()
    }

    /// How many handles there are, with those that are being attached.
    pub fn handles(&self) -> usize {
        self.handle_quota.taken()
    }

    fn shard(&self, session: i64) -> &Mutex<HashMap<i64, Session>> {
        &self.shards[session.unsigned_abs() as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests;
