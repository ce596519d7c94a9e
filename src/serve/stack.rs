//! The layers that a request passes, top to bottom.

use std::convert::Infallible;

use http::Response;
use tower::{Service, ServiceBuilder};

use super::Arrived;
use super::access::AccessLog;
use super::authorize::Authorize;
use super::behind_proxy::behind_proxy;
use super::body::Body;
use super::client_addr::client_address;
use super::health_check::health_check;
use super::internal::internal_routes;
use super::normalize::normalize;
use super::redirect::Redirect;
use super::request_limits::{limit_rate, limit_route_rate, limit_size};
use super::rescue::Rescue;
use super::response_headers::ResponseHeaders;
use super::routing::route;
use super::step::{Beside, Step};
use super::target::Target;
use super::turn_form::ReadForm;
use super::validation::validation;

/// What serves one request.
pub(super) trait Stack:
    Service<Arrived, Response = Response<Body>, Error = Infallible, Future: Unpin> + Unpin + 'static
{
}

impl<S> Stack for S where
    S: Service<Arrived, Response = Response<Body>, Error = Infallible, Future: Unpin>
        + Unpin
        + 'static
{
}

/// What stands behind a TLS listener, and behind one for proxies that end TLS. The layers have no
/// state: all of it comes with the request.
pub(super) fn routes() -> impl Stack {
    ServiceBuilder::new()
        .layer(AccessLog) // outermost: every answer passes here
        .layer(Rescue) // what is rejected before there is a route
        .layer(Beside(validation)) // no rule below applies to a CA that validates an order
        .layer(Step(limit_size)) // before anything parses the request target
        .layer(Step(client_address)) // who is counted and authorized below
        .layer(Step(limit_rate)) // before work is done for the request
        .layer(Beside(health_check)) // no host, and so no route, is asked for
        .layer(Beside(behind_proxy)) // plain HTTP is for proxies alone
        .layer(Step(normalize)) // one spelling of path and host from here on
        .layer(Beside(internal_routes)) // signing in and out: before a route could take the path
        .layer(Step(route))
        .layer(ResponseHeaders) // before authorization: preflights have no credentials
        .layer(Rescue) // inside the headers: scripts can read rejections only with CORS
        .layer(Step(limit_route_rate)) // before work is done for the policy
        .layer(ReadForm) // an API key may be in a form: before the key is checked
        .layer(Authorize) // the only way to a permit
        .service(Target)
}

/// What stands behind a plain listener: the redirect to the TLS one.
pub(super) fn http() -> impl Stack {
    ServiceBuilder::new()
        .layer(AccessLog)
        .layer(Rescue)
        .layer(Beside(validation))
        .layer(Step(limit_size))
        .layer(Step(client_address))
        .layer(Step(limit_rate))
        .layer(Beside(health_check))
        .service(Redirect)
}
