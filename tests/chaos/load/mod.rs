//! The clients: requests over both protocols, long polls, WebSockets. They go on until they are
//! told to stop, and write into the ledger.

mod janus;
mod requests;
mod sockets;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::client::Door;
use super::ledger::Ledger;
use super::server::Outage;
use super::support::until;
use super::threads::Threads;
pub(crate) use sockets::SocketCounts;

/// How many clients there are of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Connections of HTTP/1.1, one request after the other on each.
    pub(crate) h1: usize,
    /// Connections of HTTP/2, with four requests at a time.
    pub(crate) h2: usize,
    /// Clients of the three servers of which one is faulty, and of each of the slow, the streaming
    /// and the faulty server.
    pub(crate) few: usize,
    /// Sessions of Janus over REST, each with a long poll.
    pub(crate) polls: usize,
    /// WebSockets whose bytes pass as they are, and those whose messages are judged.
    pub(crate) raw: usize,
    pub(crate) understood: usize,
    /// WebSockets on streams of HTTP/2, ten on each connection.
    pub(crate) streams: usize,
    /// How long a WebSocket stays open at most; as long as the load lasts, without it.
    pub(crate) lifetime: Option<Duration>,
    /// Clients of the real Janus, over REST and by WebSocket.
    pub(crate) real_janus: usize,
    /// Between two requests of a client, and a tenth of what is between messages of a WebSocket.
    pub(crate) pause: Duration,
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) door: Arc<Door>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sockets: SocketCounts,
    /// When the real Janus is down.
    pub(crate) outage: Outage,
    pub(crate) pause: Duration,
    stopped: AtomicBool,
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) world: Arc<World>,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    pub(crate) fn new(door: &Arc<Door>, ledger: &Arc<Ledger>, pause: Duration) -> Arc<Self> {
        Arc::new(Self {
            door: Arc::clone(door),
            ledger: Arc::clone(ledger),
            sockets: SocketCounts::default(),
            outage: Outage::default(),
            pause,
            stopped: AtomicBool::new(false),
        })
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// From half of a pause to one and a half.
    async fn rest(&self, pauses: u32) {
        tokio::time::sleep((self.pause * pauses).mul_f64(0.5 + chance())).await;
    }
}

/// From 0 to 1.
pub(crate) fn chance() -> f64 {
    (RandomState::new().hash_one(0) % 1000) as f64 / 1000.0
}

impl Load {
    /// Starts all clients, and waits until all WebSockets are open.
    pub(crate) fn start(threads: &Threads, world: &Arc<World>, size: Size) -> Self {
        world.stopped.store(false, Ordering::Relaxed);
        let _entered = threads.clients.enter();
        let mut tasks = requests::start(world, size);
        tasks.extend(janus::start(world, size));
        tasks.extend(sockets::start(world, size));
        let load = Self {
            world: Arc::clone(world),
            tasks,
        };
        load.is_open(size.raw + size.understood + size.streams);
        load
    }

    /// Waits until this number of WebSockets are open.
    pub(crate) fn is_open(&self, sockets: usize) {
        until("all WebSockets are open", || {
            self.world.sockets.open() >= sockets
        });
    }

    /// Waits until each client has the answer that it waits for, and has closed its WebSocket.
    pub(crate) fn stop(self, threads: &Threads) {
        self.world.stopped.store(true, Ordering::Relaxed);
        threads.clients.block_on(async {
            for task in self.tasks {
                task.await.unwrap();
            }
        });
    }
}
