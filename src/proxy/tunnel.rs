//! Raw tunnels: bytes go through unchanged in both directions. An idle tunnel owns no buffer; all
//! tunnels of a worker share one. Frame headers are followed only to know where a close frame may
//! stand.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::UpstreamStream;
use super::frames::{self, Follower};
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::policy::Permit;
use crate::registry::{Registered, TaskWaker};
use crate::route::change::Place;
use crate::route::upstream::ServerAddr;
use crate::telemetry::access::{End, Exchange};
use crate::tick::{Alarm, Ticks};

/// For what is left to say once one side has closed.
const HALF_CLOSED_IDLE: Duration = Duration::from_secs(75);

/// For both sides to answer a close frame of ours, and for a frame in transit to end before it.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

const SCRATCH: usize = 32 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// What led to a tunnel: what is judged again.
#[derive(Debug)]
pub enum TunnelKey {
    /// A WebSocket's request.
    Route(RouteTunnelKey),
    /// TLS that is not ours to end.
    Passthrough {
        /// Its server name.
        sni: HostName,
        /// The server that it goes to.
        to: ServerAddr,
    },
}

/// The route of a WebSocket and its target.
#[derive(Debug)]
pub struct RouteTunnelKey {
    /// The host that was asked.
    pub host: HostName,
    /// The path, normalised.
    pub path: Box<str>,
    /// The server that it goes to.
    pub server: ServerAddr,
    place: RefCell<Place>,
}

impl RouteTunnelKey {
    /// A WebSocket of this route.
    pub fn new(host: HostName, path: Box<str>, server: ServerAddr, place: Place) -> Self {
        Self {
            host,
            path,
            server,
            place: RefCell::new(place),
        }
    }

    /// The route that it belongs to.
    pub fn place(&self) -> Place {
        self.place.borrow().clone()
    }

    /// The same route in another table: the old table is not kept.
    pub fn belongs_to(&self, place: Place) {
        *self.place.borrow_mut() = place;
    }
}

/// What the worker knows of an open tunnel, and how it reaches it.
#[derive(Debug)]
pub struct TunnelControl {
    /// By which door it came.
    pub door: TunnelKey,
    /// Whose it is.
    pub client: ClientAddr,
    /// By what right it is open; TLS that is not ours needs none.
    permit: RefCell<Option<Permit>>,
    is_told: Cell<bool>,
    order: Cell<Option<CloseReason>>,
    task: TaskWaker,
}

impl TunnelControl {
    /// Of a tunnel that is about to begin.
    pub fn new(door: TunnelKey, client: ClientAddr, permit: Option<Permit>) -> Rc<Self> {
        let (permit, is_told) = (RefCell::new(permit), Cell::new(false));
        Rc::new(Self {
            door,
            client,
            permit,
            is_told,
            order: Cell::new(None),
            task: TaskWaker::default(),
        })
    }

    /// By what right it is open now.
    pub fn permit(&self) -> Option<Permit> {
        self.permit.borrow().clone()
    }

    /// Whether it has been told to close.
    pub fn is_being_closed(&self) -> bool {
        self.is_told.get()
    }

    /// It goes on by another right.
    pub fn renew(&self, permit: Permit) {
        *self.permit.borrow_mut() = Some(permit);
    }

    /// Has it closed if its permit has ended.
    pub fn judge_end(&self, now: UnixTime) {
        if !self.is_told.get()
            && self
                .permit
                .borrow()
                .as_ref()
                .is_some_and(|permit| permit.has_ended(now))
        {
            self.close(CloseReason::by_policy("token expired"));
        }
    }

    /// Has the tunnel closed, with a close frame between two frames.
    pub fn close(&self, order: CloseReason) {
        self.is_told.set(true);
        self.order.set(Some(order));
        self.task.wake();
    }
}

/// Why and how a tunnel is to be closed by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code of the close frame (RFC 6455, section 7.4).
    pub code: u16,
    /// Its reason.
    pub reason: &'static str,
    /// What the access log says.
    pub end: End,
}

