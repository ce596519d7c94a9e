//! Sockets to servers: how many there may be in all, to each server, and for each client.
//!
//! A share is what is still free, times a factor: whoever comes later finds room, however many were
//! there before, and one who is alone gets a fixed part of it (`factor / (factor + 1)`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Client;

/// One server may have three times as many as are free: three quarters of all, if the others have
/// none.
const SERVER_FACTOR: usize = 3;

/// One client may have a third of what is free: a quarter of all, if the others have none.
const CLIENT_DIVISOR: usize = 3;

/// Room for sockets to servers, of all workers. Touched when a socket is opened and closed, and by
/// requests of clients that have many under way.
#[derive(Debug)]
pub struct Sockets {
    most: AtomicUsize,
    open: AtomicUsize,
    /// How often somebody found no room, while there were idle connections.
    reclaims: AtomicUsize,
    servers: Mutex<HashMap<Box<str>, Weak<ServerRoom>>>,
}

impl Sockets {
    /// At most so many.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicUsize::new(most),
            open: AtomicUsize::new(0),
            reclaims: AtomicUsize::new(0),
            servers: Mutex::default(),
        })
    }

    /// From now on at most so many; those that are open stay.
    pub fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// The room of the server with this address, which all who connect to it share.
    pub fn server(self: &Arc<Self>, addr: &str) -> Arc<ServerRoom> {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let mut servers = self.servers();
        if let Some(room) = servers.get(addr).and_then(Weak::upgrade) {
            return room;
        }
        servers.retain(|_, room| room.strong_count() > 0);
        let room = Arc::new(ServerRoom {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            sockets: Arc::clone(self),
            open: AtomicUsize::new(0),
            tunnels: AtomicUsize::new(0),
            reclaims: AtomicUsize::new(0),
            idle: Mutex::default(),
        });
        servers.insert(addr.into(), Arc::downgrade(&room));
        room
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<Box<str>, Weak<ServerRoom>>> {
        // The map is consistent after every statement, so a panic elsewhere does not spoil it.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Idle connections to all servers.
    fn idle(&self) -> usize {
        let rooms: Vec<_> = self.servers().values().filter_map(Weak::upgrade).collect();
        rooms.iter().map(|room| room.idle()).sum()
    }

    /// What could be had if all idle connections were closed.
    fn free(&self) -> usize {
        // In this order: what is closed in between must not look busy.
        let idle = self.idle();
        let busy = self.open.load(Ordering::Relaxed).saturating_sub(idle);
        self.most().saturating_sub(busy)
    }

    /// Whether the room is shared by several servers at all.
    fn has_several(&self) -> bool {
        self.servers()
            .values()
            .filter(|room| room.strong_count() > 0)
            .nth(1)
            .is_some()
    }
}

/// What one server may be sent, by `max_connections` of its upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxConnections {
    /// Anything.
    #[default]
    Unlimited,
    /// At most so many connections, WebSockets among them.
    All(usize),
    /// At most so many connections beside WebSockets.
    Requests(usize),
}

impl MaxConnections {
    /// The number that counts for a request, or for a WebSocket.
    fn of(self, is_tunnel: bool) -> Option<usize> {
        match self {
            Self::All(most) => Some(most),
            Self::Requests(most) if !is_tunnel => Some(most),
            Self::Requests(_) | Self::Unlimited => None,
        }
    }
}

/// Room for sockets to one server.
#[derive(Debug)]
pub struct ServerRoom {
    /// No other has it, as long as the process lives.
    number: usize,
    sockets: Arc<Sockets>,
    open: AtomicUsize,
    /// Those of them that belong to WebSockets and to TLS passed through.
    tunnels: AtomicUsize,
    reclaims: AtomicUsize,
    /// How many of them are idle, by worker.
    idle: Mutex<Vec<Weak<AtomicUsize>>>,
}

