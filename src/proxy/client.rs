//! Connections to upstream servers. A connection has no task of its own: the request that uses it drives it, so that an
//! answer costs no hop from task to task, and an idle connection costs nothing but its socket.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::body::RequestBody;
use super::connect::{ConnectError, Connector, UpstreamStream};
use super::health::Health;
use crate::route::upstream::ServerAddr;
use crate::slot::{SocketSlot, Sockets};
use crate::tick::{Alarm, Tick, Ticks};

/// How long a connection may lie unused: less than the 120 s after which Janus closes it, so that we close first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Read buffers start small and grow with what arrives; heads above this are refused.
const MAX_BUFFER: usize = 64 * 1024;

/// One HTTP/1.1 connection to a server.
pub struct Link {
    sender: SendRequest<RequestBody>,
    /// Taken out where it ended with a request still queued in it.
    driver: Option<Connection<TokioIo<UpstreamStream>, RequestBody>>,
    ended: bool,
    socket: SocketSlot,
}

impl Link {
    async fn open(connector: &Connector, socket: SocketSlot) -> Result<Self, ConnectError> {
        let stream = connector.connect().await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_BUFFER);
        let (sender, driver) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ConnectError::http(connector.addr(), error))?;
        Ok(Self { sender, driver: Some(driver), ended: false, socket })
    }

    /// Moves bytes. Once this has been ready the connection is at its end.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            // Errors reach the request by its own future, or come too late to matter.
            self.ended = self.driver.as_mut().is_none_or(|driver| Pin::new(driver).poll(cx).is_ready());
        }
        if self.ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Sends a request and drives the connection until the head of the answer is there.
    async fn send(&mut self, outgoing: &mut Outgoing, late: &Alarm) -> Result<Response<Incoming>, SendError> {
        let request = outgoing.request.take().expect("a request is only sent while it is untouched");
        let late_after = outgoing.timeout;
        let progress = request.body().progress();
        let mut answer = pin!(self.sender.try_send_request(request));
        let (driver, ended) = (&mut self.driver, &mut self.ended);
        // The answer only ever comes from driving, right here, so nobody else has to wake us for it.
        let mut by_driving = Context::from_waker(Waker::noop());
        poll_fn(|cx| {
            if !*ended {
                *ended = driver.as_mut().is_none_or(|driver| Pin::new(driver).poll(cx).is_ready());
            }
            let mut polled = answer.as_mut().poll(&mut by_driving);
            if polled.is_pending() && *ended && driver.take().is_some() {
                // The server had closed before the request was taken up. hyper gives it back when the driver is dropped.
                polled = answer.as_mut().poll(&mut by_driving);
            }
            if let Some(progress) = &progress {
                // While the body is still going up, it is not the server that is late.
                late.put_off(Ticks::later(progress.last(), late_after).max(late.due()));
            }
            match polled {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut error)) => {
                    outgoing.request = error.take_message();
                    Poll::Ready(Err(SendError::Http(error.into_error())))
                }
                Poll::Pending if late.is_due(cx) => Poll::Ready(Err(SendError::Late(late_after))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The socket and what was read beyond the answer, once an answer was 101.
    pub fn into_stream(self) -> Option<(UpstreamStream, bytes::Bytes, SocketSlot)> {
        let parts = self.driver?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf, self.socket))
    }

    fn settles(&mut self) -> bool {
        // What there is to do for going idle can be done at once or is a reason not to keep the connection.
        self.drive(&mut Context::from_waker(Waker::noop())).is_pending() && self.sender.is_ready()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// One worker's connections to one server, used newest first.
#[derive(Debug)]
pub struct Pool {
    connector: Connector,
    ticks: Rc<Ticks>,
    sockets: Arc<Sockets>,
    idle: RefCell<Vec<Idle>>,
    busy: Cell<usize>,
    health: Health,
    /// Nothing is kept any more: the configuration no longer knows the server.
    closed: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    since: Tick,
}

/// An answer's head and the connection that it came over, or why there is none.
pub(super) type Sent = Result<(Response<Incoming>, Box<Link>), SendError>;

/// A request on its way. It is handed down by reference: by value, every function that it passes would keep room for it.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The request, as long as not a byte of it was written: then it may still be sent elsewhere.
    request: Option<Request<RequestBody>>,
    /// Whether it wants a connection of its own: a WebSocket's.
    alone: bool,
    /// For the head of its answer.
    timeout: Duration,
}

impl Outgoing {
    pub(super) fn new(request: Request<RequestBody>, alone: bool, timeout: Duration) -> Self {
        Self { request: Some(request), alone, timeout }
    }

    /// Whether it may still be sent elsewhere.
    pub(super) fn is_untouched(&self) -> bool {
        self.request.is_some()
    }
}

impl Pool {
    /// An empty pool.
    pub fn new(connector: Connector, ticks: &Rc<Ticks>, sockets: &Arc<Sockets>) -> Rc<Self> {
        Rc::new(Self {
            connector,
            ticks: Rc::clone(ticks),
            sockets: Arc::clone(sockets),
            idle: RefCell::default(),
            busy: Cell::new(0),
            health: Health::default(),
            closed: Cell::new(false),
        })
    }

    /// The server.
    pub fn addr(&self) -> &ServerAddr {
        self.connector.addr()
    }

    /// The clock of the worker.
    pub fn ticks(&self) -> &Rc<Ticks> {
        &self.ticks
    }

    /// How long ago something was learnt of the server, if ever, and whether that was that it takes no connections.
    pub fn outcome(&self) -> (Option<Duration>, bool) {
        self.health.outcome(&self.ticks)
    }

    /// Requests and tunnels under way.
    pub fn busy(&self) -> usize {
        self.busy.get()
    }

    /// What connecting to it has taught.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Sends a request over an idle connection, if there is one; a WebSocket's over one of its own.
    ///
    /// A request is sent a second time only if hyper gives it back untouched: the idle connection had been closed before
    /// a byte of it was written.
    pub(super) async fn send(&self, outgoing: &mut Outgoing) -> Sent {
        let late = self.ticks.alarm(outgoing.timeout);
        loop {
            let pooled = if outgoing.alone { None } else { self.idle.borrow_mut().pop() };
            let reused = pooled.is_some();
            let mut link = match pooled {
                Some(idle) => idle.link,
                // Boxed: opening has a large state, which every request would carry along.
                None => Box::new(Box::pin(self.open()).await?),
            };
            late.reset(outgoing.timeout);
            match link.send(outgoing, &late).await {
                Ok(response) => return Ok((response, link)),
                Err(_) if reused && outgoing.is_untouched() => {}
                // A fresh connection that takes nothing is an answer of its own kind, not a reason to look elsewhere.
                Err(error) => return Err(error),
            }
        }
    }

    async fn open(&self) -> Result<Link, SendError> {
        let socket = self.sockets.take().ok_or(SendError::Full)?;
        Ok(Link::open(&self.connector, socket).await?)
    }

    /// Takes a connection back after a whole answer.
    pub fn give_back(&self, mut link: Box<Link>) {
        if !self.closed.get() && link.settles() {
            self.idle.borrow_mut().push(Idle { link, since: self.ticks.now() });
        }
    }

    /// Drops connections that were closed by the server or lay unused for too long.
    pub fn sweep(&self) {
        let now = self.ticks.now();
        let limit = (IDLE_TIMEOUT.as_millis() / crate::tick::TICK.as_millis()) as Tick;
        self.idle.borrow_mut().retain_mut(|idle| now - idle.since < limit && idle.link.settles());
    }

    /// Keeps nothing any more.
    pub fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
    }
}

/// A request or tunnel that a server is busy with, until it is dropped.
#[derive(Debug)]
pub struct Busy(Rc<Pool>);

impl Busy {
    pub(super) fn new(pool: &Rc<Pool>) -> Self {
        pool.busy.set(pool.busy.get() + 1);
        Self(Rc::clone(pool))
    }

    /// The server's pool.
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The upstream could not be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke or what came was not HTTP; or the client's body broke off.
    #[error("the request got no answer")]
    Http(#[source] hyper::Error),
    /// The gateway has no descriptor left for a connection.
    #[error("no room for another connection to an upstream")]
    Full,
    /// No head within this time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
}
