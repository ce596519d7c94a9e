//! Finding the route of a request.

use super::reject::Rejection;
use super::{Inbound, Normal, Routed};
use crate::route::RouteId;

/// The step: finds the route and notes it for the access log.
pub(super) fn route(normal: Normal) -> Result<Routed, Rejection> {
    let inbound = &normal.inbound;
    let path = inbound.request.uri().path();
    let route = find_route(&normal, path)?;
    note_route(inbound, route);
    if inbound
        .view
        .snapshot
        .routes
        .is_of_another_route(route, path)
    {
        return Err(Rejection::BasePath);
    }
    Ok(Routed {
        normal,
        route,
        form: None,
    })
}

/// The route that serves a path on the request's host.
pub(super) fn find_route(normal: &Normal, path: &str) -> Result<RouteId, Rejection> {
    let routes = &normal.inbound.view.snapshot.routes;
    Ok(routes.find(&normal.authority.host, path)?)
}

fn note_route(inbound: &Inbound, route: RouteId) {
    inbound.exchange.note(|line| {
        let label = inbound.view.label(route).clone();
        let of_websockets = label.websocket.filter(|_| inbound.is_websocket);
        let upstream = of_websockets.or(label.upstream);
        (line.route, line.upstream, line.counts) =
            (Some(label.route), upstream, Some(label.counts));
    });
}
