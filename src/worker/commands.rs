//! What the control runtime sends to workers: commands and listening sockets.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::addr::ListenAddr;
use crate::auth::HandedToken;
use crate::listen::Kind;
use crate::serve::drain::DrainTimes;
use crate::serve::snapshot::Snapshot;

/// What identifies a listener across reloads.
pub type ListenerKey = (Kind, ListenAddr);

/// One worker's socket of a listener.
#[derive(Debug)]
pub struct ListenerSocket {
    /// The listener.
    pub key: ListenerKey,
    /// The socket.
    pub socket: StdListener,
}

/// A duplicate of a worker's socket of a listener, for another process.
#[derive(Debug)]
pub struct SharedSocket {
    /// The listener.
    pub key: ListenerKey,
    /// The socket.
    pub socket: OwnedFd,
}

/// What a worker is to do.
#[derive(Debug)]
pub enum Command {
    /// Apply a configuration.
    Apply {
        /// The configuration.
        snapshot: Arc<Snapshot>,
        /// Listeners to open.
        open: Vec<ListenerSocket>,
        /// Listeners to keep, old and new; every other one is closed.
        keep: Vec<ListenerKey>,
        /// Receives the outcome. If a listener could not be opened, nothing has changed.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Hand out the tokens that have been verified.
    Tokens(oneshot::Sender<Vec<HandedToken>>),
    /// Hand out duplicates of the listening sockets.
    Share(oneshot::Sender<io::Result<Vec<SharedSocket>>>),
    /// Accept no connections for now, and keep the listening sockets.
    Pause,
    /// Accept connections again.
    Resume,
    /// Accept no more connections, and close the open ones in the course of these times.
    Drain(DrainTimes),
    /// Close the tunnels.
    CloseTunnels,
    /// Stop now, whatever is open.
    Stop,
}
