//! The limits that a request meets before any work is done for it.

use http::Version;
use http::header::{self, HeaderMap};

use super::reject::Rejection;
use super::validation::is_validation;
use super::{Inbound, Routed};
use crate::proxy::MAX_FIELDS;

/// Rejects a request on a connection that has come during an overload, one with more than 256
/// header fields, and one whose target is longer than `limits.target`.
pub(super) fn limit_size(inbound: Inbound) -> Result<Inbound, Rejection> {
    if let Some(overload) = inbound.conn.overload
        && !is_validation(&inbound.request)
    {
        return Err(Rejection::Overload(overload));
    }
    if has_too_many_fields(inbound.request.headers()) {
        return Err(Rejection::HeadTooLarge);
    }
    let target = inbound.request.uri().path_and_query();
    let length = target.map_or(0, |target| target.as_str().len());
    if u64::try_from(length).is_ok_and(|length| length > inbound.view.snapshot.limits.target) {
        Err(Rejection::TargetTooLong)
    } else {
        Ok(inbound)
    }
}

/// hyper has rejected a head over HTTP/1.1 with even more. Cookies count as one field, although by
/// HTTP/2 browsers send each of them in a field of its own.
fn has_too_many_fields(headers: &HeaderMap) -> bool {
    let cookies = || headers.get_all(header::COOKIE).iter().count();
    headers.len() > MAX_FIELDS && headers.len() - cookies().saturating_sub(1) > MAX_FIELDS
}

/// Counts the request, and its stream of HTTP/2, for its client. The request of a CA has no rate: a
/// rejected one fails the order, also that of another program.
pub(super) fn limit_rate(inbound: Inbound) -> Result<Inbound, Rejection> {
    let limits = &inbound.view.snapshot.limits;
    let counted = match inbound.client == inbound.conn.client {
        _ if is_validation(&inbound.request) => Ok(()),
        true => inbound.conn.slot.request(limits.requests_per_client),
        false => inbound
            .conn
            .worker
            .shared
            .slots
            .request(inbound.client, limits),
    };
    counted.map_err(Rejection::Rate)?;
    if inbound.request.version() == Version::HTTP_2 {
        inbound.exchange.hold(
            inbound
                .conn
                .counted
                .stream(limits)
                .map_err(Rejection::Streams)?,
        );
    }
    Ok(inbound)
}

/// Counts the request against the rate of its client on its route.
pub(super) fn limit_route_rate(routed: Routed) -> Result<Routed, Rejection> {
    let inbound = &routed.normal.inbound;
    let limits = &inbound.view.snapshot.routes.route(routed.route).limits;
    if let (Some(rate), Some(room)) = (limits.requests, inbound.view.room(routed.route)) {
        let slots = &inbound.conn.worker.shared.slots;
        let counted = slots.request_on(&inbound.counted(), room, rate);
        counted.map_err(Rejection::RouteRate)?;
    }
    Ok(routed)
}

/// Counts the request among those of all clients on its route until its answer has ended. An open
/// WebSocket does not count.
pub(super) fn limit_concurrent(routed: &Routed) -> Result<(), Rejection> {
    let inbound = &routed.normal.inbound;
    let limits = &inbound.view.snapshot.routes.route(routed.route).limits;
    if let (Some(most), Some(room)) = (limits.concurrent, inbound.view.room(routed.route)) {
        let slot = room.begin(most).ok_or(Rejection::RouteConcurrent)?;
        inbound.exchange.hold_route(slot);
    }
    Ok(())
}
