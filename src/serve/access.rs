//! The outermost layer: follows each request for the access log and the counters, and gives every
//! answer what HTTP asks of it whatever made it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use hyper::body::Body as _;
use tower::{Layer, Service};

use super::body::Body;
use super::control::ConnControl;
use super::in_flight::InFlight;
use super::reply::Reply;
use super::response_body::ResponseBody;
use super::under_way::Entered;
use super::unread_body::close_after;
use super::{Arrived, Inbound};
use crate::proxy::body::RequestBody;
use crate::proxy::websocket;
use crate::telemetry::access::{Exchange, Head};

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccessLog;

impl<S> Layer<S> for AccessLog {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged { inner }
    }
}

/// A service whose requests are followed.
#[derive(Debug)]
pub(super) struct Logged<S> {
    inner: S,
}

impl<S> Service<Arrived> for Logged<S>
where
    S: Service<Inbound, Response = Reply, Error = Infallible, Future: Unpin>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Followed<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Arrived { request, conn }: Arrived) -> Self::Future {
        let worker = &conn.worker;
        let exchange = Exchange::begin(worker.ids.next(), conn.client, &worker.access, || {
            head(&request)
        });
        let control = Rc::clone(&conn.control);
        let has_unread_body =
            request.version() < Version::HTTP_2 && !request.body().is_end_stream();
        let is_head = request.method() == Method::HEAD;
        let view = worker.view();
        let is_h2 = request.version() == Version::HTTP_2;
        let is_websocket = websocket::is_handshake(&request);
        let closes = (worker.is_draining() || conn.overload.is_some()) && !is_h2;
        let under_way = Some(InFlight::new(&control));
        let request = RequestBody::new(request, &worker.ticks, &exchange, || {
            Rc::clone(&control) as _
        });
        let entered = worker.under_way.enter(&exchange, &control, is_h2);
        let key = entered.key();
        Followed {
            closes,
            entered: Some(entered),
            under_way,
            control,
            has_unread_body,
            is_head,
            exchange: Rc::clone(&exchange),
            inner: self.inner.call(Inbound {
                client: conn.client,
                origin: Rc::clone(&conn.origin),
                request,
                is_websocket,
                conn,
                view,
                exchange,
                key,
            }),
        }
    }
}

/// Copies what the line will say.
fn head(request: &http::Request<hyper::body::Incoming>) -> Head {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let authority = || {
        request
            .uri()
            .authority()
            .map(|authority| authority.as_str().as_bytes())
    };
    // A password may stand before an @. Such a request is rejected, but logged.
    let host = header(header::HOST)
        .or_else(authority)
        .map(|host| host.rsplit(|b| *b == b'@').next().unwrap_or(host));
    Head::of_request(
        (request.method(), request.version()),
        request.uri(),
        host,
        header(header::USER_AGENT),
    )
}

/// A request that is being served.
#[derive(Debug)]
pub(super) struct Followed<F> {
    inner: F,
    exchange: Rc<Exchange>,
    control: Rc<ConnControl>,
    under_way: Option<InFlight>,
    entered: Option<Entered>,
    has_unread_body: bool,
    is_head: bool,
    /// The connection closes after the answer, as the worker drains.
    closes: bool,
}

/// Takes the body off an answer to HEAD. hyper would send it over HTTP/2, which breaks the stream.
fn keep_body_back(response: &mut Response<ResponseBody>) {
    if response.body().is_end_stream() {
        return;
    }
    if let Some(length) = response.body().size_hint().exact() {
        response
            .headers_mut()
            .entry(header::CONTENT_LENGTH)
            .or_insert(HeaderValue::from(length));
    }
    *response.body_mut() = ResponseBody::empty();
}

impl<F> Future for Followed<F>
where
    F: Future<Output = Result<Reply, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Ok(reply) = ready!(Pin::new(&mut this.inner).poll(cx));
        let mut response = reply.response;
        if reply.is_rejection {
            // Nothing withdraws a rejection.
            this.entered = None;
            if this.has_unread_body {
                close_after(&mut response, &this.control);
            }
        }
        if this.is_head {
            keep_body_back(&mut response);
        }
        let status = response.status().as_u16();
        if this.closes && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        this.exchange.note(|line| line.status = status);
        let under_way = this
            .under_way
            .take()
            .unwrap_or_else(|| InFlight::new(&this.control));
        let exchange = Rc::clone(&this.exchange);
        let entered = this.entered.take();
        Poll::Ready(Ok(response.map(|body| {
            Body::new(body.followed_by(exchange), under_way, entered)
        })))
    }
}
