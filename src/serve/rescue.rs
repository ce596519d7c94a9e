//! Turns rejections into responses.
//!
//! The layer stands in the stack twice: inside the layer of response headers, so that a rejection
//! gets the headers of its route, and below the access log, for what is rejected before there is a
//! route.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::Response;
use tower::{Layer, Service};

use super::browser::offer::SignIn;
use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::response_body::ResponseBody;
use super::{Inbound, Routed, advice, render};
use crate::telemetry::access::Exchange;

/// The reply to a program. The cause is noted and logged.
pub(super) fn reply(exchange: &Exchange, rejection: &Rejection) -> Reply {
    rejected(
        exchange,
        rejection,
        render::answer(rejection, exchange.id()),
    )
}

/// The reply to a person: a page, perhaps with a form to sign in.
pub(super) fn page(exchange: &Exchange, rejection: &Rejection, form: Option<&SignIn>) -> Reply {
    let response = render::page(rejection, form, exchange.id());
    rejected(exchange, rejection, response)
}

fn rejected(exchange: &Exchange, rejection: &Rejection, response: Response<ResponseBody>) -> Reply {
    let (_, reason) = rejection.verdict();
    let mut upstream = None;
    exchange.note(|line| {
        line.reason = Some(reason);
        upstream.clone_from(&line.upstream);
    });
    advice::log(rejection, exchange, upstream.as_deref());
    Reply {
        response,
        is_rejection: true,
    }
}

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rescue;

impl<S> Layer<S> for Rescue {
    type Service = Rescued<S>;

    fn layer(&self, inner: S) -> Rescued<S> {
        Rescued { inner }
    }
}

/// A service whose rejections become replies.
#[derive(Debug)]
pub(super) struct Rescued<S> {
    inner: S,
}

impl<S, R> Service<R> for Rescued<S>
where
    S: Service<R, Response = Reply, Error = Rejection, Future: Unpin>,
    R: AsRef<Inbound>,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Rescuing<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The layers have no state: they are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        Rescuing {
            exchange: Rc::clone(&request.as_ref().exchange),
            inner: self.inner.call(request),
        }
    }
}

/// A request whose rejection would become a reply.
#[derive(Debug)]
pub(super) struct Rescuing<F> {
    inner: F,
    exchange: Rc<Exchange>,
}

impl<F> Future for Rescuing<F>
where
    F: Future<Output = Served> + Unpin,
{
    type Output = Result<Reply, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let served = ready!(Pin::new(&mut self.inner).poll(cx));
        Poll::Ready(Ok(
            served.unwrap_or_else(|rejection| reply(&self.exchange, &rejection))
        ))
    }
}

impl AsRef<Inbound> for Inbound {
    fn as_ref(&self) -> &Inbound {
        self
    }
}

impl AsRef<Inbound> for Routed {
    fn as_ref(&self) -> &Inbound {
        &self.normal.inbound
    }
}
