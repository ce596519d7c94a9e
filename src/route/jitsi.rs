//! Where an upstream speaks Jitsi's XMPP: the room that a request is for, and whether its token is
//! for that room.

use super::upstream::{Protocol, XmppDomain};
use super::{Route, RouteTable, Target};
use crate::host::HostName;
use crate::signalling::jitsi::{Asked, Domain};

/// A request, as far as its room depends on it.
#[derive(Clone, Copy, Debug)]
pub struct RoomRequest<'r> {
    /// The host that it names.
    pub host: &'r HostName,
    /// Its path, normalised.
    pub path: &'r str,
    /// Its query, or of that only what names a room.
    pub query: &'r str,
    /// Whether it is a WebSocket, or a handshake for one.
    pub is_websocket: bool,
}

impl RouteTable {
    /// Whether a request goes to an upstream that speaks Jitsi's XMPP.
    pub fn is_for_jitsi(&self, route: &Route, is_websocket: bool) -> bool {
        let Target::Forward(forward) = &route.target else {
            return false;
        };
        self.upstream(forward.upstream_of(is_websocket)).protocol == Protocol::Jitsi
    }

    /// The room that a request asks for; `None` if its upstream does not speak Jitsi's XMPP.
    ///
    /// A client may name any host that it likes, also one that is no name of the gateway. So the
    /// host is the domain only if the route has hosts, or if a certificate `has_name`.
    pub fn asked_room<'a>(
        &'a self,
        route: &'a Route,
        request: RoomRequest<'a>,
        has_name: impl FnOnce(&HostName) -> bool,
    ) -> Option<Asked<'a>> {
        let Target::Forward(forward) = &route.target else {
            return None;
        };
        let upstream = self.upstream(forward.upstream_of(request.is_websocket));
        if upstream.protocol != Protocol::Jitsi {
            return None;
        }
        let host = request.host.as_str();
        let domain = match &upstream.domain {
            XmppDomain::Host if route.host.is_some() || has_name(request.host) => {
                Domain::Name(host)
            }
            XmppDomain::Host => Domain::Unconfirmed(host),
            XmppDomain::Name(name) => Domain::Name(name.as_str()),
            XmppDomain::Any => Domain::Any,
        };
        Some(Asked::new(
            request.query,
            route.tenant(request.path),
            domain,
        ))
    }
}
