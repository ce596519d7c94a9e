//! Health checks by address, which balancers send: they know no host that a route could serve.

use std::ops::ControlFlow;

use futures_util::future::{Ready, ready};
use http::header::{self, HeaderValue};
use http::{Method, Response, Version};

use super::Inbound;
use super::reply::Served;
use super::response_body::ResponseBody;
use super::unread_body::close_if_unread;
use crate::host::Authority;

/// Answers `listen.health_path` where the request is for an address, and passes all other requests
/// on. No line is logged for it: a balancer asks every second or two.
pub(super) fn health_check(inbound: Inbound) -> ControlFlow<Ready<Served>, Inbound> {
    if !is_check(&inbound) {
        return ControlFlow::Continue(inbound);
    }
    inbound.exchange.note(|line| line.is_silent = true);
    let mut response = Response::new(ResponseBody::text("ok\n".to_owned()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    close_if_unread(&inbound, &mut response);
    ControlFlow::Break(ready(Ok(response.into())))
}

fn is_check(inbound: &Inbound) -> bool {
    let (request, snapshot) = (&inbound.request, &inbound.view.snapshot);
    let is_path = snapshot
        .health_path
        .as_ref()
        .is_some_and(|path| **path == *request.uri().path());
    let is_method = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    is_path && is_method && is_by_address(inbound)
}

/// Whether the request names an address, or HTTP/1.0 lets it name nothing.
fn is_by_address(inbound: &Inbound) -> bool {
    let request = &inbound.request;
    let is_address = |text: &str| {
        text.parse::<Authority>()
            .is_ok_and(|authority| authority.host.ip().is_some())
    };
    let named = request.uri().authority().map(|named| named.as_str());
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), named) {
        (None, None, None) => request.version() <= Version::HTTP_10,
        (None, None, Some(named)) => is_address(named),
        (Some(host), None, named) => {
            host.to_str().is_ok_and(is_address) && named.is_none_or(is_address)
        }
        _ => false,
    }
}
