//! What is counted of one client. Only requests and connections of that client write here.

#![allow(
    clippy::redundant_allocation,
    reason = "requests share one reference of their connection, whose count no other thread writes"
)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::full::Full;
use super::route_rates::RouteRates;
use super::uses::ClientUses;
use crate::limits::{Limits, Rate};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};

/// The counts of one client, alone on their cache lines.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct ClientCounts {
    pub(super) connections: AtomicUsize,
    /// HTTP/2 streams under way: each may hold as much memory as a connection does.
    pub(super) streams: AtomicUsize,
    /// Requests and tunnels under way at servers.
    pub(super) at_servers: AtServers,
    /// Open files.
    pub(super) files: AtomicUsize,
    /// WebSockets and long polls.
    pub(super) uses: ClientUses,
    /// Requests on the routes that have a rate.
    pub(super) routes: RouteRates,
    /// Bytes of bodies that its connections hold in memory.
    unread: AtomicUsize,
    /// When the client has its full allowance of requests again, in microseconds since start.
    full_at: AtomicU64,
}

impl ClientCounts {
    /// Counts a request against the client's rate. The error is how long the client should wait.
    pub(super) fn request(&self, now: u64, rate: Rate) -> Result<(), Duration> {
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                rate.take(full_at, now).ok()
            })
            .map(drop)
            .map_err(|full_at| rate.take(full_at, now).err().unwrap_or_default())
    }

    /// Whether its counts can be dropped. A client that is over its rate is kept, or reconnecting
    /// would reset the rate; so is one without a connection whose requests come through a proxy.
    pub(super) fn is_forgettable(&self, now: u64) -> bool {
        self.connections.load(Ordering::Relaxed) == 0
            && self.full_at.load(Ordering::Relaxed) <= now
            && self.at_servers.is_none()
            && self.files.load(Ordering::Relaxed) == 0
            && self.uses.is_none()
            && self.routes.are_full(now)
    }
}

/// What one client has under way at servers.
#[derive(Debug, Default)]
pub(super) struct AtServers {
    all: AtomicUsize,
    /// For servers that have a limit: the server's number and how much is under way there. Only
    /// requests of this client wait for the lock.
    limited: Mutex<Vec<(usize, usize)>>,
}

impl AtServers {
    fn is_none(&self) -> bool {
        self.all.load(Ordering::Relaxed) == 0
    }

    fn limited(&self) -> MutexGuard<'_, Vec<(usize, usize)>> {
        self.limited.lock()
    }

    /// Adds one at a server that has a limit, and returns how many there were before.
    fn add(&self, server: usize) -> usize {
        let mut limited = self.limited();
        if let Some((_, count)) = limited.iter_mut().find(|(other, _)| *other == server) {
            *count += 1;
            return *count - 1;
        }
        limited.push((server, 1));
        0
    }

    fn remove(&self, server: usize) {
        let mut limited = self.limited();
        let Some(at) = limited.iter().position(|(other, _)| *other == server) else {
            return;
        };
        limited[at].1 -= 1;
        if limited[at].1 == 0 {
            limited.swap_remove(at);
        }
    }
}

/// A client, for counting what it uses of servers and files. A client that is exempt from the
/// limits per client is not counted. One is made for each connection, and its requests share it: a
/// reference to the counts themselves would be counted where all connections of the client count.
#[derive(Clone, Debug)]
pub struct CountedClient(pub(super) Option<Rc<Arc<ClientCounts>>>);

impl CountedClient {
    /// A client that is not counted.
    pub fn exempt() -> Self {
        Self(None)
    }

    pub(super) fn new(client: Option<Arc<ClientCounts>>) -> Self {
        Self(client.map(Rc::new))
    }

    /// Counts an HTTP/2 stream. A client may have as many streams as connections, or one connection
    /// would be worth a hundred.
    ///
    /// # Errors
    /// If there are too many.
    pub fn stream(&self, limits: &Limits) -> Result<StreamSlot, Full> {
        let Some(client) = &self.0 else {
            return Ok(StreamSlot(None));
        };
        let mine = client.streams.fetch_add(1, Ordering::Relaxed) + 1;
        let slot = StreamSlot(Some(Rc::clone(client)));
        if mine > limits.connections_per_client {
            Err(Full::Client)
        } else {
            Ok(slot)
        }
    }
}

/// One request or tunnel of a client at a server, counted until it is dropped.
#[derive(Debug)]
pub struct UpstreamUse(#[expect(dead_code, reason = "counted while it is held")] Option<Counted>);

#[derive(Debug)]
struct Counted {
    client: Rc<Arc<ClientCounts>>,
    /// The number of a server that has a limit.
    limited: Option<usize>,
}

impl UpstreamUse {
    /// A use that is not counted.
    pub(super) fn exempt() -> Self {
        Self(None)
    }

    /// Counts a use; `limited` is the number of a server that has a limit. Returns also how many
    /// uses of all servers, and of this one, there were before.
    pub(super) fn count(
        client: &Rc<Arc<ClientCounts>>,
        limited: Option<usize>,
    ) -> (Self, usize, usize) {
        let all = client.at_servers.all.fetch_add(1, Ordering::Relaxed);
        let of_server = limited.map_or(0, |server| client.at_servers.add(server));
        let client = Rc::clone(client);
        (Self(Some(Counted { client, limited })), all, of_server)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(server) = self.limited {
            self.client.at_servers.remove(server);
        }
        self.client.at_servers.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An HTTP/2 stream under way, counted for its client until it is dropped.
#[derive(Debug)]
pub struct StreamSlot(Option<Rc<Arc<ClientCounts>>>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        if let Some(client) = &self.0 {
            client.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One connection's share of what its client holds in memory.
#[derive(Debug, Default)]
pub struct UnreadShare(pub(super) Option<Arc<ClientCounts>>);

impl UnreadShare {
    /// The connection held `before` bytes and holds `now` bytes.
    pub fn count(&self, before: usize, now: usize) {
        let Some(client) = &self.0 else { return };
        if now >= before {
            client.unread.fetch_add(now - before, Ordering::Relaxed);
        } else {
            client.unread.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Bytes that all connections of the client hold; 0 if they are not counted.
    pub fn total(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |client| client.unread.load(Ordering::Relaxed))
    }
}
