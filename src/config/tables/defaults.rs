//! `[defaults]`: what routes say of answers, once for all of them.

use std::time::Duration;

use super::headers::RawCors;
use super::section;
use crate::config::problem::Spanned;
use crate::route::Timeouts;

section! {
    /// What holds for every route that does not say it itself; a route's own value replaces it,
    /// tables as a whole. Whom a route admits is not among it: each route has its own `policy`.
    "[defaults]" => struct RawDefaults {
        /// [`routes.hsts`](#routeshsts) of every route.
        hsts: Duration = optional("each route says it");
        /// [`routes.security_headers`](#routessecurity_headers) of every route.
        security_headers: bool = optional("each route says it");
        /// [`routes.cors`](#routescors) of every route but those to a control port,
        /// [`protocol`](#upstreamsnameprotocol) `janus-admin` and `kurento`, which are for pages of
        /// other origins only if the route itself says so.
        cors: RawCors = optional("each route says it");
        /// [`routes.timeouts`](#routestimeouts) of every route to an upstream.
        timeouts: Spanned<Timeouts> = optional("each route says it");
    }
}
