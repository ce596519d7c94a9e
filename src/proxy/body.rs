//! Bodies: a request's on its way to the upstream, an answer's on its way to the client. Each side
//! is read as fast as the other takes it; only small request bodies are gathered before a
//! connection to their upstream is taken.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client::{LoadGuard, Pool, UpstreamConn};
use super::early::{self, Rest};
use super::gather::{Connection, GATHERED, Gathered, Pace, UnderWay};
use super::headers;
use crate::files::FileBody;
use crate::telemetry::Chain;
use crate::telemetry::access::{End, Exchange};
use crate::tick::{Alarm, Tick, Ticks};

/// A client's body, counted against the route's limit.
#[derive(Debug)]
pub struct RequestBody(Option<Box<Streaming>>);

#[derive(Debug)]
struct Streaming {
    incoming: Incoming,
    gathered: Gathered,
    /// Everything has been taken from `incoming`.
    has_ended: bool,
    is_h2: bool,
    drops_trailers: bool,
    left: u64,
    stalled: Alarm,
    pace: Pace,
    ticks: Rc<Ticks>,
    progress: Rc<Progress>,
    idle: Duration,
    exchange: Rc<Exchange>,
    under_way: UnderWay,
}

/// How far a body has come, for whoever waits for the answer, and how far the answer is.
#[derive(Debug, Default)]
pub struct Progress {
    last: Cell<Tick>,
    has_ended: Cell<bool>,
    is_waiting: Cell<bool>,
    is_early: Cell<bool>,
    was_given_up: Cell<bool>,
    answered: Cell<Option<Tick>>,
}

impl Progress {
    /// When the last piece of it went, in the worker's ticks.
    pub fn last(&self) -> Tick {
        self.last.get()
    }

    /// Whether all of it has come.
    pub fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Whether nothing more of it is read although it has not ended: the server has answered and
    /// closed, for example.
    pub(super) fn was_given_up(&self) -> bool {
        self.was_given_up.get()
    }

    /// Whether it is the client that the next piece is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.get()
    }

    /// Since when the next piece of the body and the end of the exchange are both waited for, if
    /// nothing else is.
    pub(super) fn rests_since(&self) -> Option<Tick> {
        self.answered
            .get()
            .map(|answered| answered.max(self.last()))
    }

    fn set_answered(&self, now: Tick) {
        self.answered.set(self.answered.get().or(Some(now)));
    }
}

/// For the next piece of a body until its route is known.
const IDLE: Duration = Duration::from_secs(75);

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(None)
    }

    /// A client's body, of any size so far. If there is one, its connection is busy with it.
    pub fn new(
        request: Request<Incoming>,
        ticks: &Rc<Ticks>,
        exchange: &Rc<Exchange>,
        connection: impl FnOnce() -> Rc<dyn Connection>,
    ) -> Request<Self> {
        let is_h2 = request.version() == Version::HTTP_2;
        request.map(|incoming| {
            if incoming.is_end_stream() {
                return Self(None);
            }
            let (ticks, exchange) = (Rc::clone(ticks), Rc::clone(exchange));
            let stalled = ticks.alarm(IDLE);
            Self(Some(Box::new(Streaming {
                incoming,
                gathered: Gathered::default(),
                has_ended: false,
                is_h2,
                drops_trailers: false,
                left: u64::MAX,
                stalled,
                pace: Pace::default(),
                idle: IDLE,
                ticks,
                progress: Rc::default(),
                exchange,
                under_way: UnderWay::new(connection()),
            })))
        })
    }

    /// Lets no trailers pass.
    pub fn drop_trailers(&mut self) {
        if let Some(body) = &mut self.0 {
            body.drops_trailers = true;
        }
    }

    /// How far it has come; `None` where there is no body.
    pub fn progress(&self) -> Option<Rc<Progress>> {
        self.0.as_ref().map(|body| Rc::clone(&body.progress))
    }

    /// Lets at most so many bytes pass, each piece of which is waited for `idle` long.
    pub fn limit(&mut self, bytes: u64, idle: Duration) {
        if let Some(body) = &mut self.0 {
            (body.left, body.idle) = (bytes, idle);
        }
    }

    /// Waits until a small body has come whole, and of one whose size is not known as much as makes
    /// it a large one. One that says that it is large is not waited for.
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
        std::future::poll_fn(|cx| body.poll_gather(cx)).await
    }
}

