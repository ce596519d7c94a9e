//! Understood tunnels: the messages of a WebSocket are read, judged one by one, and written anew.
//!
//! ```text
//! client ─ Reader ─▶ text ─ Inspector ─▶ Forward ─ Writer ─▶ upstream
//!        ◀─ Writer ─────────── Answer ◀┘
//! ```
//!
//! Nothing of what a client sends reaches the upstream but messages that the inspector forwards.
//! Both sides have a WebSocket of their own with the gateway: pings are answered and sent here,
//! and a side that does not answer is closed. Close codes are carried over. A side is read only
//! while the other takes what it has sent. An idle tunnel owns no buffer.

mod late;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::control::{CloseReason, TunnelControl};
use super::judge::Judge;
use super::messages::{Closed, Event, FrameError, Role};
use super::pace::Pace;
use super::side::Side;
use super::verifier::{TokenResult, Waiting};
use crate::pulse::Activity;
use crate::registry::Registered;
use crate::signalling::{Direction, Inspector, Observer, Verdict};
use crate::telemetry::access::{End, Exchange};
use crate::tick::{Alarm, Ticks};

/// After one heartbeat without a byte from a side, a ping is sent to it; after another one it is
/// gone. That is at most three heartbeats after its last byte.
const HEARTBEAT: Duration = Duration::from_secs(18);

/// The largest message of a server in bytes. It is trusted, and its lists of rooms, sessions and
/// participants grow with what there is; a limit only guards the gateway's memory.
const SERVER_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

/// Once one side has ended: how long the other may be silent before the tunnel is closed.
const HALF_CLOSED_IDLE: Duration = Duration::from_secs(75);

/// How long both sides may take to answer a close frame of the gateway.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Why a tunnel is closed of which one side is gone.
const NO_PONG_REASON: &str = "no answer to a ping";

/// Why a tunnel is closed whose client goes on to send what is refused.
const REFUSALS_REASON: &str = "too many messages were refused";

/// Why a tunnel is closed of which one side sends what cannot be read.
const UNREADABLE_REASON: &str = "messages cannot be read";

/// What a client reads whose server has ended without a close frame.
const SERVER_ENDED: &str = "the server has ended the connection";

/// What the other side reads where the messages of one cannot be read.
const UNREADABLE: &str = "the messages of the other side cannot be read";

const BUFFER_SIZE: usize = 32 * 1024;

/// How often each side is read before the other tunnels of the worker have a turn: a few thousand
/// messages, which take a few milliseconds.
const ROUNDS: u32 = 4;

thread_local! {
    /// Shared by all tunnels of a worker: what is read is judged at once.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_SIZE].into());
}

/// A tunnel between a client's socket (`C`) and a server's (`U`), whose messages `I` judges and
/// `O` sees. `K` is whatever has to live as long as the tunnel: its slots and its connection's
/// guard.
#[derive(Debug)]
pub struct Understood<C, U, K, I, O> {
    client: Side<C>,
    upstream: Side<U>,
    judge: Box<Judge<I, O>>,
    control: Registered<TunnelControl>,
    /// The client's message that waits, and with it everything that the client sends later.
    waiting: Option<Box<Waiting>>,
    /// How fast the client may send; `None`: without a limit.
    pace: Option<Box<Pace>>,
    exchange: Rc<Exchange>,
    closing: Option<Alarm>,
    half_closed: Option<Alarm>,
    heartbeat: Alarm,
    ticks: Rc<Ticks>,
    first_to_end: Option<End>,
    _kept: K,
}

