//! Whether an accepted connection gets a slot, and which worker serves it.

use std::rc::Rc;

use tokio::net::TcpStream;

use super::admitted::Admitted;
use super::hand_over::Peers;
use crate::addr::PeerAddr;
use crate::listen::Kind;
use crate::pulse::Activity;
use crate::serve::Worker;
use crate::serve::over_limit::{self, OverLimit};
use crate::slot::Full;

/// Serves a connection if there is a slot for it, or hands it over to a worker that has fewer. If
/// there is no slot, it is rejected, unless it may come from a CA that validates a name.
pub(super) fn admit(
    (stream, peer): (TcpStream, PeerAddr),
    (kind, port): (Kind, u16),
    worker: &Rc<Worker>,
    peers: &Peers,
) {
    worker.ticks.pulse().note(Activity::Accept);
    let view = worker.view();
    let snapshot = &view.snapshot;
    let expects_proxy_header = snapshot.balancers.contains(peer.client());
    let (slots, loads) = (&worker.shared.slots, &worker.shared.loads);
    let slot = match expects_proxy_header {
        // Where there is no TLS, the request is answered.
        _ if kind == Kind::Https && worker.shared.memory.is_short() => Err(Full::Memory),
        true => slots.take_unknown(&snapshot.limits),
        false => slots.take(peer.client(), &snapshot.limits),
    };
    let slot = match slot {
        Ok(slot) => slot,
        Err(full) => {
            let over_limit = OverLimit {
                stream,
                peer,
                kind,
                expects_proxy_header,
                full,
            };
            return over_limit::serve(over_limit, worker);
        }
    };
    let server = match worker.is_draining() {
        true => peers.own(),
        false => loads.choose(peers.own(), slots.open()),
    };
    let admitted = Admitted {
        stream,
        peer,
        kind,
        port,
        slot,
        of_worker: loads.count(server),
        expects_proxy_header,
    };
    if server == peers.own() {
        admitted.serve(worker);
    } else {
        peers.hand_over(server, admitted, worker);
    }
}
