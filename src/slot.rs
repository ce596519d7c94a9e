//! Slots: every client connection holds one from accept until the last byte of its last tunnel has
//! gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::addr::{ClientAddr, ClientGroup};
use crate::challenge_slots::ChallengeSlots;
use crate::limits::{Limits, Rate};

mod files;
mod sockets;

pub use files::{FileSlot, OpenFiles};
use sockets::UnderWay;
pub use sockets::{
    CountedClient, MaxConnections, NoRoom, OverShare, ServerRoom, SocketSlot, Sockets, UpstreamUse,
};

/// All slots of the gateway, shared by its workers. Touched when a connection opens and closes,
/// never by a request.
#[derive(Debug)]
pub struct Slots {
    open: AtomicUsize,
    challenge_slots: Arc<ChallengeSlots>,
    /// Held for a look-up on accept and on close only.
    clients: Mutex<HashMap<ClientGroup, Arc<Client>>>,
    /// With so many clients in the list, those that are gone are looked for.
    look_at: AtomicUsize,
    started: Instant,
}

const FIRST_LOOK: usize = 4096;

impl Slots {
    /// No slot taken.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            challenge_slots: Arc::default(),
            clients: Mutex::default(),
            look_at: AtomicUsize::new(FIRST_LOOK),
            started: Instant::now(),
        })
    }

    /// Slots taken now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a slot for a connection whose client is not known yet: it comes from a balancer that
    /// has still to say.
    ///
    /// # Errors
    /// If `limits.connections` is reached.
    pub fn take_unknown(self: &Arc<Self>, limits: &Limits) -> Result<Slot, Full> {
        let taken = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < limits.connections).then_some(n + 1)
            });
        taken
            .map(|_| Slot {
                slots: Arc::clone(self),
                holder: None,
            })
            .map_err(|_| Full::Gateway)
    }

    /// Takes a slot for a client.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn take(self: &Arc<Self>, client: ClientAddr, limits: &Limits) -> Result<Slot, Full> {
        let mut slot = self.take_unknown(limits)?;
        slot.assign(client, limits)?;
        Ok(slot)
    }

    /// The places for connections beyond all limits.
    pub fn challenge_slots(&self) -> &Arc<ChallengeSlots> {
        &self.challenge_slots
    }

    /// Counts a request of a client that does not hold the connection: it came through a trusted
    /// proxy.
    ///
    /// # Errors
    /// How long the client should wait.
    pub fn request(&self, client: ClientAddr, limits: &Limits) -> Result<(), Duration> {
        if limits.exempts(client) {
            return Ok(());
        }
        self.entry(client)
            .request(self.micros(), limits.requests_per_client)
    }

    /// A client that does not hold the connection, as it is counted at servers and files.
    pub fn counted(&self, client: ClientAddr, limits: &Limits) -> CountedClient {
        CountedClient((!limits.exempts(client)).then(|| self.entry(client)))
    }

    fn entry(&self, client: ClientAddr) -> Arc<Client> {
        let mut clients = self.lock();
        self.forget_some(&mut clients);
        Arc::clone(clients.entry(client.group()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClientGroup, Arc<Client>>> {
        // The map is consistent after every statement, so a panic elsewhere does not spoil it.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets clients that are gone, whenever the list has doubled since the last time.
    fn forget_some(&self, clients: &mut HashMap<ClientGroup, Arc<Client>>) {
        if clients.len() >= self.look_at.load(Ordering::Relaxed) {
            let now = self.micros();
            clients.retain(|_, client| !client.is_forgettable(now));
            self.look_at
                .store((2 * clients.len()).max(FIRST_LOOK), Ordering::Relaxed);
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// What is counted of one client. Only connections of this client write here.
#[derive(Debug, Default)]
struct Client {
    connections: AtomicUsize,
    /// Streams of HTTP/2 under way: each may hold as much as a connection does.
    streams: AtomicUsize,
    /// What goes to servers.
    under_way: UnderWay,
    /// Files that are open for it.
    files: AtomicUsize,
    /// Bytes of bodies that its connections hold in memory.
    unread: AtomicUsize,
    /// When the client's allowance is whole again, in microseconds since start.
    full_at: AtomicU64,
}

impl Client {
    fn request(&self, now: u64, rate: Rate) -> Result<(), Duration> {
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                rate.take(full_at, now).ok()
            })
            .map(drop)
            .map_err(|full_at| rate.take(full_at, now).err().unwrap_or_default())
    }

    /// Whether nothing would be forgotten with it. A client that is over its rate is remembered, or
    /// reconnecting would forgive it; and one whose requests came through a proxy has no
    /// connection.
    fn is_forgettable(&self, now: u64) -> bool {
        self.connections.load(Ordering::Relaxed) == 0
            && self.full_at.load(Ordering::Relaxed) <= now
            && self.under_way.is_none()
            && self.files.load(Ordering::Relaxed) == 0
    }
}

/// One counted connection.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    holder: Option<Holder>,
}

/// Whose it is.
#[derive(Debug)]
struct Holder {
    group: ClientGroup,
    client: Arc<Client>,
    exempt: bool,
}

impl Slot {
    /// Counts the connection as this client's.
    ///
    /// # Errors
    /// If the client has too many.
    pub fn assign(&mut self, client: ClientAddr, limits: &Limits) -> Result<(), Full> {
        let group = client.group();
        let exempt = limits.exempts(client);
        let (entry, mine) = {
            // Counted under the lock: the last connection of this client may be closing just now,
            // and its entry going.
            let mut clients = self.slots.lock();
            let entry = Arc::clone(clients.entry(group).or_default());
            let mine = entry.connections.fetch_add(1, Ordering::Relaxed) + 1;
            (entry, mine)
        };
        // Judged after it is counted; the slot gives it back when it is dropped.
        self.holder = Some(Holder {
            group,
            client: entry,
            exempt,
        });
        if mine > limits.connections_per_client && !exempt {
            Err(Full::Client)
        } else {
            Ok(())
        }
    }

    /// Counts a stream of HTTP/2. All streams of a client may be as many as its connections: one
    /// connection must not be worth a hundred.
    ///
    /// # Errors
    /// If there are too many.
    pub fn stream(&self, limits: &Limits) -> Result<StreamSlot, Full> {
        let Some(holder) = self.holder.as_ref().filter(|holder| !holder.exempt) else {
            return Ok(StreamSlot(None));
        };
        let mine = holder.client.streams.fetch_add(1, Ordering::Relaxed) + 1;
        let slot = StreamSlot(Some(Arc::clone(&holder.client)));
        if mine > limits.connections_per_client {
            Err(Full::Client)
        } else {
            Ok(slot)
        }
    }

    /// The client as it is counted at servers and files.
    pub fn counted(&self) -> CountedClient {
        let holder = self.holder.as_ref().filter(|holder| !holder.exempt);
        CountedClient(holder.map(|holder| Arc::clone(&holder.client)))
    }

    /// Where the connection counts what it holds in memory for its client. The exempt have no such
    /// count.
    pub fn unread(&self) -> UnreadShare {
        UnreadShare(
            self.holder
                .as_ref()
                .filter(|holder| !holder.exempt)
                .map(|holder| Arc::clone(&holder.client)),
        )
    }

    /// Counts a request against the client's rate.
    ///
    /// # Errors
    /// How long the client should wait.
    pub fn request(&self, rate: Rate) -> Result<(), Duration> {
        match &self.holder {
            Some(holder) if !holder.exempt => holder.client.request(self.slots.micros(), rate),
            _ => Ok(()),
        }
    }
}

/// A stream of HTTP/2 under way, counted for its client.
#[derive(Debug)]
pub struct StreamSlot(Option<Arc<Client>>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        if let Some(client) = &self.0 {
            client.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One connection's part in what its client holds in memory.
#[derive(Debug, Default)]
pub struct UnreadShare(Option<Arc<Client>>);

impl UnreadShare {
    /// The connection's part was so many bytes and is now so many.
    pub fn count(&self, before: usize, now: usize) {
        let Some(client) = &self.0 else { return };
        if now >= before {
            client.unread.fetch_add(now - before, Ordering::Relaxed);
        } else {
            client.unread.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Bytes that all connections of the client hold; none, where they are not counted.
    pub fn total(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |client| client.unread.load(Ordering::Relaxed))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::Relaxed);
        let Some(holder) = &self.holder else { return };
        if holder.client.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut clients = self.slots.lock();
            // Looked at again under the lock: another connection of this client may just have come.
            let now = self.slots.micros();
            if clients
                .get(&holder.group)
                .is_some_and(|client| client.is_forgettable(now))
            {
                clients.remove(&holder.group);
            }
            self.slots.forget_some(&mut clients);
        }
    }
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `limits.connections`.
    #[error("limits.connections is reached")]
    Gateway,
    /// `limits.connections_per_client`.
    #[error("limits.connections_per_client is reached")]
    Client,
}

impl Full {
    /// The key of the limit in `[limits]`.
    pub fn limit(self) -> &'static str {
        match self {
            Self::Gateway => "connections",
            Self::Client => "connections_per_client",
        }
    }
}

#[cfg(test)]
mod tests;
