//! From a request to a tunnel.
//!
//! This is where a WebSocket's two sockets are handed to the kind of tunnel that its route asks
//! for: an understood one if there is something to judge its messages by, else a raw one.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::messages::MessageJudge;
use crate::proxy::client::LoadGuard;
use crate::proxy::connect::UpstreamStream;
use crate::proxy::upgrade::UpgradedUpstream;
use crate::registry::Registered;
use crate::signalling::AnyInspector;
use crate::slot::SocketSlot;
use crate::telemetry::access::Exchange;
use crate::tick::Ticks;
use crate::tunnel::{Tunnel, TunnelControl, Understood};

/// What a tunnel needs from the request that it began as.
#[derive(Debug)]
pub(super) struct Handoff {
    /// The upstream's side.
    pub upgraded: UpgradedUpstream,
    /// The tunnel's entry in the worker's list.
    pub control: Registered<TunnelControl>,
    /// Judges its messages; `None` if it is raw.
    pub judge: Option<Box<MessageJudge>>,
    /// The request, for the access log.
    pub exchange: Rc<Exchange>,
}

/// What lives as long as the tunnel: the upstream's slots, and what the client's side needs.
type Kept<K> = ((LoadGuard, SocketSlot), K);

/// A tunnel of either kind. Ready when it is over.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a raw tunnel is moved once, and must not be larger than it is"
)]
pub(super) enum EitherTunnel<C, K> {
    Raw(Tunnel<C, UpstreamStream, Kept<K>>),
    Understood(Box<Understood<C, UpstreamStream, Kept<K>, AnyInspector, ()>>),
}

impl Handoff {
    /// Joins the client's side to the upstream's; `kept` lives as long as the tunnel.
    pub(super) fn into_tunnel<C, K>(
        self,
        client: (C, Bytes),
        ticks: &Rc<Ticks>,
        kept: K,
    ) -> EitherTunnel<C, K>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let UpgradedUpstream {
            stream,
            early,
            load,
            socket,
        } = self.upgraded;
        let (upstream, kept) = ((stream, early), ((load, socket), kept));
        let (control, exchange, ticks) = (self.control, self.exchange, Rc::clone(ticks));
        match self.judge {
            None => EitherTunnel::Raw(Tunnel::new(
                client, upstream, control, exchange, ticks, kept,
            )),
            Some(judge) => EitherTunnel::Understood(Box::new(Understood::new(
                client, upstream, judge, control, exchange, ticks, kept,
            ))),
        }
    }
}

impl<C, K> Future for EitherTunnel<C, K>
where
    C: AsyncRead + AsyncWrite + Unpin,
    K: Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Raw(tunnel) => Pin::new(tunnel).poll(cx),
            Self::Understood(tunnel) => Pin::new(tunnel).poll(cx),
        }
    }
}
