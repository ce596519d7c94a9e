//! An accepted connection that has a slot.

use std::io;
use std::rc::Rc;

use tokio::net::TcpStream;

use crate::addr::PeerAddr;
use crate::listen::Kind;
use crate::serve::Worker;
use crate::serve::accepted::AcceptedConn;
use crate::serve::conn;
use crate::serve::connection_guard::ConnectionGuard;
use crate::slot::{Slot, WorkerSlot};

/// An accepted connection that has a slot, and the worker that it is counted for.
#[derive(Debug)]
pub(super) struct Admitted<S> {
    pub(super) stream: S,
    pub(super) peer: PeerAddr,
    pub(super) kind: Kind,
    pub(super) port: u16,
    pub(super) slot: Slot,
    pub(super) of_worker: WorkerSlot,
    pub(super) expects_proxy_header: bool,
}

impl<S> Admitted<S> {
    /// The same connection with another form of its socket.
    pub(super) fn map<T>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<Admitted<T>> {
        Ok(Admitted {
            stream: change(self.stream)?,
            peer: self.peer,
            kind: self.kind,
            port: self.port,
            slot: self.slot,
            of_worker: self.of_worker,
            expects_proxy_header: self.expects_proxy_header,
        })
    }
}

impl Admitted<TcpStream> {
    /// Serves the connection on this worker.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends with the connection, which has limits"
    )]
    pub(super) fn serve(self, worker: &Rc<Worker>) {
        let is_handshake_next = self.kind == Kind::Https && !self.expects_proxy_header;
        let accepted = AcceptedConn {
            stream: self.stream,
            peer: self.peer,
            kind: self.kind,
            port: self.port,
            slot: ConnectionGuard::new(self.slot, self.of_worker, self.kind, &worker.metrics),
            // Taken before the next connection is accepted.
            place: is_handshake_next.then(|| worker.places.take()),
            overload: worker.overload(),
            expects_proxy_header: self.expects_proxy_header,
        };
        tokio::task::spawn_local(conn::serve(accepted, Rc::clone(worker)));
    }
}
