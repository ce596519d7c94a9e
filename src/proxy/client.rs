//! Connections to upstream servers. A connection has no task of its own: the request that uses it
//! drives it, so that an answer costs no hop from task to task, and an idle connection costs
//! nothing but its socket.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::body::RequestBody;
use super::connect::{ConnectError, Connector, UpstreamStream};
use super::health::Health;
use super::keep_alive::Lease;
use super::repeat::may_repeat;
use super::upstream_io::{Heard, UpstreamIo};
use crate::route::upstream::{Protocol, ServerAddr, UpstreamSpec};
use crate::slot::{MaxConnections, NoRoom, ServerRoom, SocketSlot, Sockets, UpstreamUse};
use crate::tick::{Alarm, Tick, Ticks};

/// How many ticks are waited for idle connections of others to make room for a new one.
const ROOM_TICKS: usize = 4;

/// Read buffers start small and grow with what arrives; heads above this are refused. A client that
/// does not read its answer keeps one of them.
const MAX_BUFFER: usize = 32 * 1024;

/// One HTTP/1.1 connection to a server.
pub struct Link {
    sender: SendRequest<RequestBody>,
    /// Taken out where it ended with a request still queued in it.
    driver: Option<Connection<TokioIo<UpstreamIo>, RequestBody>>,
    ended: bool,
    heard: Heard,
    lease: Lease,
    /// That of its pool when it was opened.
    generation: u32,
    socket: SocketSlot,
}

