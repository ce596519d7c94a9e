//! Which pages may use a permit that a browser brings along by itself.
//!
//! An address and a cookie come with every request, whichever page made the browser send it. So a
//! request that they admit must come from an allowed page, and a request that controls a media
//! server must in any case.

use http::header::{self, HeaderMap, HeaderValue};

use super::Routed;
use crate::policy::Permit;
use crate::route::Route;
use crate::route::initiator::{Initiator, is_navigation};

/// Whether the page that sends a request may use its permit: it is a page of the route's own host,
/// or one that `cors` lists, or no page at all. A link on another page may open the route too,
/// since that page cannot read the answer; but not where a media server is controlled, as the
/// request alone may do harm.
pub(super) fn may_use(routed: &Routed, route: &Route, permit: &Permit) -> bool {
    let inbound = &routed.normal.inbound;
    let is_control = inbound.view.snapshot.routes.is_control(route);
    if !permit.is_ambient() && !is_control {
        return true;
    }
    let request = &inbound.request;
    if let Some(cors) = &route.cors
        && single_origin(request.headers()).is_some_and(|origin| cors.lists_as_written(origin))
    {
        return true;
    }
    let Initiator::OtherPage(origin) = Initiator::of(request.headers(), &routed.normal.authority)
    else {
        return true;
    };
    let by_cookie = permit.is_ambient() && permit.user().is_some();
    let is_listed = route
        .cors
        .as_ref()
        .is_some_and(|cors| cors.admits(origin, by_cookie));
    is_listed || (!is_control && is_navigation(request))
}

/// The usual case, without finding out whether it is the host's own page.
fn single_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.next().filter(|_| origins.next().is_none())
}
