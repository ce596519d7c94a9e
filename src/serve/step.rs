//! Layers made of one function.
//!
//! A [`Step`] checks a request and passes on what is then known about it, or rejects it. [`Beside`]
//! answers some requests itself and passes the others on.

use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use super::reject::Rejection;
use super::reply::{Reply, Served};

/// A function that passes a request on or rejects it.
pub(super) struct Step<In, Out>(pub(super) fn(In) -> Result<Out, Rejection>);

impl<In, Out> Clone for Step<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Step<In, Out> {}

impl<In, Out, S> Layer<S> for Step<In, Out> {
    type Service = Stepped<In, Out, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stepped {
            step: *self,
            inner,
            input: PhantomData,
        }
    }
}

/// A service behind a [`Step`].
pub(super) struct Stepped<In, Out, S> {
    step: Step<In, Out>,
    inner: S,
    input: PhantomData<fn(In)>,
}

impl<In, Out, S> Service<In> for Stepped<In, Out, S>
where
    S: Service<Out, Response = Reply, Error = Rejection>,
{
    type Response = Reply;
    type Error = Rejection;
    type Future = Either<Ready<Served>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: In) -> Self::Future {
        match (self.step.0)(request) {
            Ok(request) => Either::Right(self.inner.call(request)),
            Err(rejection) => Either::Left(ready(Err(rejection))),
        }
    }
}

/// A function that answers a request or passes it on.
pub(super) struct Beside<In, F>(pub(super) fn(In) -> ControlFlow<F, In>);

impl<In, F, S> Layer<S> for Beside<In, F> {
    type Service = Passed<In, F, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Passed {
            answer: self.0,
            inner,
        }
    }
}

/// A service behind a [`Beside`].
pub(super) struct Passed<In, F, S> {
    answer: fn(In) -> ControlFlow<F, In>,
    inner: S,
}

impl<In, F, S> Service<In> for Passed<In, F, S>
where
    S: Service<In, Response = Reply, Error = Rejection>,
    F: Future<Output = Served>,
{
    type Response = Reply;
    type Error = Rejection;
    type Future = Either<F, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: In) -> Self::Future {
        match (self.answer)(request) {
            ControlFlow::Break(answer) => Either::Left(answer),
            ControlFlow::Continue(request) => Either::Right(self.inner.call(request)),
        }
    }
}