impl<C, U, K, I, O> Understood<C, U, K, I, O>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    I: Inspector,
    O: Observer,
{
    /// Joins two sockets. With each come the bytes that its peer has sent right behind the
    /// handshake; they are judged first.
    pub fn new(
        (client, client_early): (C, Bytes),
        (upstream, upstream_early): (U, Bytes),
        judge: Box<Judge<I, O>>,
        control: Registered<TunnelControl>,
        exchange: Rc<Exchange>,
        ticks: Rc<Ticks>,
        kept: K,
    ) -> Self {
        exchange.set_tunnel();
        let pace = judge.message_rate().map(|rate| Box::new(Pace::new(rate)));
        let mut tunnel = Self {
            client: Side::new(client, Role::Client, judge.message_size()),
            upstream: Side::new(upstream, Role::Server, SERVER_MESSAGE_SIZE),
            judge,
            control,
            waiting: None,
            pace,
            exchange,
            closing: None,
            half_closed: None,
            heartbeat: ticks.alarm(HEARTBEAT),
            ticks,
            first_to_end: None,
            _kept: kept,
        };
        tunnel.take(Direction::ToServer, &mut client_early.to_vec());
        tunnel.take(Direction::ToClient, &mut upstream_early.to_vec());
        tunnel
    }

    /// Moves what can be moved. Ready when the tunnel is over.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(reason) = self.control.take_close_reason() {
            self.close(reason);
        }
        self.recheck();
        let mut has_moved = false;
        for round in 1.. {
            self.write(cx);
            let is_late = self.settle(cx) || self.resume(cx);
            let up = is_late || self.read(cx, Direction::ToServer);
            let down = self.read(cx, Direction::ToClient);
            if !up && !down {
                break;
            }
            has_moved = true;
            if round == ROUNDS {
                // The other tunnels of the worker come first.
                cx.waker().wake_by_ref();
                break;
            }
        }
        if self.heartbeat.is_due(cx) {
            self.beat();
            self.write(cx);
            let _ = self.heartbeat.is_due(cx);
        }
        if self.is_over(cx, has_moved) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Closes the tunnel if the client may not keep what it has.
    fn recheck(&mut self) {
        if self.control.take_renewed() {
            let kept = self.judge.recheck(&self.control.grant());
            if let Err(reason) = kept {
                self.close(CloseReason::by_policy(reason));
            }
        }
    }

    /// Goes on with the message that waits for a decision about a token, if there is one now, and
    /// with what has been read behind the message. `false` if there is none to go on with.
    fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(mut waiting) = self.waiting.take() else {
            return false;
        };
        if self.closing.is_none() {
            let Poll::Ready(result) = waiting.unsettled.verification.as_mut().poll(cx) else {
                self.waiting = Some(waiting);
                return false;
            };
            self.recheck();
            // Once the tunnel is being closed, messages do not matter.
            if self.closing.is_none() {
                let settled = (waiting.unsettled.at, result);
                self.judge_client(&waiting.message, Some(settled));
            }
        }
        match &mut self.waiting {
            Some(next) => next.rest = waiting.rest,
            None => self.take_frames(Direction::ToServer, &mut waiting.rest),
        }
        true
    }

    fn write(&mut self, cx: &mut Context<'_>) {
        let sent = self.client.write(cx);
        self.exchange.sent(sent);
        self.upstream.write(cx);
    }

    /// Reads a side once and judges what it has sent. `false` if it has to be waited for.
    fn read(&mut self, cx: &mut Context<'_>, direction: Direction) -> bool {
        let may_read = match direction {
            Direction::ToServer => !self.is_client_held() && may_read(&self.client, &self.upstream),
            Direction::ToClient => may_read(&self.upstream, &self.client),
        };
        may_read
            && BUFFER.with_borrow_mut(|buffer| {
                let bytes = match direction {
                    Direction::ToServer => self.client.poll_read(cx, buffer),
                    Direction::ToClient => self.upstream.poll_read(cx, buffer),
                };
                match bytes {
                    Poll::Ready([]) => self.end(direction),
                    Poll::Ready(_) if self.is_discarded(direction) => {}
                    Poll::Ready(bytes) => self.take(direction, bytes),
                    Poll::Pending => return false,
                }
                true
            })
    }

    /// Whether what this side sends is thrown away.
    fn is_discarded(&self, direction: Direction) -> bool {
        direction == Direction::ToServer && self.client.is_discarded
    }

    /// A side has ended without a close frame: the other is ended too, and may finish what it says.
    /// A client learns who has ended it.
    fn end(&mut self, direction: Direction) {
        match direction {
            Direction::ToServer => self.upstream.end(),
            Direction::ToClient => {
                if !self.client.is_over {
                    self.client.close(Some(&closed(1001, SERVER_ENDED)));
                }
                self.client.end();
            }
        }
        self.first_to_end.get_or_insert(end_of(direction));
    }

    /// Judges what a side has sent.
    fn take(&mut self, direction: Direction, bytes: &mut [u8]) {
        if direction == Direction::ToServer {
            self.exchange.received(bytes.len() as u64);
        }
        self.take_frames(direction, bytes);
    }

    fn take_frames(&mut self, direction: Direction, mut bytes: &mut [u8]) {
        let is_client = direction == Direction::ToServer;
        if let Some(pace) = self.pace.as_mut().filter(|_| is_client) {
            pace.look();
        }
        loop {
            if is_client && !self.has_room(bytes) {
                return;
            }
            let event = match direction {
                Direction::ToServer => self.client.reader.next(&mut bytes),
                Direction::ToClient => self.upstream.reader.next(&mut bytes),
            };
            if let Some(pace) = self.pace.as_mut().filter(|_| is_client) {
                pace.spend(self.client.reader.take_frames());
            }
            match event {
                Ok(Some(event)) => self.handle(direction, event),
                Ok(None) => return,
                Err(error) => return self.reject(direction, error),
            }
            if self.is_judged(direction) {
                return;
            }
            if is_client && let Some(waiting) = &mut self.waiting {
                waiting.rest = bytes.to_vec();
                return;
            }
        }
    }

    /// Whether nothing more of this side matters.
    fn is_judged(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.client.has_closed,
            Direction::ToClient => self.upstream.has_closed,
        }
    }

    fn handle(&mut self, direction: Direction, event: Event<'_>) {
        match (direction, event) {
            (_, Event::Pong) => {}
            (Direction::ToServer, Event::Ping(payload)) => self.client.pong(&payload),
            (Direction::ToClient, Event::Ping(payload)) => self.upstream.pong(&payload),
            (Direction::ToServer, Event::Text(text)) => self.judge_client(&text, None),
            (Direction::ToClient, Event::Text(text)) => self.pass_to_client(&text),
            (Direction::ToServer, Event::Close(closed)) => {
                self.client.has_closed = true;
                self.client.is_over = true;
                answer_close(&mut self.client, &mut self.upstream, closed.as_ref());
                self.first_to_end.get_or_insert(End::Client);
            }
            (Direction::ToClient, Event::Close(closed)) => {
                self.upstream.has_closed = true;
                self.upstream.is_over = true;
                answer_close(&mut self.upstream, &mut self.client, closed.as_ref());
                self.first_to_end.get_or_insert(End::Upstream);
            }
        }
    }

    /// Judges a message, or its documents from a token on that has been settled.
    fn judge_client(&mut self, text: &str, settled: Option<(usize, TokenResult)>) {
        let (client, upstream) = (&mut self.client, &mut self.upstream);
        let (mut close, mut refused) = (None, 0);
        let judge = &mut self.judge;
        let unsettled =
            judge.judge_message(text, settled, &self.control, |verdict| match verdict {
                _ if close.is_some() => {}
                Verdict::Forward(text) => upstream.send(&text),
                Verdict::Answer {
                    text, is_counted, ..
                } => {
                    if !text.is_empty() {
                        client.reply(&text);
                    }
                    refused += usize::from(is_counted);
                }
                Verdict::Reply(text) => {
                    if !text.is_empty() {
                        client.reply(&text);
                    }
                }
                Verdict::Close(reason) => close = Some(reason),
            });
        self.waiting = unsettled.map(|unsettled| {
            Box::new(Waiting {
                message: text.to_owned(),
                unsettled,
                rest: Vec::new(),
            })
        });
        if (0..refused).any(|_| !judge.may_refuse()) {
            close = Some(REFUSALS_REASON);
        }
        if let Some(reason) = close {
            self.close(CloseReason::by_policy(reason));
        }
    }

    fn pass_to_client(&mut self, text: &str) {
        let (client, grant) = (&mut self.client, self.control.grant());
        self.judge.follow(text, &grant, |verdict| {
            if let Verdict::Forward(text) = verdict {
                client.send(&text);
            }
        });
    }

    /// Closes the tunnel because of what a side has sent.
    fn reject(&mut self, direction: Direction, error: FrameError) {
        let error = closed(error.code(), &error.to_string());
        if self.first_to_end.is_none() {
            let detail = Some(error.reason.clone());
            self.exchange
                .note(|line| (line.reason, line.detail) = (Some(UNREADABLE_REASON), detail));
        }
        let (client, upstream) = match direction {
            Direction::ToServer => (error, closed(1001, UNREADABLE)),
            Direction::ToClient => (closed(1014, UNREADABLE), error),
        };
        self.client.close(Some(&client));
        self.upstream.close(Some(&upstream));
        match direction {
            // What it goes on to send is read: a socket that is closed with unread bytes is reset,
            // and the client would not see why.
            Direction::ToServer => {
                self.client.end();
                self.client.is_discarded = true;
            }
            Direction::ToClient => self.upstream.is_over = true,
        }
        self.first_to_end.get_or_insert(end_of(direction));
        self.closing
            .get_or_insert_with(|| self.ticks.alarm(CLOSE_GRACE));
    }

    /// The gateway closes the tunnel.
    fn close(&mut self, reason: CloseReason) {
        if self.first_to_end.is_none() {
            self.first_to_end = Some(reason.end);
            self.exchange.note(|line| line.reason = Some(reason.reason));
        }
        let closed = closed(reason.code, reason.reason);
        self.client.close(Some(&closed));
        self.upstream.close(Some(&closed));
        self.closing
            .get_or_insert_with(|| self.ticks.alarm(CLOSE_GRACE));
    }

    /// Looks whether both sides are still there.
    fn beat(&mut self) {
        self.heartbeat.reset(HEARTBEAT);
        if self.is_client_held() {
            // It is not being read.
            self.client.hear();
        }
        self.judge.keep(&self.control.grant());
        let (client, upstream) = (self.client.is_alive(), self.upstream.is_alive());
        if !client || !upstream {
            self.close(CloseReason {
                code: 1001,
                reason: NO_PONG_REASON,
                end: if client { End::Upstream } else { End::Client },
            });
        }
    }

    fn is_over(&mut self, cx: &Context<'_>, has_moved: bool) -> bool {
        let (client, upstream) = (&self.client, &self.upstream);
        let is_written = client.is_written() && upstream.is_written();
        let is_done = client.is_over && upstream.is_over && is_written;
        if is_done || self.closing.as_ref().is_some_and(|alarm| alarm.is_due(cx)) {
            return true;
        }
        if !client.is_over && !upstream.is_over || self.closing.is_some() {
            return false;
        }
        let alarm = self
            .half_closed
            .get_or_insert_with(|| self.ticks.alarm(HALF_CLOSED_IDLE));
        if has_moved {
            alarm.reset(HALF_CLOSED_IDLE);
        }
        alarm.is_due(cx)
    }
}

