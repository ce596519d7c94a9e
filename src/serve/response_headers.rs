//! The layer that applies a route's headers to every answer, rejections included.
//!
//! It stands before authorization: a preflight request has no credentials, and a page that may not
//! use the route is rejected with any credentials.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::{Either, Ready, ready as at_once};
use http::header::{HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use tower::{Layer, Service};

use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::response_body::ResponseBody;
use super::route_headers::RouteHeaders;
use super::{Routed, rescue};
use crate::route::cors::Verdict;

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseHeaders;

impl<S> Layer<S> for ResponseHeaders {
    type Service = WithHeaders<S>;

    fn layer(&self, inner: S) -> WithHeaders<S> {
        WithHeaders { inner }
    }
}

/// A service whose answers get the headers of their route.
#[derive(Debug)]
pub(super) struct WithHeaders<S> {
    inner: S,
}

impl<S> Service<Routed> for WithHeaders<S>
where
    S: Service<Routed, Response = Reply, Error = Infallible, Future: Unpin>,
{
    type Response = Reply;
    type Error = Rejection;
    type Future = Either<Ready<Served>, Applying<S::Future>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        // The layers have no state: they are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let mut headers = RouteHeaders::of(&routed);
        if let Some(headers) = &mut headers {
            match cors_verdict(&routed) {
                // The preflight's headers are complete.
                Some(Verdict::Preflight(headers)) => {
                    return Either::Left(at_once(Ok(preflight(headers).into())));
                }
                Some(Verdict::Reject) => {
                    let exchange = &routed.normal.inbound.exchange;
                    let mut reply = rescue::reply(exchange, &Rejection::Origin);
                    headers.apply(&mut reply);
                    return Either::Left(at_once(Ok(reply)));
                }
                Some(Verdict::Pass(origin)) => {
                    headers.origin =
                        origin.and_then(|origin| HeaderValue::from_bytes(origin.as_bytes()).ok());
                }
                None => {}
            }
        }
        Either::Right(Applying {
            inner: self.inner.call(routed),
            headers,
        })
    }
}

fn cors_verdict(routed: &Routed) -> Option<Verdict> {
    let inbound = &routed.normal.inbound;
    let cors = inbound
        .view
        .snapshot
        .routes
        .route(routed.route)
        .cors
        .as_ref()?;
    let request = &inbound.request;
    Some(cors.judge(
        request.method(),
        request.headers(),
        inbound.is_websocket,
        &routed.normal.authority,
    ))
}

fn preflight(headers: HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// A request whose answer gets the headers of its route.
#[derive(Debug)]
pub(super) struct Applying<F> {
    inner: F,
    headers: Option<RouteHeaders>,
}

impl<F> Future for Applying<F>
where
    F: Future<Output = Result<Reply, Infallible>> + Unpin,
{
    type Output = Served;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Served> {
        let this = &mut *self;
        let Ok(mut reply) = ready!(Pin::new(&mut this.inner).poll(cx));
        if let Some(headers) = &this.headers {
            headers.apply(&mut reply);
        }
        Poll::Ready(Ok(reply))
    }
}
