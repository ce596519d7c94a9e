//! A CA looks whether a host is ours: over HTTP (RFC 8555, section 8.3), or inside the handshake
//! (RFC 8737).
//!
//! It is answered before anything of the configuration is asked, as it comes from anywhere and
//! follows no rule of ours. Only what an open order waits for is answered so; everything else goes
//! its ordinary way, perhaps to another ACME client behind a route.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tower::{Layer, Service};

use super::hello::Hello;
use super::reject::Rejection;
use super::{Inbound, Worker};
use crate::host::{Authority, HostName};
use crate::proxy::body::ResponseBody;
use crate::tls::challenges::{ACME_TLS, Challenges};

/// Where tokens are asked for.
const PREFIX: &str = "/.well-known/acme-challenge/";

/// The largest head where nothing else is answered: a CA's has some hundred bytes.
const MAX_HEAD: usize = 8 * 1024;

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validation;

impl<S> Layer<S> for Validation {
    type Service = BesideValidation<S>;

    fn layer(&self, inner: S) -> BesideValidation<S> {
        BesideValidation { inner }
    }
}

/// A service that never sees what an open order waits for.
#[derive(Debug)]
pub(super) struct BesideValidation<S> {
    inner: S,
}

impl<S> Service<Inbound> for BesideValidation<S>
where
    S: Service<Inbound, Response = Response<ResponseBody>, Error = Rejection, Future: Unpin>,
{
    type Response = Response<ResponseBody>;
    type Error = Rejection;
    type Future = Either<Ready<Result<Self::Response, Rejection>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        match answer(&inbound.request, &inbound.conn.worker.shared.challenges) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.inner.call(inbound)),
        }
    }
}

/// Costs one comparison of bytes where somebody asks for something else, and one load where no
/// order is open.
pub(super) fn answer<B>(
    request: &Request<B>,
    challenges: &Challenges,
) -> Option<Response<ResponseBody>> {
    let token = request.uri().path().strip_prefix(PREFIX)?;
    if challenges.is_empty() || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let key_authorization = challenges.http(&host(request)?, token)?;
    let mut response = Response::new(ResponseBody::text(key_authorization.to_string()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The host that is asked, where it is said once, or twice in the same way.
fn host<B>(request: &Request<B>) -> Option<HostName> {
    let authority = |text: &str| {
        text.parse::<Authority>()
            .ok()
            .map(|authority| authority.host)
    };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let of_target = request
        .uri()
        .authority()
        .map(|named| authority(named.as_str()));
    match (
        hosts.next().map(|host| authority(host.to_str().ok()?)),
        hosts.next(),
        of_target,
    ) {
        (Some(host), None, None) | (None, None, Some(host)) => host,
        (Some(host), None, Some(other)) => host.filter(|host| Some(host) == other.as_ref()),
        _ => None,
    }
}

/// How to shake hands with a CA that asks for a token over TLS, as it was redirected here by
/// something that stands in front of port 80. Whether another certificate has the name is for the
/// caller to see.
pub(super) fn redirected(
    hello: &Hello,
    sni: &HostName,
    worker: &Worker,
) -> Option<Arc<ServerConfig>> {
    let challenges = &worker.shared.challenges;
    if challenges.is_empty() || hello.offers(ACME_TLS) {
        return None;
    }
    challenges.redirected(sni)
}

/// What becomes of a request that no order waits for, where nothing else is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Otherwise {
    /// The connection ends without an answer.
    Close,
    /// It is told that there is no certificate yet.
    Tell,
}

/// Answers one request over HTTP/1.1, if an order waits for its token; `on_question` is called
/// before that. Says whether it was so.
///
/// # Errors
/// What the client did wrong, or the socket's own.
pub(super) async fn answer_alone<S>(
    stream: S,
    worker: &Worker,
    otherwise: Otherwise,
    on_question: impl Fn(),
) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let was_ca = Cell::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, &worker.shared.challenges);
        if answer.is_some() {
            was_ca.set(true);
            on_question();
        }
        let answer = answer.or_else(|| match otherwise {
            Otherwise::Close => None,
            Otherwise::Tell => Some(no_certificate_yet()),
        });
        ready(answer.ok_or(NotCa))
    });
    let http = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    http.await.map_err(io::Error::other)?;
    Ok(was_ca.get())
}

fn no_certificate_yet() -> Response<ResponseBody> {
    let text = "503 Service Unavailable\nThis host has no certificate yet: it is being ordered.\n";
    let mut response = Response::new(ResponseBody::text(text.to_owned()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

/// The client is no CA: the connection ends without an answer, like every one that is refused.
#[derive(Debug, thiserror::Error)]
#[error("no order waits for this")]
struct NotCa;

/// How to shake hands with whoever says this, if it is a CA that an open order waits for.
pub(super) fn settings(
    hello: &Hello,
    sni: &HostName,
    worker: &Worker,
) -> Option<Arc<ServerConfig>> {
    let challenges = &worker.shared.challenges;
    if challenges.is_empty() || !hello.offers(ACME_TLS) {
        return None;
    }
    challenges.alpn(sni)
}

/// Shakes hands, which is all that is asked for.
///
/// # Errors
/// What the client did wrong, or the socket's own.
pub(super) async fn shake(
    hello: Hello,
    stream: TcpStream,
    settings: Arc<ServerConfig>,
) -> io::Result<()> {
    let mut tls = StartHandshake::from_parts(hello.accepted, stream)
        .into_stream(settings)
        .await?;
    tls.shutdown().await
}
