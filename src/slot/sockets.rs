//! Sockets to servers: how many there may be in all, and to each server.

mod queue;

use std::collections::HashMap;
use std::sync::{Arc, Weak, atomic};

use super::client::UpstreamUse;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};
use queue::Queue;
pub use queue::{QueuePlace, Waiter};

/// One server may have three times as many sockets as are free: three quarters of all, if the
/// others have none. So there is always room for another server.
const SERVER_FACTOR: usize = 3;

/// Room for sockets to servers, shared by all workers. Used when a socket is opened or closed, and
/// by requests of clients that have many under way.
#[derive(Debug)]
pub struct Sockets {
    most: AtomicUsize,
    pub(super) open: AtomicUsize,
    /// How often there was no room while there were idle connections.
    reclaims: AtomicUsize,
    servers: Mutex<HashMap<Box<str>, Weak<ServerRoom>>>,
}

impl Sockets {
    /// Room for at most `most` sockets.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicUsize::new(most),
            open: AtomicUsize::new(0),
            reclaims: AtomicUsize::new(0),
            servers: Mutex::default(),
        })
    }

    /// Changes how many there may be. Open sockets stay open.
    pub fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// The room of the server with this address, shared by all workers.
    pub fn server(self: &Arc<Self>, addr: &str) -> Arc<ServerRoom> {
        // No two orders of anything depend on it.
        static NUMBERS: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
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
            queue: Queue::default(),
        });
        servers.insert(addr.into(), Arc::downgrade(&room));
        room
    }

    pub(super) fn servers(&self) -> MutexGuard<'_, HashMap<Box<str>, Weak<ServerRoom>>> {
        self.servers.lock()
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Idle connections to all servers.
    fn idle(&self) -> usize {
        let rooms: Vec<_> = self.servers().values().filter_map(Weak::upgrade).collect();
        rooms.iter().map(|room| room.idle()).sum()
    }

    /// How many sockets would be free if all idle connections were closed.
    pub(super) fn free(&self) -> usize {
        // Idle before open: a connection that is closed in between must not look busy.
        let idle = self.idle();
        let busy = self.open.load(Ordering::Relaxed).saturating_sub(idle);
        self.most().saturating_sub(busy)
    }

    /// Whether there is more than one server.
    fn has_several(&self) -> bool {
        self.servers()
            .values()
            .filter(|room| room.strong_count() > 0)
            .nth(1)
            .is_some()
    }
}

/// How many connections one server may have: `max_connections` of its upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxConnections {
    /// Any number.
    #[default]
    Unlimited,
    /// At most this many, WebSockets included.
    All(usize),
    /// At most this many, WebSockets not counted.
    Requests(usize),
}

impl MaxConnections {
    /// The limit for a request, or for a WebSocket.
    pub fn of(self, is_tunnel: bool) -> Option<usize> {
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
    /// Unique in this process.
    pub(super) number: usize,
    pub(super) sockets: Arc<Sockets>,
    pub(super) open: AtomicUsize,
    /// How many of the open ones belong to WebSockets and passed-through TLS.
    pub(super) tunnels: AtomicUsize,
    reclaims: AtomicUsize,
    /// How many of the open ones are idle, by worker.
    idle: Mutex<Vec<Weak<IdleCount>>>,
    queue: Queue,
}

/// How many connections to one server are idle at one worker. Alone on its cache lines: requests
/// write it, and those of other workers write their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct IdleCount(AtomicUsize);

impl IdleCount {
    /// Sets the count.
    pub fn set(&self, idle: usize) {
        self.0.store(idle, Ordering::Relaxed);
    }
}

impl ServerRoom {
    /// A count of idle connections for one worker, which alone writes it.
    pub fn idle_count(&self) -> Arc<IdleCount> {
        let count = Arc::default();
        let mut idle = self.idle.lock();
        idle.retain(|count| count.strong_count() > 0);
        idle.push(Arc::downgrade(&count));
        count
    }

    pub(super) fn idle(&self) -> usize {
        let idle = self.idle.lock();
        idle.iter()
            .filter_map(|count| Some(count.upgrade()?.0.load(Ordering::Relaxed)))
            .sum()
    }

    /// How many of `open` connections count against the limit.
    pub(super) fn counted(&self, open: usize, max: MaxConnections) -> usize {
        match max {
            MaxConnections::Requests(_) => {
                open.saturating_sub(self.tunnels.load(Ordering::Relaxed))
            }
            MaxConnections::All(_) | MaxConnections::Unlimited => open,
        }
    }

    /// Takes room for one more socket.
    ///
    /// # Errors
    /// Which limit is reached.
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
            // Takes back what was counted.
            drop(slot);
            return Err(NoRoom::Descriptors {
                may_change: request_reclaim(&self.reclaims, self.idle()),
            });
        }
        Ok(slot)
    }

    /// Changes whenever idle connections to this server should be closed to make room for others.
    pub fn reclaims(&self) -> usize {
        self.reclaims
            .load(Ordering::Relaxed)
            .wrapping_add(self.sockets.reclaims.load(Ordering::Relaxed))
    }
}

/// Adds one and returns how many there were before. The error is how many were idle.
fn add_one(
    open: &AtomicUsize,
    one_more: impl Fn(usize) -> Option<usize>,
    idle: impl Fn() -> usize,
) -> Result<usize, usize> {
    let add = || open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, &one_more);
    add().or_else(|_| {
        // Tried again after the idle ones are counted: one that was closed in between would
        // otherwise be neither idle nor gone.
        let idle = idle();
        add().map_err(|_| idle)
    })
}

/// Asks for idle connections to be closed, and returns whether there are any.
fn request_reclaim(reclaims: &AtomicUsize, idle: usize) -> bool {
    if idle > 0 {
        reclaims.fetch_add(1, Ordering::Relaxed);
    }
    idle > 0
}

/// Why there is no room for a socket. With `may_change`, idle connections are being closed, and it
/// makes sense to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The server has as many connections as `max_connections` allows.
    Server {
        /// Whether it makes sense to wait.
        may_change: bool,
    },
    /// The gateway has no descriptor left, or this server has its share of them.
    Descriptors {
        /// Whether it makes sense to wait.
        may_change: bool,
    },
}

impl NoRoom {
    /// Whether it makes sense to wait.
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
    /// Notes the request or tunnel that uses the socket from now on; `None` if it is idle.
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
        // Counted out first, since a request that is woken compares with its client's share.
        self.client = None;
        self.room.wake_next();
    }
}
