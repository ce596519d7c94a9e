//! A layer made of one pure function: it looks at the request and hands on a better-known one, or
//! refuses.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use super::reject::Rejection;

/// The function as a layer.
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

/// A service behind the function.
pub(super) struct Stepped<In, Out, S> {
    step: Step<In, Out>,
    inner: S,
    input: PhantomData<fn(In)>,
}

impl<In, Out, S> Service<In> for Stepped<In, Out, S>
where
    S: Service<Out, Error = Rejection>,
{
    type Response = S::Response;
    type Error = Rejection;
    type Future = Either<Ready<Result<S::Response, Rejection>>, S::Future>;

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