/// Whether a side is to be read: not if its messages would have to be kept.
fn may_read<A, B>(side: &Side<A>, other: &Side<B>) -> bool
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    !side.is_over && side.reads_replies() && other.is_written()
}

/// Carries a close frame over, or ends the side whose frame is the answer to one.
fn answer_close<A, B>(side: &mut Side<A>, other: &mut Side<B>, closed: Option<&Closed>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    if other.is_over {
        side.close(closed);
    }
    other.close(closed);
}

fn end_of(direction: Direction) -> End {
    match direction {
        Direction::ToServer => End::Client,
        Direction::ToClient => End::Upstream,
    }
}

fn closed(code: u16, text: &str) -> Closed {
    let reason = text.into();
    Closed { code, reason }
}

impl<C, U, K, I, O> Future for Understood<C, U, K, I, O>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    K: Unpin,
    I: Inspector + Unpin,
    O: Observer + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let tunnel = self.get_mut();
        tunnel.ticks.pulse().note(Activity::Tunnel);
        tunnel.control.register_task(cx);
        if tunnel.step(cx).is_pending() {
            return Poll::Pending;
        }
        tunnel.client.end();
        tunnel.upstream.end();
        tunnel.write(cx);
        Poll::Ready(())
    }
}

impl<C, U, K, I, O> Drop for Understood<C, U, K, I, O> {
    fn drop(&mut self) {
        let end = self.first_to_end.unwrap_or(End::Drain);
        self.exchange.note(|line| line.end = end);
    }
}

#[cfg(test)]
mod tests;
