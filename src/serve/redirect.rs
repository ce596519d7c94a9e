//! Plain HTTP: everything is sent to https with 308, which keeps method and body.

use std::task::{Context, Poll};

use futures_util::future::{Ready, ready};
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use tower::Service;

use super::Inbound;
use super::client_scheme::client_came_by;
use super::hostless;
use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::response_body::ResponseBody;
use crate::addr::Kind;
use crate::host::Authority;
use crate::route::path::BadPath;
use crate::telemetry::summed;

/// The service behind a plain listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redirect;

impl Service<Inbound> for Redirect {
    type Response = Reply;
    type Error = Rejection;
    type Future = Ready<Served>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        if client_came_by(inbound.request.headers(), &["https", "wss"]) {
            note_loop(&inbound);
        }
        ready(redirect(&inbound).map(Reply::from))
    }
}

pub(super) fn redirect(inbound: &Inbound) -> Result<Response<ResponseBody>, Rejection> {
    let target = inbound
        .request
        .uri()
        .path_and_query()
        .ok_or(Rejection::Method)?;
    if !target.as_str().starts_with('/') {
        return Err(BadPath::NotAbsolute.into());
    }
    let authority = host(inbound)?;
    let named = inbound
        .request
        .uri()
        .authority()
        .map(|named| named.as_str().parse());
    if named.is_some_and(|named| named != Ok(authority.clone())) {
        return Err(Rejection::Authority);
    }
    let snapshot = &inbound.view.snapshot;
    let port = match inbound.conn.kind {
        // The proxy ends TLS where its client has connected to.
        Kind::Plain => authority.port.unwrap_or(snapshot.proxy_port),
        Kind::Https | Kind::Http => snapshot.public_port,
    };
    let host = authority.host;
    let location = match port {
        443 => format!("https://{host}{target}"),
        port => format!("https://{host}:{port}{target}"),
    };
    let location = HeaderValue::try_from(location).map_err(|_| Rejection::Host)?;
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    if inbound.conn.kind == Kind::Plain {
        // It depends on what the proxy in front says of its client.
        let no_store = HeaderValue::from_static("no-store");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
    }
    Ok(response)
}

/// The client of a proxy that ends TLS is sent to where it is already.
fn note_loop(inbound: &Inbound) {
    let proxy = inbound.conn.client;
    summed("redirect_loop", "", move |times| {
        tracing::warn!(
            times,
            %proxy,
            "a proxy in front ends TLS, and the redirect to https sends its clients in a circle; \
             lead it to an address of listen.plain (docs/behind-a-proxy.md)"
        );
    });
}

fn host(inbound: &Inbound) -> Result<Authority, Rejection> {
    let mut hosts = inbound.request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host
            .to_str()
            .ok()
            .and_then(|host| host.parse().ok())
            .ok_or(Rejection::Host),
        (None, None) if inbound.request.uri().authority().is_none() => {
            hostless::implied(&inbound.request, &inbound.conn).ok_or(Rejection::Host)
        }
        _ => Err(Rejection::Host),
    }
}
