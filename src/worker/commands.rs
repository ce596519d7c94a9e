//! What the control runtime and its workers exchange: commands, and listening sockets.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::addr::ListenAddr;
use crate::listen::Kind;
use crate::serve::snapshot::Snapshot;

/// What identifies a listener across reloads.
pub type ListenerKey = (Kind, ListenAddr);

/// One worker's socket of a listener.
#[derive(Debug)]
pub struct Share {
    /// The listener.
    pub key: ListenerKey,
    /// The socket.
    pub socket: StdListener,
}

/// What the control runtime tells a worker to do.
#[derive(Debug)]
pub enum Command {
    /// Apply a configuration.
    Reload {
        /// The configuration.
        snapshot: Arc<Snapshot>,
        /// Listeners to open.
        open: Vec<Share>,
        /// Listeners to keep; every other one is closed.
        keep: Vec<ListenerKey>,
        /// Receives the outcome.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Accept no more connections and close each one after its requests; tunnels stay open.
    Drain,
    /// Close the tunnels.
    CloseTunnels,
    /// Stop now, whatever is open.
    Stop,
}

/// The control runtime's handle to a worker.
#[derive(Debug)]
pub struct Handle {
    /// Takes commands.
    pub commands: mpsc::UnboundedSender<Command>,
    /// The worker's thread.
    pub thread: JoinHandle<()>,
}
