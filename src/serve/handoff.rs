//! From a request to a tunnel.
//!
//! This is where a WebSocket's two sockets are handed to the kind of tunnel that its route asks
//! for: an understood one if there is something to judge its messages by, else a raw one.

use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::messages::MessageJudge;
use super::subject_tunnels::SubjectTunnel;
use crate::proxy::upgrade::UpgradedUpstream;
use crate::registry::Registered;
use crate::slot::UseSlot;
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
    /// What counts it.
    pub(super) open: OpenTunnel,
}

/// What counts an open WebSocket, or the handshake of one, for its client and its subject.
#[derive(Debug)]
pub(super) struct OpenTunnel {
    _of_client: UseSlot,
    _of_subject: Option<SubjectTunnel>,
}

impl OpenTunnel {
    /// Counted until it is dropped.
    pub(super) fn new(of_client: UseSlot, of_subject: Option<SubjectTunnel>) -> Self {
        Self {
            _of_client: of_client,
            _of_subject: of_subject,
        }
    }
}

impl Handoff {
    /// Starts the tunnel between the client's side and the upstream's; `kept` lives as long as it.
    /// Each kind is a task of its own type, so that neither has the size of the other.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends with the tunnel, which is registered"
    )]
    pub(super) fn start<C, K>(self, client: (C, Bytes), ticks: &Rc<Ticks>, kept: K)
    where
        C: AsyncRead + AsyncWrite + Unpin + 'static,
        K: Unpin + 'static,
    {
        let UpgradedUpstream {
            stream,
            early,
            load,
            socket,
        } = self.upgraded;
        let (upstream, kept) = ((stream, early), ((load, socket, self.open), kept));
        let (control, exchange, ticks) = (self.control, self.exchange, Rc::clone(ticks));
        match self.judge {
            None => {
                let tunnel = Tunnel::new(client, upstream, control, exchange, ticks, kept);
                tokio::task::spawn_local(tunnel);
            }
            Some(judge) => {
                let tunnel =
                    Understood::new(client, upstream, judge, control, exchange, ticks, kept);
                tokio::task::spawn_local(tunnel);
            }
        }
    }
}
