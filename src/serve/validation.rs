//! Answers a CA that validates a host: over HTTP (RFC 8555, section 8.3), or in the TLS handshake
//! (RFC 8737).
//!
//! No limit, policy or route applies to it, as a CA may come from any address. Only requests that
//! an open order expects are answered here; all others go on, perhaps to another ACME client behind
//! a route.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::future::{Ready, ready};
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

use super::hello::Hello;
use super::reply::Served;
use super::response_body::ResponseBody;
use super::{Inbound, Worker};
use crate::host::{Authority, HostName};
use crate::tls::challenges::{ACME_TLS, Challenges};

/// The path of the tokens of HTTP validation.
const PREFIX: &str = "/.well-known/acme-challenge/";

/// The largest request head on connections that serve nothing else: a CA's has a few hundred bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Answers what a CA asks for an open order, and passes all other requests on.
pub(super) fn validation(inbound: Inbound) -> ControlFlow<Ready<Served>, Inbound> {
    match answer(&inbound.request, &inbound.conn.worker.shared.challenges) {
        Some(response) => ControlFlow::Break(ready(Ok(response.into()))),
        None => ControlFlow::Continue(inbound),
    }
}

/// The answer to a CA; `None` for every other request, which costs it one comparison of bytes.
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

/// Whether a request is that of a CA that validates a host, for whichever ACME client: its answer
/// may be a file, or come from an upstream.
pub(super) fn is_validation<B>(request: &Request<B>) -> bool {
    /// Tokens have less than 50 bytes.
    const LONGEST: usize = 128;
    let Some(token) = request.uri().path().strip_prefix(PREFIX) else {
        return false;
    };
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    matches!(*request.method(), Method::GET | Method::HEAD)
        && (1..=LONGEST).contains(&token.len())
        && token.bytes().all(is_part)
}

/// The requested host; `None` if there is none or more than one.
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

/// The TLS settings for a CA that was redirected from port 80 to here by something in front of it.
/// The caller checks whether another certificate has the name.
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

/// What happens to other requests on a connection that serves validation alone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Otherwise {
    /// The connection is closed without an answer.
    Close,
    /// The answer says that there is no certificate yet.
    Tell,
}

/// Answers one request over HTTP/1.1, if an order expects it; `on_question` is called before that.
/// Returns whether one did.
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

/// The client is no CA: its connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no order expects this request")]
struct NotCa;

/// The TLS settings for a CA that validates an open order in the handshake; `None` for others.
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

/// Performs the handshake, which is all that the CA wants.
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