impl Link {
    async fn open(pool: &Pool, socket: SocketSlot) -> Result<Self, ConnectError> {
        let (connector, generation) = (&pool.connector, pool.generation.get());
        let stream = connector.connect().await?;
        let heard = Heard::default();
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_BUFFER);
        let (sender, driver) = builder
            .handshake(TokioIo::new(UpstreamIo::new(stream, &heard)))
            .await
            .map_err(|error| ConnectError::http(connector.addr(), error))?;
        let lease = Lease::new(pool.ticks.now());
        Ok(Self {
            sender,
            driver: Some(driver),
            ended: false,
            heard,
            lease,
            generation,
            socket,
        })
    }

    /// Moves bytes. Once this has been ready the connection is at its end.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            // Errors reach the request by its own future, or come too late to matter.
            self.ended = self
                .driver
                .as_mut()
                .is_none_or(|driver| Pin::new(driver).poll(cx).is_ready());
        }
        if self.ended {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Sends a request and drives the connection until the head of the answer is there.
    async fn send(
        &mut self,
        outgoing: &mut Outgoing,
        late: &Alarm,
    ) -> Result<Response<Incoming>, SendError> {
        let request = outgoing
            .request
            .take()
            .expect("a request is only sent while it is untouched");
        let late_after = outgoing.timeout;
        let progress = request.body().progress();
        let mut answer = pin!(self.sender.try_send_request(request));
        let (driver, ended) = (&mut self.driver, &mut self.ended);
        // The answer only ever comes from driving, right here, so nobody else has to wake us for
        // it.
        let mut by_driving = Context::from_waker(Waker::noop());
        poll_fn(|cx| {
            if !*ended {
                *ended = driver
                    .as_mut()
                    .is_none_or(|driver| Pin::new(driver).poll(cx).is_ready());
            }
            let mut polled = answer.as_mut().poll(&mut by_driving);
            if polled.is_pending() && *ended && driver.take().is_some() {
                // The server had closed before the request was taken up. hyper gives it back when
                // the driver is dropped.
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
        Some((
            parts.io.into_inner().into_inner(),
            parts.read_buf,
            self.socket,
        ))
    }

    /// Whether it waits for a next request. It has to have been driven just now.
    pub(super) fn is_idle(&self) -> bool {
        !self.ended && self.sender.is_ready()
    }

    fn settles(&mut self) -> bool {
        // What there is to do for going idle can be done at once or is a reason not to keep the
        // connection.
        self.drive(&mut Context::from_waker(Waker::noop()))
            .is_pending()
            && self.sender.is_ready()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// One worker's connections to one server, used newest first.
#[derive(Debug)]
pub struct Pool {
    connector: Connector,
    ticks: Rc<Ticks>,
    room: Arc<ServerRoom>,
    keep_alive: Cell<Duration>,
    max_connections: Cell<MaxConnections>,
    idle: RefCell<Vec<Idle>>,
    /// How many there are, for other workers to see.
    idle_count: Arc<AtomicUsize>,
    /// The calls for room that idle connections have been closed for.
    heeded: Cell<usize>,
    /// Connections of an older generation are not kept.
    generation: Cell<u32>,
    busy: Cell<usize>,
    health: Health,
    refused: Cell<Refused>,
    /// Nothing is kept any more: the configuration no longer knows the server.
    closed: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    /// From this tick on it is not used any more.
    until: Tick,
}

/// Requests for which there was no room since the last tick, by why.
#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    descriptors: usize,
    server: usize,
    client: usize,
}

/// An answer's head and the connection that it came over, or why there is none.
pub(super) type Sent = Result<(Response<Incoming>, Box<Link>), SendError>;

/// A request on its way. It is handed down by reference: by value, every function that it passes
/// would keep room for it.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The request, as long as not a byte of it was written: then it may still be sent elsewhere.
    request: Option<Request<RequestBody>>,
    /// Whether it wants a connection of its own: a WebSocket's.
    alone: bool,
    /// For the head of its answer.
    timeout: Duration,
    /// Whether it may be sent once more.
    may_repeat: bool,
    /// Its head, while it is on a kept connection that may be closing.
    copy: Option<Request<()>>,
}

impl Outgoing {
    pub(super) fn new(
        request: Request<RequestBody>,
        alone: bool,
        timeout: Duration,
        protocol: Protocol,
    ) -> Self {
        let may_repeat = !alone && may_repeat(&request, protocol);
        Self {
            request: Some(request),
            alone,
            timeout,
            may_repeat,
            copy: None,
        }
    }

    /// Whether it may still be sent elsewhere.
    pub(super) fn is_untouched(&self) -> bool {
        self.request.is_some()
    }

    /// Whether it wants a connection of its own.
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Keeps what is needed to send it once more, if that is allowed.
    fn keep_copy(&mut self) {
        if let Some(request) = self.request.as_ref().filter(|_| self.may_repeat) {
            let mut copy = Request::new(());
            request.method().clone_into(copy.method_mut());
            request.uri().clone_into(copy.uri_mut());
            request.headers().clone_into(copy.headers_mut());
            self.copy = Some(copy);
        }
    }

    /// Makes it ready to be sent once more; whether that is allowed. It is not a second time.
    fn restore(&mut self) -> bool {
        self.may_repeat = false;
        self.request = self
            .copy
            .take()
            .map(|head| head.map(|()| RequestBody::empty()));
        self.request.is_some()
    }
}

impl Pool {
    /// An empty pool of connections to a server of the upstream.
    pub fn new(
        connector: Connector,
        spec: &UpstreamSpec,
        ticks: &Rc<Ticks>,
        sockets: &Arc<Sockets>,
    ) -> Rc<Self> {
        let room = sockets.server(&connector.addr().to_string());
        Rc::new(Self {
            ticks: Rc::clone(ticks),
            keep_alive: Cell::new(spec.keep_alive),
            max_connections: Cell::new(spec.max_connections),
            idle: RefCell::default(),
            idle_count: room.idle_count(),
            heeded: Cell::new(room.calls()),
            generation: Cell::new(0),
            busy: Cell::new(0),
            health: Health::default(),
            refused: Cell::default(),
            closed: Cell::new(false),
            connector,
            room,
        })
    }

    /// Takes up what a reload says of the upstream. A name is looked up anew: connections to where
    /// it led are not kept.
    pub fn follow(&self, spec: &UpstreamSpec) {
        self.keep_alive.set(spec.keep_alive);
        self.max_connections.set(spec.max_connections);
        if self.addr().is_name() {
            self.generation.set(self.generation.get().wrapping_add(1));
            self.drop_idle();
        }
    }

    /// The server.
    pub fn addr(&self) -> &ServerAddr {
        self.connector.addr()
    }

    /// The clock of the worker.
    pub fn ticks(&self) -> &Rc<Ticks> {
        &self.ticks
    }

    /// The server's connections as all workers count them, and how many there may be.
    pub(super) fn room(&self) -> (&Arc<ServerRoom>, MaxConnections) {
        (&self.room, self.max_connections.get())
    }

    /// How long ago something was learnt of the server, if ever, and whether that was that it takes
    /// no connections.
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
    /// An idle connection may have been closed. If hyper gives the request back untouched, not a
    /// byte of it was written, and it is sent over another one. If it was written and not a byte
    /// came back, it is sent once more over a fresh one, where that does no harm.
    pub(super) async fn send(&self, outgoing: &mut Outgoing, client: UpstreamUse) -> Sent {
        let late = self.ticks.alarm(outgoing.timeout);
        let mut is_repeated = false;
        loop {
            let pooled = if outgoing.alone || is_repeated {
                None
            } else {
                self.take_idle()
            };
            let reused = pooled.is_some();
            let mut link = match pooled {
                Some(link) => link,
                // Boxed: opening has a large state, which every request would carry along.
                None => Box::new(Box::pin(self.open(outgoing.alone)).await?),
            };
            if !is_repeated {
                late.reset(outgoing.timeout);
            }
            if reused {
                outgoing.keep_copy();
            }
            link.heard.clear();
            match link.send(outgoing, &late).await {
                Ok(response) => {
                    link.lease.note(response.headers());
                    link.socket.set_client(Some(client));
                    return Ok((response, link));
                }
                Err(_) if reused && outgoing.is_untouched() => {}
                Err(SendError::Http(_)) if reused && !link.heard.is_set() && outgoing.restore() => {
                    is_repeated = true
                }
                // A fresh connection that takes nothing is an answer of its own kind, not a reason
                // to look elsewhere.
                Err(error) => return Err(error),
            }
        }
    }

    async fn open(&self, alone: bool) -> Result<Link, SendError> {
        let socket = match self.room.take(self.max_connections.get(), alone) {
            Ok(socket) => socket,
            Err(full) => self.wait_for_room(full, alone).await?,
        };
        Ok(Link::open(self, socket).await?)
    }

    /// Idle connections give way to new ones: ours at once, those of other workers with their next
    /// tick.
    async fn wait_for_room(&self, mut full: NoRoom, alone: bool) -> Result<SocketSlot, SendError> {
        let mut ticks = 0;
        loop {
            if !self.drop_idle() {
                if !full.may_change() || ticks == ROOM_TICKS {
                    let error = SendError::from(full);
                    self.note_refused(&error);
                    return Err(error);
                }
                ticks += 1;
                self.ticks.next().await;
            }
            match self.room.take(self.max_connections.get(), alone) {
                Ok(socket) => return Ok(socket),
                Err(still) => full = still,
            }
        }
    }

    /// The newest idle connection that may still be used.
    fn take_idle(&self) -> Option<Box<Link>> {
        let (mut idle, now) = (self.idle.borrow_mut(), self.ticks.now());
        let found = std::iter::from_fn(|| idle.pop()).find(|idle| idle.until > now);
        self.idle_count.store(idle.len(), Ordering::Relaxed);
        found.map(|idle| idle.link)
    }

    /// Takes a connection back after a whole answer.
    pub fn give_back(&self, mut link: Box<Link>) {
        link.socket.set_client(None);
        let now = self.ticks.now();
        let until = link.lease.until(now, self.keep_alive.get());
        let is_wanted = !self.closed.get()
            && until > now
            && link.generation == self.generation.get()
            && self.heeded.get() == self.room.calls();
        if is_wanted && link.settles() {
            let mut idle = self.idle.borrow_mut();
            idle.push(Idle { link, until });
            self.idle_count.store(idle.len(), Ordering::Relaxed);
        }
    }

    /// Drops connections that were closed by the server or lay unused for too long, and all of them
    /// where others need their room.
    pub fn sweep(&self) {
        let calls = self.room.calls();
        if self.heeded.replace(calls) != calls {
            self.drop_idle();
        }
        let (mut idle, now) = (self.idle.borrow_mut(), self.ticks.now());
        idle.retain_mut(|idle| idle.until > now && idle.link.settles());
        self.idle_count.store(idle.len(), Ordering::Relaxed);
        drop(idle);
        self.report();
    }

    /// Whether there were any.
    fn drop_idle(&self) -> bool {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        let were_any = !idle.is_empty();
        // Closed first: what is neither idle nor closed looks busy to other workers, who would not
        // wait for it.
        drop(idle);
        self.idle_count.store(0, Ordering::Relaxed);
        were_any
    }

    /// Counts a request for which there is no room, for the log.
    pub(super) fn note_refused(&self, error: &SendError) {
        let mut refused = self.refused.get();
        match error {
            SendError::Full => refused.descriptors += 1,
            SendError::ServerFull => refused.server += 1,
            SendError::OverShare => refused.client += 1,
            SendError::Connect(_) | SendError::Http(_) | SendError::Late(_) => {}
        }
        self.refused.set(refused);
    }

    /// One line a tick for what clients could otherwise fill the log with.
    fn report(&self) {
        let (server, refused) = (self.addr(), self.refused.take());
        if refused.descriptors > 0 {
            tracing::warn!(
                %server,
                times = refused.descriptors,
                "requests refused: no file descriptor for a connection to the server; raise the limit (systemd: \
                 LimitNOFILE=), or see in the access log who holds them"
            );
        }
        if refused.server > 0 {
            tracing::warn!(
                %server,
                times = refused.server,
                "requests refused: the server has as many connections as max_connections of its upstream allows"
            );
        }
        if refused.client > 0 {
            tracing::warn!(
                %server,
                times = refused.client,
                "requests refused: their clients have their share of the connections already; the access log names \
                 them (reason=upstream_share)"
            );
        }
    }

    /// Keeps nothing any more.
    pub fn close(&self) {
        self.closed.set(true);
        self.drop_idle();
    }
}

/// A request or tunnel that a server is busy with, until it is dropped.
#[derive(Debug)]
pub struct LoadGuard(Rc<Pool>);

impl LoadGuard {
    pub(super) fn new(pool: &Rc<Pool>) -> Self {
        pool.busy.set(pool.busy.get() + 1);
        Self(Rc::clone(pool))
    }

    /// The server's pool.
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.0
    }
}

impl Drop for LoadGuard {
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
    /// The server has as many connections as it may have.
    #[error("max_connections of the upstream is reached")]
    ServerFull,
    /// The client has its share of the connections.
    #[error("the client has its share of the connections already")]
    OverShare,
    /// No head within this time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
}

impl From<NoRoom> for SendError {
    fn from(full: NoRoom) -> Self {
        match full {
            NoRoom::Server { .. } => Self::ServerFull,
            NoRoom::Descriptors { .. } => Self::Full,
        }
    }
}

#[cfg(test)]
mod tests;
