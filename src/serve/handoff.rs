//! From a request to a tunnel.
//!
//! This is where a WebSocket's two sockets are handed to the kind of tunnel that its route asks
//! for. There is one kind: the raw tunnel.

use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::proxy::client::LoadGuard;
use crate::proxy::connect::UpstreamStream;
use crate::proxy::upgrade::UpgradedUpstream;
use crate::registry::Registered;
use crate::slot::SocketSlot;
use crate::telemetry::access::Exchange;
use crate::tick::Ticks;
use crate::tunnel::{Tunnel, TunnelControl};

/// What a tunnel needs from the request that it began as.
#[derive(Debug)]
pub(super) struct Handoff {
    /// The upstream's side.
    pub upgraded: UpgradedUpstream,
    /// The tunnel's entry in the worker's list.
    pub control: Registered<TunnelControl>,
    /// The request, for the access log.
    pub exchange: Rc<Exchange>,
}

impl Handoff {
    /// Joins the client's side to the upstream's; `kept` lives as long as the tunnel.
    pub(super) fn into_tunnel<C, K>(
        self,
        client: (C, Bytes),
        ticks: &Rc<Ticks>,
        kept: K,
    ) -> Tunnel<C, UpstreamStream, ((LoadGuard, SocketSlot), K)>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let UpgradedUpstream {
            stream,
            early,
            load,
            socket,
        } = self.upgraded;
        Tunnel::new(
            client,
            (stream, early),
            self.control,
            self.exchange,
            Rc::clone(ticks),
            ((load, socket), kept),
        )
    }
}
