//! Where the API of a server may be, and one question at such a place.

use super::answers::{
    INFO, PING, PING_KURENTO, is_pong, is_pong_of_kurento, open_stream, server_info, serves_domain,
};
use super::exchange::{AskedServer, NoAnswer};
use super::recognize::{answer, candidates};
use super::seen::{Api, Carrier, Place, Seen};
use super::socket::Socket;
use super::target::{Failure, ProbeTarget};
use crate::route::tenant::XMPP_PATHS;
use crate::route::upstream::{Protocol, XmppDomain};

/// The places at which the API that the upstream names may be, by the paths that routes lead to.
pub(super) fn places(target: &ProbeTarget) -> Vec<Place> {
    let paths = &target.routed.paths;
    match target.protocol {
        Protocol::Janus => of_janus(paths, "/janus", JANUS),
        Protocol::JanusAdmin => of_janus(paths, "/admin", JANUS_ADMIN),
        Protocol::Kurento => {
            let paths = candidates(paths, &["/kurento"]).into_iter();
            paths.map(Place::Kurento).collect()
        }
        Protocol::Jitsi => of_xmpp(paths),
        Protocol::Http | Protocol::Whip => Vec::new(),
    }
}

/// The subprotocols of Janus' WebSockets.
const JANUS: &str = "janus-protocol";
const JANUS_ADMIN: &str = "janus-admin-protocol";

fn of_janus(paths: &[String], base: &str, subprotocol: &'static str) -> Vec<Place> {
    let first = paths.first().filter(|path| !path.is_empty());
    let first = first.map_or_else(|| "/".to_owned(), Clone::clone);
    let rest = candidates(paths, &[base]).into_iter().map(Place::Rest);
    rest.chain([Place::WebSocket(first, subprotocol)]).collect()
}

/// A stream says more than the page at the path of BOSH, so it comes first.
fn of_xmpp(paths: &[String]) -> Vec<Place> {
    let [page, websocket] = XMPP_PATHS;
    let all = candidates(paths, &XMPP_PATHS);
    let carried = [(websocket, Carrier::WebSocket), (page, Carrier::Bosh)];
    let places = carried.into_iter().flat_map(|(end, carrier)| {
        let paths = all.iter().filter(move |path| path.ends_with(end));
        paths.map(move |path| Place::Xmpp(path.clone(), carrier))
    });
    places.collect()
}

/// Asks the server once at a place. `None` if the answer is of something else.
///
/// # Errors
/// If there is none, or if what it says is wrong.
pub(super) async fn look(target: &ProbeTarget, place: Place) -> Result<Option<Seen>, Failure> {
    let server = &target.server;
    let seen = match &place {
        Place::Rest(base) if target.protocol == Protocol::JanusAdmin => {
            admin_by_rest(server, base).await?
        }
        Place::Rest(base) => {
            let info = answer(server.get(&format!("{base}/info")).await)?;
            info.and_then(|info| described(&info.body))
        }
        Place::WebSocket(path, subprotocol) => {
            let Some(mut socket) = server.open(path, Some(subprotocol)).await? else {
                return Ok(None);
            };
            let seen = janus_by_websocket(&mut socket, target.protocol).await;
            socket.close().await;
            seen
        }
        Place::Kurento(path) => {
            let Some(mut socket) = server.open(path, None).await? else {
                return Ok(None);
            };
            let pong = socket.ask(PING_KURENTO).await;
            socket.close().await;
            let is_pong = pong.is_some_and(|pong| is_pong_of_kurento(&pong));
            is_pong.then_some(Known::new(Api::Kurento))
        }
        Place::Xmpp(path, Carrier::WebSocket) => {
            let Some(mut socket) = server.open(path, Some("xmpp")).await? else {
                return Ok(None);
            };
            let is_stream = stream(&mut socket, target).await;
            socket.close().await;
            is_stream?.then_some(Known::new(Api::SomeXmpp))
        }
        Place::Xmpp(path, Carrier::Bosh) => {
            let page = answer(server.get(path).await)?;
            page.map(|_| Known::new(Api::SomeXmpp))
        }
    };
    Ok(seen.map(|known| known.at(place)))
}

/// What is known of an API beside its place.
struct Known {
    api: Api,
    version: Option<String>,
    accepts_sessions: Option<bool>,
}

impl Known {
    fn new(api: Api) -> Self {
        Self {
            api,
            version: None,
            accepts_sessions: None,
        }
    }

    fn at(self, place: Place) -> Seen {
        Seen {
            api: self.api,
            place,
            version: self.version,
            accepts_sessions: self.accepts_sessions,
        }
    }
}

/// What a Janus says of itself at its API for clients.
fn described(answer: &[u8]) -> Option<Known> {
    let info = server_info(answer)?;
    Some(Known {
        api: Api::Janus,
        version: info.version,
        accepts_sessions: info.accepts_sessions,
    })
}

async fn admin_by_rest(server: &AskedServer, base: &str) -> Result<Option<Known>, NoAnswer> {
    // Janus finds its path inside a longer one only if that ends with a slash.
    let pong = answer(server.post(&format!("{base}/"), PING).await)?;
    let is_pong = pong.is_some_and(|pong| is_pong(&pong.body));
    Ok(is_pong.then_some(Known::new(Api::JanusAdmin)))
}

async fn janus_by_websocket(socket: &mut Socket, protocol: Protocol) -> Option<Known> {
    if !is_pong(&socket.ask(PING).await?) {
        return None;
    }
    match protocol {
        Protocol::JanusAdmin => Some(Known::new(Api::JanusAdmin)),
        _ => described(&socket.ask(INFO).await?),
    }
}

/// Opens a stream of XMPP, and returns whether the server has answered as one. Where the domain is
/// configured, the server has to serve it; a host that routes name may be another one.
async fn stream(socket: &mut Socket, target: &ProbeTarget) -> Result<bool, Failure> {
    let (domain, has_to_serve) = match (&target.domain, &target.routed.site) {
        (XmppDomain::Name(domain), _) => (domain.as_str(), true),
        (_, Some(site)) => (site.as_str(), false),
        (_, None) => ("localhost", false),
    };
    let Some(opened) = socket.ask(&open_stream(domain)).await else {
        return Ok(false);
    };
    // Prosody answers every stream, and then says what is wrong with it.
    if has_to_serve && !serves_domain(&opened, socket.next().await.as_deref()) {
        return Err(Failure::Domain(domain.to_owned()));
    }
    Ok(opened.starts_with(b"<open"))
}
