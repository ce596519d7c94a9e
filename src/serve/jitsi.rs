//! Whether the token of a new request is for the room that it names, where its upstream speaks
//! Jitsi's XMPP.

use super::reject::Rejection;
use super::{Routed, detail};
use crate::policy::Permit;
use crate::route::Route;
use crate::route::jitsi::RoomRequest;
use crate::signalling::jitsi::judge;

/// The longest claim or name in a detail, in characters.
const LONGEST: usize = 20;

/// Passes the permit of a request on if its token is for the room, or it has none. The access line
/// of a rejected request says what the token claims and what was asked for.
pub(super) fn permit(routed: &Routed, route: &Route, permit: Permit) -> Result<Permit, Rejection> {
    let inbound = &routed.normal.inbound;
    let Some(token) = permit.token() else {
        return Ok(permit);
    };
    let request = RoomRequest {
        host: &routed.normal.authority.host,
        path: inbound.request.uri().path(),
        query: inbound.request.uri().query().unwrap_or_default(),
        is_websocket: inbound.is_websocket,
    };
    let Some(asked) = inbound.view.snapshot.asked_room(route, request) else {
        return Ok(permit);
    };
    match judge(&asked, Some(&token.claims)) {
        Ok(()) => Ok(permit),
        Err(why) => {
            let text = why.detail(&asked, &token.claims, LONGEST);
            let text = detail::shortened(&text);
            inbound.exchange.note(|line| line.detail = Some(text));
            Err(Rejection::Jitsi(why))
        }
    }
}
