//! Connections to upstream servers. A connection has no task of its own: the request that uses it drives it, so that an
//! answer costs no hop from task to task, and an idle connection costs nothing but its socket.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::RequestBody;
use crate::host::HostName;
use crate::route::upstream::ServerAddr;
use crate::socket::watch_peer;
use crate::tick::{Alarm, Tick, Ticks};

/// For one address of a server to take the connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// For the head of an answer: a BOSH poll waits 60 s, and a proxy that waits as long loses the race.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a connection may lie unused: less than the 120 s after which Janus closes it, so that we close first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Read buffers start small and grow with what arrives; heads above this are refused.
const MAX_BUFFER: usize = 64 * 1024;

/// One HTTP/1.1 connection to a server.
pub struct Link {
    sender: SendRequest<RequestBody>,
    /// Taken out where it ended with a request still queued in it.
    driver: Option<Connection<TokioIo<TcpStream>, RequestBody>>,
    ended: bool,
}

impl Link {
    async fn open(server: &ServerAddr) -> Result<Self, ConnectError> {
        let stream = connect(server).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_BUFFER);
        let (sender, driver) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ConnectError { tried: Vec::new(), source: io::Error::other(error) })?;
        Ok(Self { sender, driver: Some(driver), ended: false })
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
    async fn send(
        &mut self,
        request: Request<RequestBody>,
        late: &Alarm,
    ) -> Result<Response<Incoming>, (SendError, Option<Request<RequestBody>>)> {
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
            match polled {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut error)) => {
                    let message = error.take_message();
                    Poll::Ready(Err((SendError::Http(error.into_error()), message)))
                }
                Poll::Pending if late.is_due(cx) => Poll::Ready(Err((SendError::Late, None))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The socket and what was read beyond the answer, once an answer was 101.
    pub fn into_stream(self) -> Option<(TcpStream, bytes::Bytes)> {
        let parts = self.driver?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
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
    server: ServerAddr,
    ticks: Rc<Ticks>,
    idle: RefCell<Vec<Idle>>,
    /// Nothing is kept any more: the configuration no longer knows the server.
    closed: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    since: Tick,
}

impl Pool {
    /// An empty pool.
    pub fn new(server: ServerAddr, ticks: &Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self { server, ticks: Rc::clone(ticks), idle: RefCell::default(), closed: Cell::new(false) })
    }

    /// The server.
    pub fn server(&self) -> &ServerAddr {
        &self.server
    }

    /// The clock of the worker.
    pub fn ticks(&self) -> &Rc<Ticks> {
        &self.ticks
    }

    /// Sends a request, over an idle connection if there is one.
    ///
    /// A request is sent a second time only if hyper gives it back untouched: the idle connection had been closed before
    /// a byte of it was written.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, mut request: Request<RequestBody>) -> Result<(Response<Incoming>, Box<Link>), SendError> {
        let late = self.ticks.alarm(HEAD_TIMEOUT);
        loop {
            let pooled = self.idle.borrow_mut().pop();
            let reused = pooled.is_some();
            let mut link = match pooled {
                Some(idle) => idle.link,
                None => {
                    let link = Box::new(Link::open(&self.server).await?);
                    late.reset(HEAD_TIMEOUT);
                    link
                }
            };
            match link.send(request, &late).await {
                Ok(response) => return Ok((response, link)),
                Err((_, Some(untouched))) if reused => request = untouched,
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Opens a connection that is not shared: for a WebSocket.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send_alone(
        &self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Box<Link>), SendError> {
        let mut link = Box::new(Link::open(&self.server).await?);
        let late = self.ticks.alarm(HEAD_TIMEOUT);
        let response = link.send(request, &late).await.map_err(|(error, _)| error)?;
        Ok((response, link))
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

/// Tries every address of the server in turn.
async fn connect(server: &ServerAddr) -> Result<TcpStream, ConnectError> {
    let addrs =
        resolve(&server.host, server.port).await.map_err(|source| ConnectError { tried: Vec::new(), source })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in &addrs {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => {
                let prepared = stream.set_nodelay(true).and_then(|()| watch_peer(&stream));
                return prepared.map(|()| stream).map_err(|source| ConnectError { tried: vec![*addr], source });
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection attempt"),
        }
    }
    Err(ConnectError { tried: addrs, source: last })
}

async fn resolve(host: &HostName, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host.ip() {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()),
    }
}

/// No connection: at the upstream's side or in between.
#[derive(Debug, thiserror::Error)]
#[error("no connection (tried {})", addresses(tried))]
pub struct ConnectError {
    tried: Vec<SocketAddr>,
    source: io::Error,
}

fn addresses(tried: &[SocketAddr]) -> String {
    if tried.is_empty() {
        return "no address".to_owned();
    }
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
    /// No head within [`HEAD_TIMEOUT`].
    #[error("no answer within {} s", HEAD_TIMEOUT.as_secs())]
    Late,
}
