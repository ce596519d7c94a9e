//! Walk with them: requests on their way to an upstream, and WebSockets.

pub mod body;
pub mod client;
pub mod cluster;
pub mod connect;
mod early;
mod fields;
pub mod gather;
pub mod headers;
mod health;
pub mod location;
pub mod upgrade;
pub mod websocket;

use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use crate::host::Authority;
use crate::route::{Forward, PathChange};
use crate::slot::CountedClient;
use crate::telemetry::access::Exchange;
use body::{BodyFault, Progress, RequestBody, ResponseBody};
use client::{LoadGuard, Outgoing, SendError, UpstreamConn};
use cluster::{Answered, Cluster};
use headers::Origin;
use location::Public;
use websocket::BadHandshake;

/// How one request goes to its upstream.
#[derive(Debug)]
pub struct ForwardContext<'a> {
    /// Where to.
    pub upstream: &'a Cluster,
    /// What changes on the way.
    pub forward: &'a Forward,
    /// From whom.
    pub origin: &'a Origin,
    /// To whom, as the client names the gateway.
    pub authority: &'a Authority,
    /// The same, as servers are shared among clients.
    pub counted: &'a CountedClient,
    /// How much body it may have.
    pub body_limit: u64,
    /// What its log line knows.
    pub exchange: &'a Rc<Exchange>,
}

impl ForwardContext<'_> {
    async fn send(
        &self,
        request: Request<RequestBody>,
        alone: bool,
    ) -> Result<Answered, SendError> {
        let (timeout, protocol) = (
            self.forward.timeouts.response,
            self.upstream.spec().protocol,
        );
        let outgoing = Outgoing::new(request, alone, timeout, protocol);
        self.upstream
            .send(self.exchange.client(), self.counted, outgoing)
            .await
    }
}

/// Forwards a request and returns the head of the answer, whose body streams.
///
/// # Errors
/// Why there is no answer.
pub async fn forward(
    mut request: Request<RequestBody>,
    via: &ForwardContext<'_>,
) -> Result<Response<ResponseBody>, Error> {
    let was_h2 = request.version() == Version::HTTP_2;
    prepare(&mut request, via)?;
    request
        .body_mut()
        .limit(via.body_limit, via.forward.timeouts.idle);
    if !via.forward.headers.is_none() {
        // What the route puts in or takes out could be said again behind the body.
        request.body_mut().drop_trailers();
    }
    // Before a connection to the upstream is taken: it may have few of them.
    request
        .body_mut()
        .gather()
        .await
        .map_err(|fault| Error::from(&fault))?;
    let request = if was_h2 { frame_h2(request) } else { request };
    let progress = request.body().progress();
    let (response, conn, load) = via.send(request, false).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::UnaskedUpgrade);
    }
    if progress
        .as_ref()
        .is_some_and(|progress| progress.was_given_up())
    {
        // The server closed together with its answer, before it was known that there is one.
        body::note_unread(via.exchange);
    }
    Ok(answer(response, (conn, load), progress, via))
}

fn prepare(request: &mut Request<RequestBody>, via: &ForwardContext<'_>) -> Result<(), Error> {
    frame_once(request.headers_mut())?;
    headers::to_upstream(request.headers_mut(), via.origin, via.exchange.id());
    via.forward.headers.apply_to_request(request.headers_mut());
    if let Some(host) = &via.forward.host {
        request
            .headers_mut()
            .insert(header::HOST, host.value.clone());
    }
    *request.version_mut() = Version::HTTP_11;
    if let Some(target) = upstream_target(request.uri(), &via.forward.path) {
        *request.uri_mut() = target;
    }
    Ok(())
}

/// One framing in one spelling: `chunked`, or a length in plain decimal, or neither.
fn frame_once(headers: &mut HeaderMap) -> Result<(), Error> {
    // hyper has taken the framing off; what other coding there is would go on undeclared.
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(first) = codings.next() {
        if codings.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Error::TransferCoding);
        }
        headers.remove(header::CONTENT_LENGTH);
        return Ok(());
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(());
    };
    let same = lengths.all(|other| other == first);
    let digits = first
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    let length: u64 = digits
        .filter(|_| same)
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::Length)?;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(())
}

