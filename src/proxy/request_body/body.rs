//! A request's body.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client_conn::{BusyConn, ClientConn};
use super::discard::{Rest, discard};
use super::fault::BodyFault;
use super::gathered::Gathered;
use super::pace::Pace;
use super::progress::Progress;
use crate::proxy::headers;
use crate::telemetry::access::Exchange;
use crate::tick::{Alarm, Ticks};

/// A body up to this size is complete before a connection to its server is taken.
const GATHERED: usize = 64 * 1024;

/// How long to wait for the next piece of a body until its route is known.
const IDLE: Duration = Duration::from_secs(75);

/// A request of a client, in a box: it passes many layers and futures, and each would copy it.
pub type ClientRequest = Box<Request<RequestBody>>;

/// A client's body, counted against the route's limit.
#[derive(Debug)]
pub struct RequestBody(Option<Box<Streaming>>);

#[derive(Debug)]
struct Streaming {
    incoming: Incoming,
    gathered: Gathered,
    /// How many bytes of it are in memory elsewhere.
    held: usize,
    /// Nothing more is read from `incoming`.
    has_ended: bool,
    is_h2: bool,
    drops_trailers: bool,
    /// How many more bytes it may have.
    left: u64,
    stalled: Alarm,
    pace: Pace,
    ticks: Rc<Ticks>,
    progress: Rc<Progress>,
    idle: Duration,
    exchange: Rc<Exchange>,
    busy: BusyConn,
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(None)
    }

    /// A client's body, without a limit so far. If there is one, its connection is busy with it.
    pub fn new(
        request: Request<Incoming>,
        ticks: &Rc<Ticks>,
        exchange: &Rc<Exchange>,
        connection: impl FnOnce() -> Rc<dyn ClientConn>,
    ) -> ClientRequest {
        let is_h2 = request.version() == Version::HTTP_2;
        Box::new(request.map(|incoming| {
            if incoming.is_end_stream() {
                return Self(None);
            }
            Self(Some(Box::new(Streaming {
                incoming,
                gathered: Gathered::default(),
                held: 0,
                has_ended: false,
                is_h2,
                drops_trailers: false,
                left: u64::MAX,
                stalled: ticks.alarm(IDLE),
                pace: Pace::default(),
                idle: IDLE,
                ticks: Rc::clone(ticks),
                progress: Rc::default(),
                exchange: Rc::clone(exchange),
                busy: BusyConn::new(connection()),
            })))
        }))
    }

    /// Removes its trailers.
    pub fn drop_trailers(&mut self) {
        if let Some(body) = &mut self.0 {
            body.drops_trailers = true;
        }
    }

    /// How far it has come; `None` where there is no body.
    pub fn progress(&self) -> Option<Rc<Progress>> {
        self.0.as_ref().map(|body| Rc::clone(&body.progress))
    }

    /// The worker's clock; `None` where there is no body.
    pub(super) fn ticks(&self) -> Option<Rc<Ticks>> {
        self.0.as_ref().map(|body| Rc::clone(&body.ticks))
    }

    /// Limits its size, and how long each piece is waited for.
    pub fn limit(&mut self, bytes: u64, idle: Duration) {
        if let Some(body) = &mut self.0 {
            (body.left, body.idle) = (bytes, idle);
        }
    }

    /// Whether more of it may be kept in memory, beside what else the client has there.
    pub(super) fn may_hold(&self) -> bool {
        let Some(body) = &self.0 else { return true };
        let conn = body.busy.conn();
        conn.release(body.held);
        let may_hold = conn.may_gather();
        conn.hold(body.held);
        may_hold
    }

    /// Counts bytes of it that are kept in memory until they are replaced or it is dropped.
    pub(super) fn hold(&mut self, bytes: usize) {
        if let Some(body) = &mut self.0 {
            body.held += bytes;
            body.busy.conn().hold(bytes);
        }
    }

    /// Has other bytes sent instead of a body that has been read whole.
    pub fn replace(&mut self, bytes: Bytes) {
        let Some(body) = &mut self.0 else { return };
        body.busy.conn().release(body.held + body.gathered.len());
        body.busy.conn().hold(bytes.len());
        (body.held, body.gathered) = (0, Gathered::default());
        body.gathered.push(bytes);
    }

    /// Waits until a small body is complete, and until a body of unknown size is complete or shows
    /// that it is large. Does not wait for a body that is declared to be large.
    ///
    /// # Errors
    /// What went wrong with it.
    pub async fn gather(&mut self) -> Result<(), BodyFault> {
        let Some(body) = &mut self.0 else {
            return Ok(());
        };
        if body.incoming.size_hint().lower() > GATHERED as u64 {
            return Ok(());
        }
        poll_fn(|cx| body.poll_gather(cx)).await
    }
}

