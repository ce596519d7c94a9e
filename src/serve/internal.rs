//! The gateway's own URLs, below `/.ianitor`: no route can take them, and no policy stands before
//! them.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Method, Response};
use tower::{Layer, Service};

use super::Normal;
use super::browser;
use super::reject::Rejection;
use super::target::without_body;
use crate::proxy::body::ResponseBody;
use crate::route::NoRoute;
use crate::route::local::below_own;

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own;

impl<S> Layer<S> for Own {
    type Service = BesideOwn<S>;

    fn layer(&self, inner: S) -> BesideOwn<S> {
        BesideOwn { inner }
    }
}

/// A service that never sees the gateway's own URLs.
#[derive(Debug)]
pub(super) struct BesideOwn<S> {
    inner: S,
}

type Answer = Result<Response<ResponseBody>, Rejection>;

impl<S> Service<Normal> for BesideOwn<S>
where
    S: Service<Normal, Response = Response<ResponseBody>, Error = Rejection, Future: Unpin>,
{
    type Response = Response<ResponseBody>;
    type Error = Rejection;
    type Future = Either<Pin<Box<dyn Future<Output = Answer>>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, normal: Normal) -> Self::Future {
        match below_own(normal.inbound.request.uri().path()) {
            None => Either::Right(self.inner.call(normal)),
            Some(_) => Either::Left(Box::pin(serve(normal))),
        }
    }
}

async fn serve(mut normal: Normal) -> Answer {
    let path = below_own(normal.inbound.request.uri().path()).unwrap_or_default();
    let is_read = matches!(*normal.inbound.request.method(), Method::GET | Method::HEAD);
    let is_post = normal.inbound.request.method() == Method::POST;
    let response = match path {
        "/sign-in" if is_read => browser::sign_in::form(&normal)?,
        "/sign-in" if is_post => browser::sign_in::sign_in(&mut normal).await?,
        "/sign-out" if is_read => browser::sign_out::form(&normal)?,
        "/sign-out" if is_post => browser::sign_out::sign_out(&mut normal).await?,
        "/renew" if is_post => browser::renew::renew(&mut normal).await?,
        "/renew" => return Err(Rejection::OwnMethod("POST")),
        "/sign-in" | "/sign-out" => return Err(Rejection::OwnMethod("GET, HEAD, POST")),
        _ => return Err(NoRoute::Path.into()),
    };
    Ok(without_body(&normal.inbound, response))
}