impl CloseReason {
    /// The permission has ended (RFC 6455, section 7.4.1: 1008).
    pub fn by_policy(reason: &'static str) -> Self {
        Self {
            code: 1008,
            reason,
            end: End::Policy,
        }
    }
}

/// A tunnel between a client and an upstream, with whatever has to live as long as it (`K`).
#[derive(Debug)]
pub struct Tunnel<C, K> {
    client: C,
    upstream: UpstreamStream,
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

#[derive(Debug)]
struct Closing {
    order: CloseReason,
    grace: Alarm,
}

impl<C: AsyncRead + AsyncWrite + Unpin, K> Tunnel<C, K> {
    /// Joins two sides; `early` is what each had already sent beyond its handshake.
    pub fn new(
        (client, client_early): (C, Bytes),
        (upstream, upstream_early): (UpstreamStream, Bytes),
        control: Registered<TunnelControl>,
        exchange: Rc<Exchange>,
        ticks: Rc<Ticks>,
        kept: K,
    ) -> Self {
        exchange.set_tunnel();
        exchange.received(client_early.len() as u64);
        exchange.sent(upstream_early.len() as u64);
        let is_framed = matches!(control.door, TunnelKey::Route(..));
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

    /// Whether the tunnel is at its end.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.take_order();
        let moved = (self.up.bytes, self.down.bytes);
        let close = self.closing.as_ref().map(|c| c.order);
        let up = self.up.pump(cx, &mut self.client, &mut self.upstream, || {
            close.map(|order| frames::client_close(order.code, order.reason))
        });
        let down = self
            .down
            .pump(cx, &mut self.upstream, &mut self.client, || {
                close.map(|order| frames::server_close(order.code, order.reason))
            });
        self.exchange.received(self.up.bytes - moved.0);
        self.exchange.sent(self.down.bytes - moved.1);
        self.note_first_end();
        if (up.is_ready() || self.up.failed) && (down.is_ready() || self.down.failed) {
            return Poll::Ready(());
        }
        if let Some(closing) = &self.closing {
            // Where there are no frames, nothing can be said between them.
            let answered = self.up.follower.is_none()
                || self.up.is_over() && (self.down.is_over() || self.down.closed_by_us);
            return if answered || closing.grace.is_due(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        self.judge_half_closed(cx, moved)
    }

    fn take_order(&mut self) {
        if self.closing.is_none()
            && let Some(order) = self.control.order.take()
        {
            let grace = self.ticks.alarm(CLOSE_GRACE);
            if self.first_to_end.is_none() {
                self.first_to_end = Some(order.end);
                self.exchange.note(|line| line.reason = Some(order.reason));
            }
            self.closing = Some(Closing { order, grace });
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

    /// One side has closed and the other has nothing to say: nobody would ever notice that it is
    /// gone.
    fn judge_half_closed(&mut self, cx: &Context<'_>, moved: (u64, u64)) -> Poll<()> {
        if !(self.up.eof || self.down.eof) {
            return Poll::Pending;
        }
        // After close frames both ways there is nothing left to wait for but the client's end of
        // TCP.
        let said_goodbye = self.up.has_closed() && self.down.has_closed();
        let limit = if said_goodbye {
            CLOSE_GRACE
        } else {
            HALF_CLOSED_IDLE
        };
        let alarm = self
            .half_closed
            .get_or_insert_with(|| self.ticks.alarm(limit));
        if moved != (self.up.bytes, self.down.bytes) {
            alarm.reset(limit);
        }
        if alarm.is_due(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin, K: Unpin> Future for Tunnel<C, K> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let tunnel = self.get_mut();
        tunnel.control.task.register(cx);
        ready!(tunnel.step(cx));
        // Whoever still listens learns that it is over; whether it can be told is no longer our
        // concern.
        let _ = Pin::new(&mut tunnel.client).poll_shutdown(cx);
        let _ = Pin::new(&mut tunnel.upstream).poll_shutdown(cx);
        Poll::Ready(())
    }
}

impl<C, K> Drop for Tunnel<C, K> {
    fn drop(&mut self) {
        let end = self.first_to_end.unwrap_or(End::Drain);
        self.exchange.note(|line| line.end = end);
    }
}

/// One direction.
#[derive(Debug)]
struct Flow {
    /// What the writer did not take at once.
    left: Vec<u8>,
    off: usize,
    /// Follows the frames of a WebSocket.
    follower: Option<Follower>,
    bytes: u64,
    /// Something was written since the last flush.
    dirty: bool,
    /// The reader has ended.
    eof: bool,
    /// The writer has been shut down or has failed.
    shut: bool,
    /// The writer has failed. What it said before is read by the other direction, to its end.
    failed: bool,
    /// A close frame of ours was the last that the writer got; what the reader still says is
    /// dropped.
    closed_by_us: bool,
}

impl Flow {
    fn new(early: &[u8], is_framed: bool) -> Self {
        let mut follower = is_framed.then(Follower::new);
        if let Some(follower) = &mut follower {
            follower.follow(early);
        }
        let bytes = early.len() as u64;
        Self {
            left: early.to_vec(),
            off: 0,
            follower,
            bytes,
            dirty: false,
            eof: false,
            shut: false,
            failed: false,
            closed_by_us: false,
        }
    }

    /// Whether this side has said its last word.
    fn is_over(&self) -> bool {
        self.eof || self.has_closed()
    }

    /// Whether this side has sent a close frame.
    fn has_closed(&self) -> bool {
        self.follower.as_ref().is_some_and(Follower::has_seen_close)
    }

    /// Moves bytes until there is nothing to do. Ready when the direction is closed.
    fn pump<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        close: impl Fn() -> Option<Vec<u8>>,
    ) -> Poll<()> {
        loop {
            if !self.shut && ready!(self.write_left(cx, writer)).is_err() {
                self.fail();
            }
            if !self.shut
                && !self.closed_by_us
                && self.may_close()
                && let Some(frame) = close()
            {
                self.left = frame;
                self.closed_by_us = true;
                continue;
            }
            if self.eof {
                if !self.shut {
                    let _ = ready!(Pin::new(&mut *writer).poll_shutdown(cx));
                    self.shut = true;
                }
                return Poll::Ready(());
            }
            match self.read_some(cx, reader, writer) {
                Poll::Ready(()) => {}
                Poll::Pending => {
                    if self.dirty && !self.shut {
                        let flushed = ready!(Pin::new(&mut *writer).poll_flush(cx));
                        self.dirty = false;
                        if flushed.is_err() {
                            self.fail();
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn fail(&mut self) {
        (self.shut, self.failed) = (true, true);
        (self.left, self.off) = (Vec::new(), 0);
    }

    fn may_close(&self) -> bool {
        self.left.is_empty()
            && self
                .follower
                .as_ref()
                .is_some_and(Follower::is_between_frames)
            && !self.is_over()
    }

    fn write_left<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.off < self.left.len() {
            let n = ready!(Pin::new(&mut *writer).poll_write(cx, &self.left[self.off..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.off += n;
            self.dirty = true;
        }
        if !self.left.is_empty() {
            (self.left, self.off) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into the worker's buffer and writes from it at once; only what is not taken gets a
    /// buffer of its own.
    fn read_some<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let result = ready!(Pin::new(reader).poll_read(cx, &mut read));
            let bytes = read.filled();
            if result.is_err() || bytes.is_empty() {
                self.eof = true;
                return Poll::Ready(());
            }
            if let Some(follower) = &mut self.follower {
                follower.follow(bytes);
            }
            if self.shut || self.closed_by_us {
                return Poll::Ready(());
            }
            self.bytes += bytes.len() as u64;
            self.write_through(cx, writer, bytes);
            Poll::Ready(())
        })
    }

    fn write_through<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        mut bytes: &[u8],
    ) {
        while !bytes.is_empty() {
            match Pin::new(&mut *writer).poll_write(cx, bytes) {
                Poll::Ready(Ok(n)) if n > 0 => bytes = &bytes[n..],
                Poll::Ready(_) => return self.fail(),
                Poll::Pending => break,
            }
        }
        self.dirty = true;
        self.left = bytes.to_vec();
    }
}