impl Streaming {
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFault>> {
        while !self.has_ended && self.gathered.len() < GATHERED && self.under_way.0.may_gather() {
            match ready!(self.poll_client(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.under_way.0.hold(data.len());
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

    /// The next of what was gathered.
    fn next_gathered(&mut self) -> Option<Frame<Bytes>> {
        if let Some(data) = self.gathered.pop() {
            self.under_way.0.release(data.len());
            self.progress.last.set(self.ticks.now());
            return Some(Frame::data(data));
        }
        self.gathered.trailers.take().map(Frame::trailers)
    }

    /// The next that comes from the client.
    fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        let now = self.ticks.now();
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                self.pace.came(len, now);
                self.progress.last.set(now);
                self.progress.is_waiting.set(false);
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
                    None => return Poll::Ready(Some(Err(self.fault(BodyFault::TooLarge)))),
                }
                if is_last {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(self.fault(BodyFault::Client(error)))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if let Some(due) = self.pace.waits(now, self.idle) {
                    self.progress.is_waiting.set(true);
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
                Poll::Ready(Some(Err(self.fault(fault))))
            }
        }
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.progress.has_ended.set(true);
    }

    /// Nothing more of it is read.
    fn fault(&mut self, fault: BodyFault) -> BodyFault {
        self.left = 0;
        self.has_ended = true;
        self.give_up();
        fault
    }

    /// It does not come to its end. If the server has answered, the log says so.
    fn give_up(&self) {
        self.progress.was_given_up.set(true);
        if self.progress.is_early.get() {
            note_unread(&self.exchange);
        }
    }

    /// What becomes of the rest of a body that nobody takes any more. In HTTP/2 the stream would be
    /// reset behind the answer, and clients that are still sending, curl of Debian 12 among them,
    /// then lose the answer.
    fn rest(&self) -> Option<Rest> {
        if self.is_h2 {
            return Some(Rest::H2);
        }
        // What the gateway itself refuses is read once the answer has been written, when the
        // connection is closed.
        let is_wanted =
            self.progress.is_early.get() && !early::is_silent(&self.progress, self.ticks.now());
        is_wanted.then(|| Rest::h1(self.left))
    }
}

/// That the server has answered without all of the body.
pub(super) fn note_unread(exchange: &Exchange) {
    exchange.note(|line| line.reason = line.reason.or(Some("body_unread")));
}

/// An answer may come before the body has.
impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.0.take() else { return };
        body.under_way.0.release(body.gathered.len());
        if body.has_ended || body.incoming.is_end_stream() {
            return;
        }
        body.give_up();
        // Not while the worker itself is ending.
        let Some(rest) = body
            .rest()
            .filter(|_| tokio::runtime::Handle::try_current().is_ok())
        else {
            return;
        };
        let Streaming {
            incoming,
            ticks,
            under_way,
            ..
        } = *body;
        let alarms = (ticks.alarm(rest.time), ticks.alarm(rest.quiet));
        tokio::task::spawn_local(early::discard(incoming, rest, alarms, under_way));
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

/// What went wrong with a client's body.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the route takes.
    #[error("the body is larger than the route allows")]
    TooLarge,
    /// Nothing came for as long as the route waits.
    #[error("the body stalled")]
    Stalled,
    /// It came more slowly than any body may.
    #[error("the body came too slowly")]
    Slow,
    /// The client broke off, or its framing was wrong.
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
}

impl BodyFault {
    /// The fault of the client's body that made hyper give up a request: it comes back from there
    /// as the cause.
    pub(super) fn behind(error: &hyper::Error) -> Option<&Self> {
        error.source().and_then(|source| source.downcast_ref())
    }
}

/// An answer that is no larger is a small one.
pub const SMALL_ANSWER: usize = 16 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    exchange: Option<Rc<Exchange>>,
    /// The end that could not be reached, kept for the next poll.
    cut: Option<BodyError>,
}

