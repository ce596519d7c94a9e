//! The slots of client connections, and the list of clients.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{ClientCounts, CountedClient, UnreadShare};
use super::full::Full;
use crate::addr::{ClientAddr, ClientGroup};
use crate::challenge_slots::ChallengeSlots;
use crate::clock;
use crate::limits::{Limits, Rate};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// All slots of the gateway, shared by its workers. The list of clients is used when a connection
/// opens and closes, not by a request.
#[derive(Debug)]
pub struct Slots {
    open: AtomicUsize,
    challenge_slots: Arc<ChallengeSlots>,
    /// Locked for one look-up on accept and on close.
    clients: Mutex<HashMap<ClientGroup, Arc<ClientCounts>>>,
    /// At this length of the list, clients that are gone are removed.
    prune_at: AtomicUsize,
    started: Instant,
}

const FIRST_PRUNE: usize = 4096;

impl Slots {
    /// With no slot taken.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            challenge_slots: Arc::default(),
            clients: Mutex::default(),
            prune_at: AtomicUsize::new(FIRST_PRUNE),
            started: clock::monotonic(),
        })
    }

    /// Slots taken now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a slot for a connection whose client is not known yet, because the load balancer's
    /// PROXY header has not been read.
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

    /// The slots for connections beyond all limits.
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

    /// A client that does not hold the connection, for counting what it uses of servers and files.
    pub fn counted(&self, client: ClientAddr, limits: &Limits) -> CountedClient {
        CountedClient::new((!limits.exempts(client)).then(|| self.entry(client)))
    }

    fn entry(&self, client: ClientAddr) -> Arc<ClientCounts> {
        let mut clients = self.lock();
        self.prune(&mut clients);
        Arc::clone(clients.entry(client.group()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientGroup, Arc<ClientCounts>>> {
        self.clients.lock()
    }

    /// Removes clients that are gone, whenever the list has doubled since the last time.
    fn prune(&self, clients: &mut HashMap<ClientGroup, Arc<ClientCounts>>) {
        if clients.len() >= self.prune_at.load(Ordering::Relaxed) {
            let now = self.micros();
            // A worker that has just found a client may be about to count something.
            clients
                .retain(|_, client| Arc::strong_count(client) > 1 || !client.is_forgettable(now));
            self.prune_at
                .store((2 * clients.len()).max(FIRST_PRUNE), Ordering::Relaxed);
        }
    }

    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// One counted connection, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    holder: Option<Holder>,
}

/// The client that a slot is counted for.
#[derive(Debug)]
struct Holder {
    group: ClientGroup,
    client: Arc<ClientCounts>,
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
            // Counted under the lock, or the client's last connection could close just now and
            // remove its entry.
            let mut clients = self.slots.lock();
            let entry = Arc::clone(clients.entry(group).or_default());
            let mine = entry.connections.fetch_add(1, Ordering::Relaxed) + 1;
            (entry, mine)
        };
        // Counted first and judged afterwards: dropping the slot takes it back.
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

    /// The client, for counting what it uses of servers and files.
    pub fn counted(&self) -> CountedClient {
        let holder = self.holder.as_ref().filter(|holder| !holder.exempt);
        CountedClient::new(holder.map(|holder| Arc::clone(&holder.client)))
    }

    /// Counts what the connection holds in memory for its client, unless the client is exempt.
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

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::Relaxed);
        let Some(holder) = &self.holder else { return };
        if holder.client.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut clients = self.slots.lock();
            // Checked again under the lock: another connection of this client may just have come.
            let now = self.slots.micros();
            if clients
                .get(&holder.group)
                .is_some_and(|client| client.is_forgettable(now))
            {
                clients.remove(&holder.group);
            }
            self.slots.prune(&mut clients);
        }
    }
}

#[cfg(test)]
mod tests;
