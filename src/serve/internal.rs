//! The gateway's own URLs, below `/.ianitor`. No route can have a path below it, and no policy is
//! asked for them.

use std::ops::ControlFlow;
use std::pin::Pin;

use http::Method;

use super::Normal;
use super::browser::{sign_in, sign_out};
use super::reject::Rejection;
use super::renew;
use super::reply::Served;
use super::unread_body::close_if_unread;
use crate::route::NoRoute;
use crate::route::local::below_own;

type InternalResponse = Pin<Box<dyn Future<Output = Served>>>;

/// Answers requests for the gateway's own URLs.
pub(super) fn internal_routes(normal: Normal) -> ControlFlow<InternalResponse, Normal> {
    match below_own(normal.inbound.request.uri().path()) {
        None => ControlFlow::Continue(normal),
        Some(_) => ControlFlow::Break(Box::pin(serve(normal))),
    }
}

async fn serve(mut normal: Normal) -> Served {
    let path = below_own(normal.inbound.request.uri().path()).unwrap_or_default();
    let is_read = matches!(*normal.inbound.request.method(), Method::GET | Method::HEAD);
    let is_post = normal.inbound.request.method() == Method::POST;
    let mut reply = match path {
        "/sign-in" if is_read => sign_in::form(&normal)?.into(),
        "/sign-in" if is_post => sign_in::sign_in(&mut normal).await?,
        "/sign-out" if is_read => sign_out::form(&normal)?.into(),
        "/sign-out" if is_post => sign_out::sign_out(&mut normal).await?.into(),
        "/renew" if is_post => renew::renew(&mut normal).await?.into(),
        "/renew" => return Err(Rejection::OwnMethod("POST")),
        "/sign-in" | "/sign-out" => return Err(Rejection::OwnMethod("GET, HEAD, POST")),
        _ => return Err(NoRoute::Path.into()),
    };
    close_if_unread(&normal.inbound, &mut reply.response);
    Ok(reply)
}