impl ServerRoom {
    /// A worker's count of its idle connections, which it alone writes.
    pub fn idle_count(&self) -> Arc<AtomicUsize> {
        let count = Arc::default();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|count| count.strong_count() > 0);
        idle.push(Arc::downgrade(&count));
        count
    }

    fn idle(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter()
            .filter_map(|count| Some(count.upgrade()?.load(Ordering::Relaxed)))
            .sum()
    }

    /// How many of so many open ones count.
    fn counted(&self, open: usize, max: MaxConnections) -> usize {
        match max {
            MaxConnections::Requests(_) => {
                open.saturating_sub(self.tunnels.load(Ordering::Relaxed))
            }
            MaxConnections::All(_) | MaxConnections::Unlimited => open,
        }
    }

    /// Room for one more.
    ///
    /// # Errors
    /// What there is too little of.
    pub fn take(
        self: &Arc<Self>,
        max: MaxConnections,
        is_tunnel: bool,
    ) -> Result<SocketSlot, NoRoom> {
        let all = &self.sockets;
        let most = max.of(is_tunnel).unwrap_or(usize::MAX);
        let one_more = |open: usize| (self.counted(open, max) < most).then_some(open + 1);
        let mine =
            add_one(&self.open, one_more, || self.idle()).map_err(|idle| NoRoom::Server {
                may_change: request_reclaim(&self.reclaims, idle),
            })?;
        let most = all.most();
        let one_more = |open| (open < most).then_some(open + 1);
        let open = add_one(&all.open, one_more, || all.idle()).map_err(|idle| {
            self.open.fetch_sub(1, Ordering::Relaxed);
            NoRoom::Descriptors {
                may_change: request_reclaim(&all.reclaims, idle),
            }
        })?;
        if is_tunnel {
            self.tunnels.fetch_add(1, Ordering::Relaxed);
        }
        let slot = SocketSlot {
            room: Arc::clone(self),
            is_tunnel,
            client: None,
        };
        let share = most.saturating_sub(open).saturating_mul(SERVER_FACTOR);
        if mine >= share && all.has_several() {
            // Gives back what it has taken.
            drop(slot);
            return Err(NoRoom::Descriptors {
                may_change: request_reclaim(&self.reclaims, self.idle()),
            });
        }
        Ok(slot)
    }

    /// Changes whenever idle connections to this server should be closed: somebody else needs their
    /// room.
    pub fn reclaims(&self) -> usize {
        self.reclaims
            .load(Ordering::Relaxed)
            .wrapping_add(self.sockets.reclaims.load(Ordering::Relaxed))
    }
}

/// Adds one: how many there were before. The error is how many were idle.
fn add_one(
    open: &AtomicUsize,
    one_more: impl Fn(usize) -> Option<usize>,
    idle: impl Fn() -> usize,
) -> Result<usize, usize> {
    let add = || open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, &one_more);
    add().or_else(|_| {
        // Tried again once the idle ones are counted: one that is closed in between would be
        // neither idle nor gone.
        let idle = idle();
        add().map_err(|_| idle)
    })
}

/// Has idle connections closed, if there are any.
fn request_reclaim(reclaims: &AtomicUsize, idle: usize) -> bool {
    if idle > 0 {
        reclaims.fetch_add(1, Ordering::Relaxed);
    }
    idle > 0
}

/// Why there is no room for a socket; `may_change`: idle connections are being closed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The server has as many connections as `max_connections` allows.
    Server {
        /// Whether it is worth while to wait.
        may_change: bool,
    },
    /// The gateway has no descriptor left, or has given this server its share of them.
    Descriptors {
        /// Whether it is worth while to wait.
        may_change: bool,
    },
}

impl NoRoom {
    /// Whether it is worth while to wait.
    pub fn may_change(self) -> bool {
        match self {
            Self::Server { may_change } | Self::Descriptors { may_change } => may_change,
        }
    }
}

/// Room for one socket, until it is dropped.
#[derive(Debug)]
pub struct SocketSlot {
    room: Arc<ServerRoom>,
    is_tunnel: bool,
    client: Option<UpstreamUse>,
}

