//! The control socket of a gateway through its reloads.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::call::Call;
use super::requests::Requests;
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
    requests: Arc<Requests>,
    /// Kept, so that requests can be waited for while there is no socket.
    sender: mpsc::Sender<Call>,
    calls: mpsc::Receiver<Call>,
}

/// A change that is prepared: the new socket is open, and the old one is still served.
#[derive(Debug)]
pub struct Change {
    next: Next,
    warning: Option<String>,
}

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

    /// The same with a socket that the process was started with. Its file stays at the end, unless
    /// [`Control::own`] is called.
    ///
    /// # Errors
    /// That the socket cannot be used.
    pub fn adopt(path: &Path, socket: UnixListener) -> Result<Self, OpenError> {
        ControlSocket::adopt(path, socket).map(|socket| Next::Open(socket).into())
    }

    fn between(current: Option<&Server>, spec: &ControlSpec) -> Result<Self, OpenError> {
        let Some(path) = spec.path() else {
            return Ok(Next::Close.into());
        };
        let current = current.map(Server::file);
        // By its file and not by the spelling of its path; a file that was removed is made again.
        if current.is_some_and(|file| file.is_at(&path)) {
            return Ok(Next::Keep.into());
        }
        match ControlSocket::open(&path) {
            Ok(socket) => Ok(Next::Open(socket).into()),
            Err(error) if spec.is_default() => {
                let remains = current.filter(|file| file.is_at(file.path()));
                let outcome = match remains {
                    Some(file) => format!("the socket stays at {}", file.path().display()),
                    None => "commands cannot reach this gateway".to_owned(),
                };
                let warning = format!("no control socket was opened: {}; {outcome}", Chain(&error));
                tracing::warn!("{warning}");
                Ok(Self {
                    next: Next::Keep,
                    warning: Some(warning),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// What the operator should know if the change is applied; it is in the log already.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

impl From<Next> for Change {
    fn from(next: Next) -> Self {
        Self {
            next,
            warning: None,
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
            requests: Requests::new(),
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

    /// The socket that is served.
    pub fn path(&self) -> Option<&Path> {
        self.server.as_ref().map(|server| server.file().path())
    }

    /// Has the socket's file removed at the end: it was taken over from a process that had made it.
    pub fn own(&self) {
        if let Some(server) = &self.server {
            server.file().own();
        }
    }

    /// Whether the socket's file is removed at the end.
    pub fn is_owned(&self) -> bool {
        let server = self.server.as_ref();
        server.is_some_and(|server| server.file().is_owned())
    }

    /// A duplicate of the socket, for another process.
    ///
    /// # Errors
    /// That it cannot be duplicated.
    pub fn share(&self) -> io::Result<Option<OwnedFd>> {
        self.server.as_ref().map(Server::share).transpose()
    }

    /// The same as [`Control::stop`], where another process listens on the socket: its file stays.
    pub fn leave(self) -> OpenRequests {
        if let Some(server) = &self.server {
            server.file().disown();
        }
        self.stop()
    }

    /// Opens what a new configuration asks for, beside what is served. If the default path cannot
    /// be used, an open socket stays where it is.
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
        match change.next {
            Next::Keep => {}
            Next::Close => self.close(),
            Next::Open(socket) => {
                let server = Server::start(socket, &self.requests, self.sender.clone())?;
                self.close();
                let path = server.file().path().display();
                tracing::info!(%path, listener = %"control", "listening");
                self.server = Some(server);
            }
        }
        Ok(())
    }

    /// Accepts no more requests, and leaves the path to a successor. Requests that the main loop
    /// has not seen yet are answered by 503.
    pub fn stop(mut self) -> OpenRequests {
        self.close();
        OpenRequests(self.requests)
    }

    fn close(&mut self) {
        if let Some(server) = self.server.take() {
            let path = server.file().path().to_owned();
            drop(server);
            tracing::info!(path = %path.display(), listener = %"control", "no longer listening");
        }
    }
}

/// Requests that still wait for an answer when the socket is closed.
#[derive(Debug)]
pub struct OpenRequests(Arc<Requests>);

impl OpenRequests {
    /// Answers those that have none yet by 503, and waits until the answers are written, for two
    /// seconds at most.
    pub async fn finish(self) {
        self.0.finish().await;
    }
}
