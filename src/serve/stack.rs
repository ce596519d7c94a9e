//! The layers that a request passes, top to bottom.

use std::convert::Infallible;

use http::Response;
use tower::{Service, ServiceBuilder};

use super::Arrived;
use super::access::AccessLog;
use super::authorize::Authorize;
use super::body::Body;
use super::client_addr::client_address;
use super::internal::Own;
use super::normalize::{limit_rate, limit_size, normalize, route};
use super::redirect::Redirect;
use super::response_headers::Dress;
use super::step::Step;
use super::target::Target;
use super::validation::Validation;

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

/// What stands behind a TLS listener. The layers have no state: everything comes along with the
/// request.
pub(super) fn https() -> impl Stack {
    ServiceBuilder::new()
        .layer(AccessLog) // outermost: every answer passes here, refusals too, which it turns into answers
        .layer(Validation) // a CA that an open order waits for obeys none of the rules below
        .layer(Step(limit_size)) // before anything looks at the target's bytes
        .layer(Step(client_address)) // whom the next ones count and judge
        .layer(Step(limit_rate)) // before work is done for it
        .layer(Step(normalize)) // one spelling from here on
        .layer(Own) // signing in and out: before a route for every path could take it
        .layer(Step(route))
        .layer(Dress) // before permission: preflights bring none, and refusals need CORS to be readable
        .layer(Authorize) // the only way to a permit
        .service(Target)
}

/// What stands behind a plain listener: the way to the TLS one.
pub(super) fn http() -> impl Stack {
    ServiceBuilder::new()
        .layer(AccessLog)
        .layer(Validation)
        .layer(Step(limit_size))
        .layer(Step(client_address))
        .layer(Step(limit_rate))
        .service(Redirect)
}
