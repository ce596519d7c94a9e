//! Which pages may use what a browser sends by itself. An address and a cookie come along whichever
//! page has the browser send a request, so that those who are let in by them are asked for the page
//! too; and who controls a media server is asked in any case.

use super::Routed;
use crate::policy::Permit;
use crate::route::Route;
use crate::route::initiator::{Initiator, is_navigation};

/// Whether the page that sends a request may make use of its permit: a page of the route's own
/// host, one that `cors` lists, or none. A click on a link elsewhere opens a page as well, which
/// the page with the link cannot read; but where a media server is controlled, asking may be
/// enough.
pub(super) fn may_use(routed: &Routed, route: &Route, permit: &Permit) -> bool {
    let inbound = &routed.normal.inbound;
    let is_control = inbound.local.snapshot.routes.is_control(route);
    if !permit.is_ambient() && !is_control {
        return true;
    }
    let request = &inbound.request;
    let Initiator::OtherPage(origin) = Initiator::of(request.headers(), &routed.normal.authority)
    else {
        return true;
    };
    let by_cookie = permit.is_ambient() && permit.token().is_some();
    let is_listed = route
        .cors
        .as_ref()
        .is_some_and(|cors| cors.admits(origin, by_cookie));
    is_listed || (!is_control && is_navigation(request))
}
