//! Raw tunnels: bytes are forwarded unchanged in both directions. An idle tunnel owns no buffer;
//! all tunnels of a worker share one.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::control::{CloseReason, TunnelControl, TunnelKey};
use super::flow::Flow;
use super::frames;
use crate::pulse::Activity;
use crate::registry::Registered;
use crate::telemetry::access::{End, Exchange};
use crate::tick::{Alarm, Ticks};

/// Once one side has closed: how long the other may be silent before the tunnel is closed.
const HALF_CLOSED_IDLE: Duration = Duration::from_secs(75);

/// How long the gateway waits for the frame in transit to end and for both sides to answer its
/// close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// A tunnel between a client's socket (`C`) and a server's (`U`). `K` is whatever has to live as
/// long as the tunnel: its slots and its connection's guard.
#[derive(Debug)]
pub struct Tunnel<C, U, K> {
    client: C,
    upstream: U,
    /// From the client to the upstream.
    up: Flow,
    /// From the upstream to the client.
    down: Flow,
    closing: Option<Closing>,
    half_closed: Option<Alarm>,
    ticks: Rc<Ticks>,
    control: Registered<TunnelControl>,
    exchange: Rc<Exchange>,
    first_to_end: Option<End>,
    _kept: K,
}

/// The gateway is closing the tunnel.
#[derive(Debug)]
struct Closing {
    reason: CloseReason,
    grace: Alarm,
}

impl<C, U, K> Tunnel<C, U, K>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Joins two sockets. With each come the bytes that its peer has sent right behind the
    /// handshake; they are forwarded first.
    pub fn new(
        (client, client_early): (C, Bytes),
        (upstream, upstream_early): (U, Bytes),
        control: Registered<TunnelControl>,
        exchange: Rc<Exchange>,
        ticks: Rc<Ticks>,
        kept: K,
    ) -> Self {
        exchange.set_tunnel();
        exchange.received(client_early.len() as u64);
        exchange.sent(upstream_early.len() as u64);
        let is_framed = matches!(control.key, TunnelKey::Route(..));
        Self {
            client,
            upstream,
            up: Flow::new(&client_early, is_framed),
            down: Flow::new(&upstream_early, is_framed),
            closing: None,
            half_closed: None,
            ticks,
            control,
            exchange,
            first_to_end: None,
            _kept: kept,
        }
    }

    /// Moves what can be moved. Ready when the tunnel is over.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.note_close_reason();
        let before = (self.up.bytes(), self.down.bytes());
        let close = self.closing.as_ref().map(|closing| closing.reason);
        let up = self.up.pump(cx, &mut self.client, &mut self.upstream, || {
            close.map(|reason| frames::client_close(reason.code, reason.reason))
        });
        let down = self
            .down
            .pump(cx, &mut self.upstream, &mut self.client, || {
                close.map(|reason| frames::server_close(reason.code, reason.reason))
            });
        self.exchange.received(self.up.bytes() - before.0);
        self.exchange.sent(self.down.bytes() - before.1);
        self.note_first_end();
        if (up.is_ready() || self.up.has_failed()) && (down.is_ready() || self.down.has_failed()) {
            return Poll::Ready(());
        }
        if let Some(closing) = &self.closing {
            // Without frames nothing can be sent in between, so nothing is waited for.
            let is_answered = !self.up.is_framed()
                || self.up.is_over() && (self.down.is_over() || self.down.is_closed_by_us());
            return if is_answered || closing.grace.is_due(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        self.poll_half_closed(cx, before)
    }

    fn note_close_reason(&mut self) {
        if self.closing.is_none()
            && let Some(reason) = self.control.take_close_reason()
        {
            let grace = self.ticks.alarm(CLOSE_GRACE);
            if self.first_to_end.is_none() {
                self.first_to_end = Some(reason.end);
                self.exchange.note(|line| line.reason = Some(reason.reason));
            }
            self.closing = Some(Closing { reason, grace });
        }
    }

    fn note_first_end(&mut self) {
        let end = match (self.up.is_over(), self.down.is_over()) {
            (true, _) => End::Client,
            (false, true) => End::Upstream,
            (false, false) => return,
        };
        self.first_to_end.get_or_insert(end);
    }

    /// Ready when one side has closed and the other has been silent for too long: with nothing to
    /// write to it, the gateway would never notice that it has gone.
    fn poll_half_closed(&mut self, cx: &Context<'_>, before: (u64, u64)) -> Poll<()> {
        if !(self.up.has_reached_eof() || self.down.has_reached_eof()) {
            return Poll::Pending;
        }
        // After close frames in both directions, only the end of the TCP connection is missing.
        let are_both_closed = self.up.has_closed() && self.down.has_closed();
        let limit = if are_both_closed {
            CLOSE_GRACE
        } else {
            HALF_CLOSED_IDLE
        };
        let alarm = self
            .half_closed
            .get_or_insert_with(|| self.ticks.alarm(limit));
        if before != (self.up.bytes(), self.down.bytes()) {
            alarm.reset(limit);
        }
        if alarm.is_due(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<C, U, K> Future for Tunnel<C, U, K>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    K: Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let tunnel = self.get_mut();
        tunnel.ticks.pulse().note(Activity::Tunnel);
        tunnel.control.register_task(cx);
        ready!(tunnel.step(cx));
        // A side that is still there sees the end. If it cannot be sent, there is nothing to do.
        let _ = tunnel.down.shut_down(cx, &mut tunnel.client);
        let _ = tunnel.up.shut_down(cx, &mut tunnel.upstream);
        Poll::Ready(())
    }
}

impl<C, U, K> Drop for Tunnel<C, U, K> {
    fn drop(&mut self) {
        let end = self.first_to_end.unwrap_or(End::Drain);
        self.exchange.note(|line| line.end = end);
    }
}