#[derive(Debug)]
enum Source {
    Empty,
    Text(Bytes),
    Upstream(Box<UpstreamBody>),
    File(Box<FileBody>),
    /// What is left of it is not given any more.
    Withdrawn(&'static str),
}

impl ResponseBody {
    /// No body.
    pub fn empty() -> Self {
        Self {
            source: Source::Empty,
            exchange: None,
            cut: None,
        }
    }

    /// A few bytes of our own.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self {
            source: Source::Text(text.into()),
            exchange: None,
            cut: None,
        }
    }

    /// What a file has.
    pub fn file(body: FileBody) -> Self {
        if body.left() == 0 {
            return Self::empty();
        }
        Self {
            source: Source::File(Box::new(body)),
            exchange: None,
            cut: None,
        }
    }

    /// What the upstream sends, each piece of which is waited for `idle` long; the connection goes
    /// back to its pool at the end. If the request's body is still on its way, it goes on beside
    /// the answer.
    pub fn upstream(
        incoming: Incoming,
        conn: Box<UpstreamConn>,
        load: LoadGuard,
        idle: Duration,
        progress: Option<Rc<Progress>>,
    ) -> Self {
        let early = progress.filter(|progress| !progress.has_ended());
        let conn = match &early {
            None => Some(conn),
            Some(progress) => {
                progress.is_early.set(true);
                early::see_through(conn, LoadGuard::new(load.pool()), Rc::clone(progress));
                None
            }
        };
        let stalled = load.pool().ticks().alarm(idle);
        let mut body = UpstreamBody {
            incoming,
            conn,
            early,
            load,
            stalled,
            idle,
            given: 0,
        };
        if body.incoming.is_end_stream() {
            body.give_back();
            return Self::empty();
        }
        Self {
            source: Source::Upstream(Box::new(body)),
            exchange: None,
            cut: None,
        }
    }

    /// Whether what is still to come is little, as far as is known.
    pub fn is_small(&self) -> bool {
        match &self.source {
            Source::Empty | Source::Text(_) | Source::Withdrawn(_) => true,
            Source::Upstream(body) => match body.incoming.size_hint().exact() {
                Some(left) => left <= SMALL_ANSWER as u64,
                None => body.given <= SMALL_ANSWER as u64,
            },
            Source::File(body) => body.left() <= SMALL_ANSWER as u64,
        }
    }

    /// Follows the body to its end for the access log, whose line is written when the body is
    /// dropped.
    pub fn followed_by(mut self, exchange: Rc<Exchange>) -> Self {
        // Until the last byte has been handed out, the one who ended it is the client.
        let end = if self.is_end_stream() {
            End::Done
        } else {
            End::Client
        };
        note_end(&exchange, end);
        self.exchange = Some(exchange);
        self
    }

    /// Cuts it: its client may not have the rest.
    pub fn withdraw(&mut self, reason: &'static str) {
        self.source = Source::Withdrawn(reason);
    }

    /// The connections to the server that it comes from, as long as it comes.
    pub fn server(&self) -> Option<&Rc<Pool>> {
        match &self.source {
            Source::Upstream(body) => Some(body.load.pool()),
            Source::Empty | Source::Text(_) | Source::File(_) | Source::Withdrawn(_) => None,
        }
    }

    fn note_cut(&self, cut: &BodyError) {
        let (end, reason) = cut.for_log();
        if let Some(exchange) = &self.exchange {
            exchange.note(|line| (line.end, line.reason) = (end, Some(reason)));
            if end == End::Policy {
                return;
            }
            tracing::warn!(id = %exchange.id(), error = %Chain(cut), "an answer was cut short");
        }
    }

    fn note_sent(&self, frame: &Frame<Bytes>) {
        let Some(exchange) = &self.exchange else {
            return;
        };
        let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        exchange.sent(len);
        if self.is_end_stream() {
            note_end(exchange, End::Done);
        }
    }
}

