//! Whether an accepted connection gets a slot.

use std::rc::Rc;

use tokio::net::TcpStream;

use crate::addr::PeerAddr;
use crate::listen::Kind;
use crate::serve::Worker;
use crate::serve::accepted::AcceptedConn;
use crate::serve::conn;
use crate::serve::connection_guard::ConnectionGuard;
use crate::serve::over_limit::{self, OverLimit};

/// Serves a connection if there is a slot for it. If not, it is rejected, unless it may come from a
/// CA that validates a name.
#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the connection, which has limits"
)]
pub(super) fn admit(stream: TcpStream, peer: PeerAddr, kind: Kind, port: u16, worker: &Rc<Worker>) {
    let view = worker.view();
    let snapshot = &view.snapshot;
    let expects_proxy_header = snapshot.balancers.contains(peer.client());
    let slots = &worker.shared.slots;
    let slot = match expects_proxy_header {
        true => slots.take_unknown(&snapshot.limits),
        false => slots.take(peer.client(), &snapshot.limits),
    };
    match slot {
        Ok(slot) => {
            let accepted = AcceptedConn {
                stream,
                peer,
                kind,
                port,
                slot: ConnectionGuard::new(slot, kind, &worker.metrics),
                expects_proxy_header,
            };
            tokio::task::spawn_local(conn::serve(accepted, Rc::clone(worker)));
        }
        Err(full) => {
            let over_limit = OverLimit {
                stream,
                peer,
                kind,
                expects_proxy_header,
                full,
            };
            over_limit::serve(over_limit, worker);
        }
    }
}
