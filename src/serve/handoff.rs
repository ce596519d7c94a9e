//! From a request to a tunnel.

use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::proxy::client::LoadGuard;
use crate::proxy::tunnel::{Tunnel, TunnelControl};
use crate::proxy::upgrade::UpgradedUpstream;
use crate::registry::Registered;
use crate::slot::SocketSlot;
use crate::telemetry::access::Exchange;
use crate::tick::Ticks;

/// What a tunnel needs, from the request that became one.
#[derive(Debug)]
pub(super) struct Handoff {
    /// The upstream's side.
    pub joined: UpgradedUpstream,
    /// The tunnel's entry in the worker's list.
    pub control: Registered<TunnelControl>,
    /// For the access log.
    pub exchange: Rc<Exchange>,
}

impl Handoff {
    /// Joins the client's side to the upstream's; `kept` lives as long as the tunnel.
    pub(super) fn into_tunnel<C, K>(
        self,
        client: (C, Bytes),
        ticks: &Rc<Ticks>,
        kept: K,
    ) -> Tunnel<C, ((LoadGuard, SocketSlot), K)>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let UpgradedUpstream {
            stream,
            early,
            busy,
        } = self.joined;
        let kept = (busy, kept);
        Tunnel::new(
            client,
            (stream, early),
            self.control,
            self.exchange,
            Rc::clone(ticks),
            kept,
        )
    }
}
