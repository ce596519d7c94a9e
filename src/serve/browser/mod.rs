//! Signing in by browser: a token becomes a cookie that no script sees and no other site can send.
//!
//! ```text
//! GET /admin ─ 401 and a form ─▶ POST /.ianitor/sign-in ─ the policy of /admin ─▶ 303, cookie for /admin and below
//! ```
//!
//! 1. A form is only taken from the gateway's own pages: nobody else signs a browser in or out.
//! 2. Where the browser goes back to is a place of the same host, and its route's policy is the one
//!    that is asked.
//! 3. Renewal changes neither issuer nor subject: whoever could slip another's token in would use
//!    their sockets.
//! 4. The cookie is for the route's path alone. A second one, with the same token, is for
//!    `/.ianitor`: by that one the gateway knows later on whose sockets to renew.

mod cookie;
mod fields;
pub(super) mod renew;
pub(super) mod sign_in;
pub(super) mod sign_out;

use http::header;

use super::normalize::find_route;
use super::reject::Rejection;
use super::{Normal, Routed};
use crate::policy::Denied;
use crate::route::initiator::Initiator;
use crate::route::local::LocalUrl;
use crate::route::{Route, RouteId};
use crate::token::BadToken;
use crate::token::location;

/// The form that a page has for somebody who may not pass yet.
#[derive(Debug)]
pub(super) struct SignIn {
    /// Where he wants to go.
    pub(super) to: LocalUrl,
    /// What to tell him.
    pub(super) message: Option<&'static str>,
}

const NOT_ACCEPTED: &str = "This token was not accepted.";

/// What a refused request is offered: the form, where another token could change the answer.
pub(super) fn offer(routed: &Routed, rejection: &Rejection) -> Option<SignIn> {
    let inbound = &routed.normal.inbound;
    let route = inbound.local.snapshot.routes.route(routed.route);
    let (rule, _) = route.sign_in()?;
    let message = message(rejection)?;
    // A bad token must not come back with the browser.
    let mut uri = inbound.request.uri().clone();
    location::remove(&mut header::HeaderMap::new(), &mut uri, &rule.sources);
    let asked = uri
        .path_and_query()
        .and_then(|target| target.as_str().parse().ok());
    Some(SignIn {
        to: asked.or_else(|| route.path.to_string().parse().ok())?,
        message,
    })
}

/// What to tell somebody whose token is refused; `None` where no token would help.
fn message(rejection: &Rejection) -> Option<Option<&'static str>> {
    match rejection {
        Rejection::Denied(Denied::NoToken) => Some(None),
        Rejection::Denied(Denied::Token(BadToken::KeysUnavailable)) => None,
        Rejection::TwoTokens | Rejection::Denied(Denied::Token(_) | Denied::Claim) => {
            Some(Some(NOT_ACCEPTED))
        }
        _ => None,
    }
}

/// A place that a browser wants to go to, and by which door.
struct ReturnTo {
    to: LocalUrl,
    route: RouteId,
}

impl ReturnTo {
    fn parse(normal: &Normal, to: &str) -> Result<Self, Rejection> {
        let to: LocalUrl = to.parse().map_err(Rejection::ReturnTo)?;
        let route = find_route(normal, to.path())?;
        Ok(Self { to, route })
    }

    fn route<'n>(&self, normal: &'n Normal) -> &'n Route {
        normal.inbound.local.snapshot.routes.route(self.route)
    }
}

/// The goal that is named in the query, or the root.
fn asked_goal(normal: &Normal) -> Result<ReturnTo, Rejection> {
    let query = normal.inbound.request.uri().query().unwrap_or_default();
    let to = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
    ReturnTo::parse(normal, to.as_ref().map_or("/", |(_, to)| to))
}

/// Refuses what is not known to be from a page of this host: another one could sign the browser in
/// as somebody else.
fn from_own_page(normal: &Normal) -> Result<(), Rejection> {
    match Initiator::of(normal.inbound.request.headers(), &normal.authority) {
        Initiator::OwnPage => Ok(()),
        Initiator::OtherPage(_) | Initiator::Unknown => Err(Rejection::CrossSite),
    }
}
