//! Bodies: a request's on its way to the upstream, an answer's on its way to the client. Nothing is gathered; each side
//! is read as fast as the other takes it.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client::{Busy, Link, Pool};
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
    is_h2: bool,
    drops_trailers: bool,
    left: u64,
    stalled: Alarm,
    ticks: Rc<Ticks>,
    progress: Rc<Progress>,
    idle: Duration,
    exchange: Rc<Exchange>,
}

/// How far a body has come, for whoever waits for the answer.
#[derive(Debug, Default)]
pub struct Progress(Cell<Tick>);

impl Progress {
    /// When the last piece of it went, in the worker's ticks.
    pub fn last(&self) -> Tick {
        self.0.get()
    }
}

/// For the next piece of a body until its route is known.
const IDLE: Duration = Duration::from_secs(75);

/// For the rest of a body that nobody wants any more.
const UNWANTED_TIME: Duration = Duration::from_secs(2);
const UNWANTED_BYTES: u64 = 1 << 20;

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(None)
    }

    /// A client's body, of any size so far.
    pub fn new(request: Request<Incoming>, ticks: &Rc<Ticks>, exchange: &Rc<Exchange>) -> Request<Self> {
        let is_h2 = request.version() == Version::HTTP_2;
        request.map(|incoming| {
            if incoming.is_end_stream() {
                return Self(None);
            }
            let (ticks, exchange) = (Rc::clone(ticks), Rc::clone(exchange));
            let stalled = ticks.alarm(IDLE);
            Self(Some(Box::new(Streaming {
                incoming,
                is_h2,
                drops_trailers: false,
                left: u64::MAX,
                stalled,
                idle: IDLE,
                ticks,
                progress: Rc::default(),
                exchange,
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
            body.stalled.reset(idle);
        }
    }
}

/// An answer may come before the body has. In HTTP/2 the stream would be reset behind it, and clients that are still
/// sending, curl of Debian 12 among them, then lose the answer: so what comes shortly is read and thrown away.
impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.0.take() else { return };
        // Not while the worker itself is ending.
        if body.is_h2 && !body.incoming.is_end_stream() && tokio::runtime::Handle::try_current().is_ok() {
            let late = body.ticks.alarm(UNWANTED_TIME);
            tokio::task::spawn_local(discard(body.incoming, late));
        }
    }
}

async fn discard(mut incoming: Incoming, late: Alarm) {
    let mut left = UNWANTED_BYTES;
    std::future::poll_fn(|cx| {
        loop {
            match Pin::new(&mut incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    match left.checked_sub(len) {
                        Some(rest) => left = rest,
                        None => return Poll::Ready(()),
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending if late.is_due(cx) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                body.stalled.reset(body.idle);
                body.progress.0.set(body.ticks.now());
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers_to_upstream(trailers);
                    if body.drops_trailers {
                        trailers.clear();
                    }
                }
                let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                body.exchange.received(len);
                match body.left.checked_sub(len) {
                    Some(left) => body.left = left,
                    None => return Poll::Ready(Some(Err(BodyFault::TooLarge))),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyFault::Client(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if body.stalled.is_due(cx) => Poll::Ready(Some(Err(BodyFault::Stalled))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.incoming.size_hint())
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
    /// The client broke off, or its framing was wrong.
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
}

impl BodyFault {
    /// The fault of the client's body that made hyper give up a request: it comes back from there as the cause.
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
    cut: Option<Cut>,
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
        Self { source: Source::Empty, exchange: None, cut: None }
    }

    /// A few bytes of our own.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self { source: Source::Text(text.into()), exchange: None, cut: None }
    }

    /// What a file has.
    pub fn file(body: FileBody) -> Self {
        if body.left() == 0 {
            return Self::empty();
        }
        Self { source: Source::File(Box::new(body)), exchange: None, cut: None }
    }

    /// What the upstream sends, each piece of which is waited for `idle` long; the connection goes back to its pool at
    /// the end.
    pub fn upstream(incoming: Incoming, link: Box<Link>, busy: Busy, idle: Duration) -> Self {
        if incoming.is_end_stream() {
            busy.pool().give_back(link);
            return Self::empty();
        }
        let stalled = busy.pool().ticks().alarm(idle);
        let body = UpstreamBody { incoming, link: Some(link), busy, stalled, idle, given: 0 };
        Self { source: Source::Upstream(Box::new(body)), exchange: None, cut: None }
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

    /// Follows the body to its end for the access log, whose line is written when the body is dropped.
    pub fn followed_by(mut self, exchange: Rc<Exchange>) -> Self {
        // Until the last byte has been handed out, the one who ended it is the client.
        let end = if self.is_end_stream() { End::Done } else { End::Client };
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
            Source::Upstream(body) => Some(body.busy.pool()),
            Source::Empty | Source::Text(_) | Source::File(_) | Source::Withdrawn(_) => None,
        }
    }

    fn note_cut(&self, cut: &Cut) {
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
        let Some(exchange) = &self.exchange else { return };
        let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        exchange.sent(len);
        if self.is_end_stream() {
            note_end(exchange, End::Done);
        }
    }
}

/// Unless it was the policy: a request whose permission ended is answered, and that answer has an end too.
fn note_end(exchange: &Exchange, end: End) {
    exchange.note(|line| line.end = if line.end == End::Policy { End::Policy } else { end });
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
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
                Poll::Ready(frame) => frame.map(|frame| frame.map_err(Cut::File)),
                Poll::Pending => return Poll::Pending,
            },
            Source::Withdrawn(reason) => Some(Err(Cut::Withdrawn(reason))),
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
                // hyper drops what it has not flushed when a body fails, the head too: first it gets a pause to flush in.
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
    link: Option<Box<Link>>,
    busy: Busy,
    stalled: Alarm,
    idle: Duration,
    /// Bytes that have been handed out.
    given: u64,
}

impl UpstreamBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let mut polled = self.poll_incoming();
        if polled.is_pending()
            && let Some(link) = &mut self.link
        {
            let _ = link.drive(cx);
            polled = self.poll_incoming();
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
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Cut::Upstream(error)))),
            Poll::Ready(None) => {
                self.give_back();
                Poll::Ready(None)
            }
            Poll::Pending if self.stalled.is_due(cx) => Poll::Ready(Some(Err(Cut::Stalled))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Bytes only come from driving the link, so nobody else has to wake us for them.
    fn poll_incoming(&mut self) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    fn give_back(&mut self) {
        if let Some(link) = self.link.take() {
            self.busy.pool().give_back(link);
        }
    }
}

/// An answer that could not be brought to its end. The client must see the cut.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
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

impl Cut {
    fn for_log(&self) -> (End, &'static str) {
        match *self {
            Self::Upstream(_) => (End::Upstream, "upstream_cut"),
            Self::Stalled => (End::Timeout, "upstream_stalled"),
            Self::File(_) => (End::Upstream, "file_cut"),
            Self::Withdrawn(reason) => (End::Policy, reason),
        }
    }
}