/// Unless it was the policy: a request whose permission ended is answered, and that answer has an
/// end too.
fn note_end(exchange: &Exchange, end: End) {
    exchange.note(|line| {
        line.end = if line.end == End::Policy {
            End::Policy
        } else {
            end
        }
    });
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(cut) = self.cut.take() {
            return Poll::Ready(Some(Err(cut)));
        }
        let frame = match &mut self.source {
            Source::Empty => None,
            Source::Text(text) => {
                let text = std::mem::take(text);
                self.source = Source::Empty;
                Some(Ok(Frame::data(text)))
            }
            Source::Upstream(body) => match body.poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return Poll::Pending,
            },
            Source::File(body) => match body.poll_frame(cx) {
                Poll::Ready(frame) => frame.map(|frame| frame.map_err(BodyError::File)),
                Poll::Pending => return Poll::Pending,
            },
            Source::Withdrawn(reason) => Some(Err(BodyError::Withdrawn(reason))),
        };
        match &frame {
            Some(Ok(frame)) => self.note_sent(frame),
            Some(Err(_)) => {}
            None => {
                if let Some(exchange) = &self.exchange {
                    note_end(exchange, End::Done);
                }
            }
        }
        match frame {
            Some(Err(cut)) => {
                self.note_cut(&cut);
                // hyper drops what it has not flushed when a body fails, the head too: first it
                // gets a pause to flush in.
                self.cut = Some(cut);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Text(text) => text.is_empty(),
            Source::Upstream(body) => body.incoming.is_end_stream(),
            Source::File(body) => body.left() == 0,
            Source::Withdrawn(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Text(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(body) => body.incoming.size_hint(),
            Source::File(body) => SizeHint::with_exact(body.left()),
            Source::Withdrawn(_) => SizeHint::default(),
        }
    }
}

/// An upstream's body together with the connection that it comes over, which is driven here.
#[derive(Debug)]
struct UpstreamBody {
    incoming: Incoming,
    /// It is driven elsewhere while the request's body is still on its way.
    conn: Option<Box<UpstreamConn>>,
    /// The request's body, if that had not ended when the answer began.
    early: Option<Rc<Progress>>,
    load: LoadGuard,
    stalled: Alarm,
    idle: Duration,
    /// Bytes that have been handed out.
    given: u64,
}

impl UpstreamBody {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut polled = self.poll_incoming(cx);
        if polled.is_pending()
            && let Some(conn) = &mut self.conn
        {
            let _ = conn.drive(cx);
            polled = self.poll_incoming(cx);
        }
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                self.stalled.reset(self.idle);
                self.given += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers_to_client(trailers);
                }
                if self.incoming.is_end_stream() {
                    self.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Upstream(error)))),
            Poll::Ready(None) => {
                self.give_back();
                Poll::Ready(None)
            }
            Poll::Pending if self.is_stalled(cx) => Poll::Ready(Some(Err(BodyError::Stalled))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Where the connection is driven here, bytes come from that alone, and nobody else has to wake us
    /// for them.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &self.conn {
            Some(_) => {
                Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
            }
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        }
    }

    fn is_stalled(&self, cx: &Context<'_>) -> bool {
        if let Some(progress) = &self.early {
            // While the body is still going up, it is not the server that is late.
            self.stalled
                .put_off(Ticks::later(progress.last(), self.idle).max(self.stalled.due()));
        }
        self.stalled.is_due(cx)
    }

    fn give_back(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.load.pool().give_back(conn);
        }
        self.set_answered();
    }

    fn set_answered(&self) {
        if let Some(progress) = &self.early {
            progress.set_answered(self.load.pool().ticks().now());
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        self.set_answered();
    }
}

/// An answer that could not be brought to its end. The client must see the cut.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream broke off.
    #[error("the upstream broke off in the middle of an answer")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent nothing for as long as the route waits.
    #[error("the upstream stalled in the middle of an answer")]
    Stalled,
    /// A file became shorter, or its disk failed.
    #[error("a file broke off in the middle of an answer")]
    File(#[source] std::io::Error),
    /// The permission ended, or the route was taken away.
    #[error("an answer was cut: {0}")]
    Withdrawn(&'static str),
}

impl BodyError {
    fn for_log(&self) -> (End, &'static str) {
        match *self {
            Self::Upstream(_) => (End::Upstream, "upstream_cut"),
            Self::Stalled => (End::Timeout, "upstream_stalled"),
            Self::File(_) => (End::Upstream, "file_cut"),
            Self::Withdrawn(reason) => (End::Policy, reason),
        }
    }
}
