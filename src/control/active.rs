//! The control socket of a gateway through its reloads.

use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::call::Call;
use super::server::Server;
use super::socket::{ControlSocket, OpenError};
use super::spec::ControlSpec;
use crate::telemetry::Chain;

/// Requests that wait for the main loop; more wait in their connections.
const QUEUE: usize = 16;

/// The control socket that is in force, and the requests that come by it.
#[derive(Debug)]
pub struct Control {
    server: Option<Server>,
    /// Kept, so that requests can be waited for while there is no socket.
    sender: mpsc::Sender<Call>,
    calls: mpsc::Receiver<Call>,
}

/// A change that is prepared: the new socket is open, and the old one is still served.
#[derive(Debug)]
pub struct Change(Next);

#[derive(Debug)]
enum Next {
    Keep,
    Close,
    Open(ControlSocket),
}

impl Change {
    /// Opens the socket of a gateway that has none yet.
    ///
    /// # Errors
    /// That the configured path cannot be used. If the default path cannot be used there is only a
    /// warning, and no socket.
    pub fn first(spec: &ControlSpec) -> Result<Self, OpenError> {
        Self::between(None, spec)
    }

    fn between(current: Option<&Server>, spec: &ControlSpec) -> Result<Self, OpenError> {
        let Some(path) = spec.path() else {
            return Ok(Self(Next::Close));
        };
        if current.is_some_and(|server| server.path() == path) {
            return Ok(Self(Next::Keep));
        }
        match ControlSocket::open(&path) {
            Ok(socket) => Ok(Self(Next::Open(socket))),
            Err(error) if spec.is_default() => {
                let error = Chain(&error);
                tracing::warn!(%error, "there is no control socket, so commands cannot reach this \
                    gateway");
                Ok(Self(Next::Close))
            }
            Err(error) => Err(error),
        }
    }
}

impl Control {
    /// Serves the first socket, on the runtime that this is called on.
    ///
    /// # Errors
    /// That the runtime does not take the socket.
    pub fn start(first: Change) -> io::Result<Self> {
        let (sender, calls) = mpsc::channel(QUEUE);
        let mut control = Self {
            server: None,
            sender,
            calls,
        };
        control.apply(first)?;
        Ok(control)
    }

    /// The next request.
    pub async fn next(&mut self) -> Call {
        match self.calls.recv().await {
            Some(call) => call,
            // Cannot be: a sender is kept here.
            None => std::future::pending().await,
        }
    }

    /// Opens what a new configuration asks for, beside what is served.
    ///
    /// # Errors
    /// As [`Change::first`].
    pub fn prepare(&self, spec: &ControlSpec) -> Result<Change, OpenError> {
        Change::between(self.server.as_ref(), spec)
    }

    /// Serves what was prepared. Requests that came by the old socket are still answered.
    ///
    /// # Errors
    /// That the runtime does not take the socket.
    pub fn apply(&mut self, change: Change) -> io::Result<()> {
        match change.0 {
            Next::Keep => {}
            Next::Close => self.close(),
            Next::Open(socket) => {
                let server = Server::start(socket, self.sender.clone())?;
                self.close();
                let path = server.path().display();
                tracing::info!(%path, kind = %"control", "listening");
                self.server = Some(server);
            }
        }
        Ok(())
    }

    /// Accepts no more requests, and leaves the path to a successor.
    pub fn close(&mut self) {
        if let Some(server) = self.server.take() {
            let path: PathBuf = server.path().to_owned();
            drop(server);
            tracing::info!(path = %path.display(), kind = %"control", "no longer listening");
        }
    }
}