impl Streaming {
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFault>> {
        while !self.has_ended && self.gathered.len() < GATHERED && self.busy.conn().may_gather() {
            match ready!(self.poll_client(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.busy.conn().hold(data.len());
                        self.gathered.push(data);
                    }
                    Err(frame) => self.gathered.trailers = frame.into_trailers().ok(),
                },
                Some(Err(fault)) => return Poll::Ready(Err(fault)),
                None => {}
            }
        }
        if !self.has_ended && self.incoming.is_end_stream() {
            self.end();
        }
        Poll::Ready(Ok(()))
    }

    /// The next piece of what was gathered.
    fn next_gathered(&mut self) -> Option<Frame<Bytes>> {
        if let Some(data) = self.gathered.pop() {
            self.busy.conn().release(data.len());
            self.progress.note_passed_on(self.ticks.now());
            return Some(Frame::data(data));
        }
        self.gathered.trailers.take().map(Frame::trailers)
    }

    /// The next piece from the client.
    fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(self.received(frame))),
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(self.fault(BodyFault::Client(error)))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_stalled(cx).map(|fault| Some(Err(fault))),
        }
    }

    /// Counts a piece that has come.
    fn received(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyFault> {
        let (len, now) = (
            frame.data_ref().map_or(0, |data| data.remaining() as u64),
            self.ticks.now(),
        );
        self.pace.note_received(len, now);
        self.progress.note_received(now);
        self.exchange.received(len);
        let is_last = frame.is_trailers() || self.incoming.is_end_stream();
        if let Some(trailers) = frame.trailers_mut() {
            headers::trailers_to_upstream(trailers);
            if self.drops_trailers {
                trailers.clear();
            }
        }
        match self.left.checked_sub(len) {
            Some(left) => self.left = left,
            None => return Err(self.fault(BodyFault::TooLarge)),
        }
        if is_last {
            self.end();
        }
        Ok(frame)
    }

    /// Ready when the next piece is too late.
    fn poll_stalled(&mut self, cx: &Context<'_>) -> Poll<BodyFault> {
        let now = self.ticks.now();
        if let Some(due) = self.pace.note_waiting(now, self.idle) {
            self.progress.note_waiting();
            self.stalled.put_off(due);
        }
        if !self.stalled.is_due(cx) {
            return Poll::Pending;
        }
        let fault = if self.pace.is_too_slow(now) {
            BodyFault::Slow
        } else {
            BodyFault::Stalled
        };
        Poll::Ready(self.fault(fault))
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.progress.note_end();
    }

    /// Nothing more of it is read.
    fn fault(&mut self, fault: BodyFault) -> BodyFault {
        self.left = 0;
        self.has_ended = true;
        self.give_up();
        fault
    }

    /// The rest of it is not read. If the server has answered already, the log says so.
    fn give_up(&self) {
        self.progress.note_given_up();
        if self.progress.is_early() {
            note_unread(&self.exchange);
        }
    }

    /// How much of an unwanted body is still read. With HTTP/2 its stream would otherwise be reset
    /// behind the answer, and clients that are still sending, curl of Debian 12 among them, would
    /// lose the answer.
    fn rest(&self) -> Option<Rest> {
        if self.is_h2 {
            return Some(Rest::H2);
        }
        // If the gateway itself rejects an HTTP/1.1 request, the rest is read when the answer has
        // been written and the connection is closed.
        let is_wanted = self.progress.is_early() && !self.progress.is_silent(self.ticks.now());
        is_wanted.then(|| Rest::h1(self.left))
    }
}

/// Notes that the server has answered without reading all of the body.
pub(in crate::proxy) fn note_unread(exchange: &Exchange) {
    exchange.note(|line| line.reason = line.reason.or(Some("body_unread")));
}

/// The answer may have come before the whole body: then the rest is read and dropped.
impl Drop for RequestBody {
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends at the deadlines of `rest`"
    )]
    fn drop(&mut self) {
        let Some(body) = self.0.take() else { return };
        body.busy.conn().release(body.held + body.gathered.len());
        if body.has_ended || body.incoming.is_end_stream() {
            return;
        }
        body.give_up();
        // While the worker itself is ending there is no runtime.
        let Some(rest) = body
            .rest()
            .filter(|_| tokio::runtime::Handle::try_current().is_ok())
        else {
            return;
        };
        let Streaming {
            incoming,
            ticks,
            busy,
            ..
        } = *body;
        let alarms = (ticks.alarm(rest.time), ticks.alarm(rest.quiet));
        tokio::task::spawn_local(discard(incoming, rest, alarms, busy));
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        if let Some(frame) = body.next_gathered() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if body.has_ended {
            return Poll::Ready(None);
        }
        body.poll_client(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|body| body.gathered.is_empty() && body.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let Some(body) = &self.0 else {
            return SizeHint::with_exact(0);
        };
        let gathered = body.gathered.len() as u64;
        if body.has_ended {
            return SizeHint::with_exact(gathered);
        }
        let rest = body.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(gathered));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(gathered));
        }
        hint
    }
}