impl SocketSlot {
    /// Whose request or tunnel the socket is used for from now on; `None`: it is idle.
    pub fn set_client(&mut self, client: Option<UpstreamUse>) {
        self.client = client;
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        if self.is_tunnel {
            self.room.tunnels.fetch_sub(1, Ordering::Relaxed);
        }
        self.room.open.fetch_sub(1, Ordering::Relaxed);
        self.room.sockets.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one client has under way at servers.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    all: AtomicUsize,
    /// By the number of the server, for those that have a limit. Only requests of this client wait
    /// for it.
    limited: Mutex<Vec<(usize, usize)>>,
}

impl UnderWay {
    /// Whether there is nothing.
    pub(super) fn is_none(&self) -> bool {
        self.all.load(Ordering::Relaxed) == 0
    }

    fn limited(&self) -> MutexGuard<'_, Vec<(usize, usize)>> {
        self.limited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one: how many there were before.
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

/// A client as servers are shared among clients; none where the limits per client leave it alone.
#[derive(Clone, Debug)]
pub struct CountedClient(pub(super) Option<Arc<Client>>);

impl CountedClient {
    /// One whom no share is counted for.
    pub fn exempt() -> Self {
        Self(None)
    }

    /// Counts a request or tunnel that is about to go to a server.
    ///
    /// # Errors
    /// That the client has its share already.
    pub fn enter(
        &self,
        room: &ServerRoom,
        max: MaxConnections,
        is_tunnel: bool,
    ) -> Result<UpstreamUse, OverShare> {
        let Some(client) = &self.0 else {
            return Ok(UpstreamUse(None));
        };
        let most = max.of(is_tunnel);
        let mine = client.under_way.all.fetch_add(1, Ordering::Relaxed);
        let of_server = most.map_or(0, |_| client.under_way.add(room.number));
        let limited = most.map(|_| room.number);
        // Dropping it takes it back.
        let entered = UpstreamUse(Some(Held {
            client: Arc::clone(client),
            limited,
        }));
        let is_over = most.is_some_and(|most| is_over_share_of_server(room, of_server, max, most));
        if is_over || is_over_share_of_all(&room.sockets, mine) {
            Err(OverShare)
        } else {
            Ok(entered)
        }
    }
}

/// As many as are still free: half of all, if the others have none. What is idle could be free at
/// once.
fn is_over_share_of_server(
    room: &ServerRoom,
    mine: usize,
    max: MaxConnections,
    most: usize,
) -> bool {
    let counted = room.counted(room.open.load(Ordering::Relaxed), max);
    // Most clients have so few that nothing has to be summed up.
    if mine <= most / 16 && mine < room_left(counted, most) {
        return false;
    }
    // In this order: what is closed in between must not look busy.
    let idle = room.idle();
    let busy = room
        .counted(room.open.load(Ordering::Relaxed), max)
        .saturating_sub(idle);
    mine > 0 && mine >= room_left(busy, most)
}

fn is_over_share_of_all(sockets: &Sockets, mine: usize) -> bool {
    let (most, open) = (sockets.most(), sockets.open.load(Ordering::Relaxed));
    if mine <= most / 64 && mine.saturating_mul(CLIENT_DIVISOR) < room_left(open, most) {
        return false;
    }
    mine > 0 && mine.saturating_mul(CLIENT_DIVISOR) >= sockets.free()
}

fn room_left(taken: usize, most: usize) -> usize {
    most.saturating_sub(taken)
}

/// The client has its share of a server's connections, or of the gateway's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has its share of the connections already")]
pub struct OverShare;

/// One request or tunnel of a client, counted until it is dropped.
#[derive(Debug)]
pub struct UpstreamUse(#[expect(dead_code, reason = "counted while it is held")] Option<Held>);

#[derive(Debug)]
struct Held {
    client: Arc<Client>,
    /// The number of a server that has a limit.
    limited: Option<usize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(server) = self.limited {
            self.client.under_way.remove(server);
        }
        self.client.under_way.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
