//! Whether a connection that was accepted gets a slot.

use std::rc::Rc;

use tokio::net::TcpStream;

use crate::addr::PeerAddr;
use crate::listen::Kind;
use crate::serve::Worker;
use crate::serve::conn::{self, AcceptedConn};
use crate::serve::connection_guard::ConnectionGuard;
use crate::serve::over_limit::{self, OverLimit};

/// A connection is let in if there is a slot for it, or heard if it may be from a CA.
pub(super) fn admit(stream: TcpStream, peer: PeerAddr, kind: Kind, port: u16, worker: &Rc<Worker>) {
    let local = worker.local();
    let expects_proxy_header = local
        .snapshot
        .balancers
        .iter()
        .any(|net| net.contains(peer.client()));
    let slot = match expects_proxy_header {
        true => worker.slots.take_unknown(&local.snapshot.limits),
        false => worker.slots.take(peer.client(), &local.snapshot.limits),
    };
    match slot {
        Ok(slot) => {
            let seat = ConnectionGuard::new(slot, kind, &worker.metrics);
            let knock = AcceptedConn {
                stream,
                peer,
                kind,
                port,
                slot: seat,
                expects_proxy_header,
            };
            tokio::task::spawn_local(conn::serve(knock, Rc::clone(worker)));
        }
        Err(full) => over_limit::hear(
            OverLimit {
                stream,
                peer,
                kind,
                expects_proxy_header,
                full,
            },
            worker,
        ),
    }
}
