//! The status listener: health, readiness, metrics and a page, over plain HTTP.
//!
//! It runs on the control runtime, so that it answers even if all workers are busy, and does not
//! delay them. It only reads counters and snapshots; nothing can be changed here.

pub mod board;
mod hosts;
mod metrics;
mod page;
mod spoken;
mod unready;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::addr::ListenAddr;
use crate::listen;
use crate::telemetry::summed;
use board::Board;

/// The most connections at a time. Scrapers, probes and people need few.
const CONNECTIONS: usize = 64;

/// The longest time of a connection, which has one request.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// The longest time for a request head, so that idle connections do not block a probe for long.
const HEAD_TIME: Duration = Duration::from_secs(2);

/// The longest request head in bytes; more than browsers send.
const MAX_HEAD: usize = 16 * 1024;

/// The listener. Dropping it closes the listener; requests in progress are still answered.
#[derive(Debug)]
pub struct Server {
    addr: ListenAddr,
    bound: SocketAddr,
    socket: Weak<TcpListener>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Serves a bound socket on the current runtime.
    ///
    /// # Errors
    /// There is no current runtime, or it cannot use the socket.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends when `_stop` is dropped"
    )]
    pub fn start(addr: ListenAddr, socket: StdListener, board: Arc<Board>) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let bound = socket.local_addr()?;
        let listener = Arc::new(TcpListener::from_std(socket)?);
        let socket = Arc::downgrade(&listener);
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = move |stream, _| admit(stream, &free, &board);
        runtime.spawn(listen::accept(listener, async || {}, handle, async {
            let _ = stopped.await;
        }));
        Ok(Self {
            addr,
            bound,
            socket,
            _stop: stop,
        })
    }

    /// The address as configured.
    pub fn addr(&self) -> ListenAddr {
        self.addr
    }

    /// A duplicate of the socket, for another process.
    ///
    /// # Errors
    /// That it cannot be duplicated.
    pub fn share(&self) -> io::Result<Option<OwnedFd>> {
        let socket = self.socket.upgrade();
        socket
            .map(|socket| socket.as_fd().try_clone_to_owned())
            .transpose()
    }

    /// The address of the socket.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the task ends after `CONNECTION_TIME`"
)]
fn admit(stream: TcpStream, free: &Arc<Semaphore>, board: &Arc<Board>) {
    let Ok(permit) = Arc::clone(free).try_acquire_owned() else {
        return summed("status_full", "", |times| {
            tracing::warn!(
                times,
                open = CONNECTIONS,
                "connections to the status listener were rejected: too many are open"
            );
        });
    };
    let board = Arc::clone(board);
    tokio::spawn(async move {
        // Errors and timeouts concern only this connection.
        let _ = tokio::time::timeout(CONNECTION_TIME, serve(stream, board)).await;
        drop(permit);
    });
}

async fn serve(stream: TcpStream, board: Arc<Board>) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = match hosts::are_known(&request, &board.snapshot().status_hosts) {
            true => answer(&request, &board),
            false => text(StatusCode::MISDIRECTED_REQUEST, hosts::UNKNOWN),
        };
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // One request per connection, so that there are no idle connections to limit.
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer<B>(request: &Request<B>, board: &Board) -> Response<Full<Bytes>> {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => readiness(board),
        "/metrics" => {
            let (kind, numbers) = metrics::encode_for(request.headers(), board);
            respond(StatusCode::OK, kind, numbers)
        }
        "/" => page_for_people(board),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /, /healthz, /readyz and /metrics\n",
        ),
    }
}

fn readiness(board: &Board) -> Response<Full<Bytes>> {
    let reasons = board.unready();
    if reasons.is_empty() {
        return text(StatusCode::OK, "ready\n");
    }
    let lines: String = reasons.iter().map(|reason| format!("{reason}\n")).collect();
    respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, lines)
}

fn page_for_people(board: &Board) -> Response<Full<Bytes>> {
    let mut response = respond(
        StatusCode::OK,
        "text/html; charset=utf-8",
        page::page(board),
    );
    let headers = response.headers_mut();
    // The page has an inline style and loads nothing.
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(status, TEXT, text)
}

/// hyper omits the body of responses to HEAD.
fn respond(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
