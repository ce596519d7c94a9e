//! The status listener of a configuration beside the one that runs.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;

use crate::addr::ListenAddr;
use crate::listen::{self, BindError, Inherited, ListenSpec};
use crate::status::{Server, board::Board};

/// The name of its socket in `LISTEN_FDNAMES`.
pub(super) const STATUS: &str = "status";

/// What becomes of the status listener.
#[derive(Debug)]
pub(super) enum StatusChange {
    /// It stays as it is, open or not.
    Keep,
    /// It is closed.
    Close,
    /// It is opened with this socket; one that runs at another address is closed.
    Open(ListenAddr, StdListener),
}

impl StatusChange {
    /// Binds the address if it is another one than before, and the process was not started with a
    /// socket for it.
    pub(super) fn bind(
        listen: &ListenSpec,
        running: Option<ListenAddr>,
        inherited: &mut Inherited,
        own: &[ListenAddr],
    ) -> Result<Self, BindError> {
        match listen.status {
            wanted if wanted == running => Ok(Self::Keep),
            None => Ok(Self::Close),
            Some(addr) => {
                let socket = match inherited.take_tcp(addr, STATUS).pop() {
                    Some(socket) => listen::adopt_one(addr, socket)?,
                    None => listen::bind_one(addr, own, listen.freebind)?,
                };
                Ok(Self::Open(addr, socket))
            }
        }
    }

    /// Starts the listener if there is a new one. The one that runs is not touched yet.
    pub(super) fn start(self, board: &Arc<Board>) -> io::Result<StartedStatus> {
        Ok(match self {
            Self::Keep => StartedStatus::Keep,
            Self::Close => StartedStatus::Replace(None),
            Self::Open(addr, socket) => {
                let server = Server::start(addr, socket, Arc::clone(board))?;
                StartedStatus::Replace(Some(server))
            }
        })
    }
}

/// A change whose new listener accepts connections.
#[derive(Debug)]
pub(super) enum StartedStatus {
    Keep,
    Replace(Option<Server>),
}

impl StartedStatus {
    /// Puts the new listener in place of the old one, which is closed.
    pub(super) fn replace(self, running: &mut Option<Server>) {
        let Self::Replace(new) = self else { return };
        log("no longer listening", running.as_ref());
        log("listening", new.as_ref());
        *running = new;
    }
}

fn log(what: &str, server: Option<&Server>) {
    if let Some(server) = server {
        tracing::info!(address = %server.bound(), listener = %"status", "{what}");
    }
}
