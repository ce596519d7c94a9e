//! From a request to a tunnel.

use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Worker;
use crate::policy::Permit;
use crate::proxy::client::Busy;
use crate::proxy::tunnel::{Tunnel, TunnelControl};
use crate::proxy::upgrade::Joined;
use crate::telemetry::access::Exchange;

/// What a tunnel needs, from the request that became one.
#[derive(Debug)]
pub(super) struct Handoff {
    /// The upstream's side.
    pub joined: Joined,
    /// The tunnel's entry in the worker's list.
    pub control: Rc<TunnelControl>,
    /// For the access log.
    pub exchange: Rc<Exchange>,
    /// By what right.
    pub permit: Permit,
}

impl Handoff {
    /// Joins the client's side to the upstream's; `kept` lives as long as the tunnel.
    pub(super) fn into_tunnel<C, K>(self, client: (C, Bytes), worker: &Worker, kept: K) -> Tunnel<C, (Permit, Busy, K)>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let Joined { stream, early, busy } = self.joined;
        let entry = worker.tunnels.enter(self.control);
        let kept = (self.permit, busy, kept);
        Tunnel::new(client, (stream, early), entry, self.exchange, Rc::clone(&worker.ticks), kept)
    }
}