/// The target in origin form, where it is not that already.
fn upstream_target(uri: &Uri, change: &PathChange) -> Option<Uri> {
    if change.is_none() {
        let absolute = uri.authority().is_some() || uri.scheme().is_some();
        return absolute
            .then(|| uri.path_and_query().cloned().map(Uri::from))
            .flatten();
    }
    let path = change.to_upstream(uri.path());
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

/// What HTTP/2 leaves out and HTTP/1.1 needs: cookies in one line (RFC 9113, section 8.2.3), and
/// framing for a body of unknown length, which hyper would not send with a GET.
fn frame_h2(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let is_streaming = !hyper::body::Body::is_end_stream(request.body());
    let headers = request.headers_mut();
    if is_streaming && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_some() && cookies.next().is_some() {
        let crumbs: Vec<&[u8]> = headers
            .get_all(header::COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        // Each part was a header value, and so is what they make together.
        if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(header::COOKIE, whole);
        }
    }
    request
}

fn answer(
    mut response: Response<Incoming>,
    (conn, load): (Box<UpstreamConn>, LoadGuard),
    progress: Option<Rc<Progress>>,
    via: &ForwardContext<'_>,
) -> Response<ResponseBody> {
    headers::to_client(response.headers_mut());
    let public = Public {
        servers: &via.upstream.spec().servers,
        host: via.forward.host.as_ref().map(|host| &host.authority),
        path: &via.forward.path,
        authority: via.authority,
    };
    location::rewrite(response.headers_mut(), public);
    // An HTTP/1.0 upstream is no reason to answer the client in 1.0.
    *response.version_mut() = Version::HTTP_11;
    response
        .map(|body| ResponseBody::upstream(body, conn, load, via.forward.timeouts.idle, progress))
}

/// Why a request got no answer from its upstream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's fault: the handshake is wrong.
    #[error(transparent)]
    Handshake(#[from] BadHandshake),
    /// The client's fault: a transfer coding other than chunked.
    #[error("a transfer coding other than chunked")]
    TransferCoding,
    /// The client's fault: a length that is none, or two.
    #[error("a Content-Length that is none")]
    Length,
    /// The client's fault: more body than the route takes.
    #[error("the body is larger than the route allows")]
    BodyTooLarge,
    /// The client's fault: its body stalled.
    #[error("the client's body stalled")]
    BodyStalled,
    /// The client's fault: its body came more slowly than any body may.
    #[error("the client's body came too slowly")]
    BodySlow,
    /// The client's fault: its body broke off, or its framing was wrong.
    #[error("the client's body broke off")]
    BodyBroken,
    /// The upstream's fault: no connection, no answer, or no HTTP.
    #[error(transparent)]
    Send(SendError),
    /// The upstream's fault: 101 to a request that asked for no upgrade.
    #[error("the upstream switched protocols without being asked to")]
    UnaskedUpgrade,
    /// The upstream's fault: 101 without the right `Sec-WebSocket-Accept`.
    #[error("the upstream's 101 does not answer the WebSocket handshake")]
    BadAccept,
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let SendError::Http(error) = error else {
            return Self::Send(error);
        };
        match BodyFault::behind(&error) {
            Some(fault) => fault.into(),
            None => Self::Send(SendError::Http(error)),
        }
    }
}

impl From<&BodyFault> for Error {
    fn from(fault: &BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::BodyTooLarge,
            BodyFault::Stalled => Self::BodyStalled,
            BodyFault::Slow => Self::BodySlow,
            BodyFault::Client(_) => Self::BodyBroken,
        }
    }
}

/// Whether a request says itself that its body is larger.
pub fn declares_more_than<B>(request: &Request<B>, limit: u64) -> bool {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    declared
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .is_some_and(|declared| declared > limit)
}
