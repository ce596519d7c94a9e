//! What a route says of every answer: CORS, edits of its headers, what browsers are to be careful
//! about.
//!
//! It stands before the permission is asked for: a preflight brings no credentials, and a page that
//! may not use the route is refused whoever its user is. Refusals are dressed too, or a script
//! could not read why it was refused; only the edits, which are about the target's own answers, are
//! left out there.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::header::{HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use tower::{Layer, Service};

use super::Routed;
use super::reject::Rejection;
use super::view::WorkerView;
use crate::proxy::body::ResponseBody;
use crate::proxy::websocket;
use crate::route::cors::{Cors, Verdict};
use crate::route::edits::{Edits, Security};
use crate::route::{Route, RouteId};

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dress;

impl<S> Layer<S> for Dress {
    type Service = Dressed<S>;

    fn layer(&self, inner: S) -> Dressed<S> {
        Dressed { inner }
    }
}

/// A service whose answers are dressed.
#[derive(Debug)]
pub(super) struct Dressed<S> {
    inner: S,
}

impl<S> Service<Routed> for Dressed<S>
where
    S: Service<Routed, Response = Response<ResponseBody>, Error = Rejection, Future: Unpin>,
{
    type Response = S::Response;
    type Error = Rejection;
    type Future = Dressing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let inbound = &routed.normal.inbound;
        let route = inbound.local.snapshot.routes.route(routed.route);
        if !has_clothes(route) {
            return Dressing {
                inner: Inner::Goes(self.inner.call(routed)),
                clothes: None,
            };
        }
        let verdict = route.cors.as_ref().map(|cors| judge(cors, &routed));
        let mut clothes = Clothes {
            local: Rc::clone(&inbound.local),
            route: routed.route,
            origin: None,
        };
        let inner = match verdict {
            Some(Verdict::Preflight(headers)) => Inner::Is(Some(Ok(preflight(headers)))),
            Some(Verdict::Reject) => Inner::Is(Some(Err(Rejection::Origin))),
            Some(Verdict::Pass(origin)) => {
                clothes.origin = origin
                    .as_ref()
                    .and_then(|origin| HeaderValue::from_bytes(origin.as_bytes()).ok());
                Inner::Goes(self.inner.call(routed))
            }
            None => Inner::Goes(self.inner.call(routed)),
        };
        // A preflight has its headers on already.
        let is_answer = matches!(inner, Inner::Is(Some(Ok(_))));
        Dressing {
            inner,
            clothes: (!is_answer).then_some(clothes),
        }
    }
}

fn has_clothes(route: &Route) -> bool {
    route.cors.is_some()
        || route.answers != Edits::default()
        || route.security != Security::default()
}

fn judge(cors: &Cors, routed: &Routed) -> Verdict {
    let request = &routed.normal.inbound.request;
    let is_websocket = websocket::is_upgrade(request) || websocket::is_extended_connect(request);
    cors.judge(
        request.method(),
        request.headers(),
        is_websocket,
        &routed.normal.authority,
    )
}

fn preflight(headers: HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// What an answer is to wear.
#[derive(Debug)]
pub(super) struct Clothes {
    local: Rc<WorkerView>,
    route: RouteId,
    /// The page that asks, where it is one that may. A copy: the header it came in keeps the whole
    /// head alive.
    origin: Option<HeaderValue>,
}

impl Clothes {
    fn on_answer(&self, headers: &mut HeaderMap) {
        self.on_refusal(headers);
        self.route().answers.apply(headers);
    }

    /// What refusals wear too.
    pub(super) fn on_refusal(&self, headers: &mut HeaderMap) {
        if let Some(cors) = &self.route().cors {
            cors.apply(self.origin.as_ref(), headers);
        }
        self.route().security.apply(headers);
    }

    fn route(&self) -> &Route {
        self.local.snapshot.routes.route(self.route)
    }
}

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Dressing<F> {
    inner: Inner<F>,
    clothes: Option<Clothes>,
}

#[derive(Debug)]
enum Inner<F> {
    /// Decided here.
    Is(Option<Result<Response<ResponseBody>, Rejection>>),
    /// Decided behind.
    Goes(F),
}

impl<F> Future for Dressing<F>
where
    F: Future<Output = Result<Response<ResponseBody>, Rejection>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = match &mut this.inner {
            Inner::Goes(inner) => ready!(Pin::new(inner).poll(cx)),
            Inner::Is(result) => match result.take() {
                Some(result) => result,
                None => return Poll::Pending,
            },
        };
        let Some(clothes) = this.clothes.take() else {
            return Poll::Ready(result);
        };
        Poll::Ready(match result {
            Ok(mut response) => {
                clothes.on_answer(response.headers_mut());
                Ok(response)
            }
            Err(rejection) => Err(Rejection::Dressed(Box::new(rejection), clothes)),
        })
    }
}
