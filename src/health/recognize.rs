//! Recognizes a server by its answers: Janus with its API or its admin API, by REST or WebSocket,
//! Kurento, or Prosody.
//!
//! These requests change nothing and need no secret.

use super::answers::{
    self, GET_STATUS, INFO, PING_KURENTO, ServerInfo, carrier_in, is_pong_of_kurento, server_info,
    which_api,
};
use super::exchange::{AskedServer, NoAnswer, ServerAnswer};
use super::seen::{Api, Carrier, Place, Seen};
use super::socket::Socket;
use crate::route::tenant::XMPP_PATHS;
use crate::route::upstream::Protocol;

/// Asks a server what it is, at the paths that routes lead to. If it is several things, the one
/// that controls more is returned.
///
/// # Errors
/// If the server stops answering.
pub async fn recognize(
    server: &AskedServer,
    declared: Protocol,
    paths: &[String],
) -> Result<Option<Seen>, NoAnswer> {
    let mut seen = None;
    match declared {
        Protocol::Kurento => seen = kurento(server, paths).await?,
        Protocol::Jitsi => seen = xmpp(server, &candidates(paths, &XMPP_PATHS)).await?,
        _ => {}
    }
    if seen.is_none() {
        seen = janus_rest(server, paths).await?;
    }
    if seen.is_none() {
        seen = janus_websocket(server, paths).await?;
    }
    if seen.is_none() && declared != Protocol::Kurento {
        seen = kurento(server, paths).await?;
    }
    if seen.is_none() && declared != Protocol::Jitsi {
        let is_usual = |path: &&String| XMPP_PATHS.iter().any(|end| path.ends_with(end));
        let usual: Vec<String> = paths.iter().filter(is_usual).cloned().collect();
        seen = xmpp(server, &usual).await?;
    }
    Ok(seen)
}

/// How many paths are tried for each API.
const MOST_PATHS: usize = 8;

/// The paths at which routes may reach an API with these default paths: where the routes lead to,
/// and the default paths below that, since Janus finds its own path inside a longer one.
pub(super) fn candidates(paths: &[String], defaults: &[&str]) -> Vec<String> {
    let given = paths.iter().filter(|path| !path.is_empty()).cloned();
    let below = paths.iter().flat_map(|path| {
        defaults
            .iter()
            .map(move |default| format!("{path}{default}"))
    });
    let mut all: Vec<String> = Vec::new();
    for path in given.chain(below) {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all.truncate(MOST_PATHS);
    all
}

async fn janus_rest(server: &AskedServer, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    let mut seen: Option<Seen> = None;
    for base in candidates(paths, &["/janus", "/admin"]) {
        let Some(info) = answer(server.get(&format!("{base}/info")).await)? else {
            continue;
        };
        let Some(info) = server_info(&info.body) else {
            continue;
        };
        // Janus finds its path inside a longer one only if that ends with a slash.
        let status = answer(server.post(&format!("{base}/"), GET_STATUS).await)?;
        let api = status.map_or(Api::SomeJanus, |status| which_api(&status.body));
        let found = janus(api, Place::Rest(base), info);
        if api == Api::JanusAdmin {
            return Ok(Some(found));
        }
        seen.get_or_insert(found);
    }
    Ok(seen)
}

async fn janus_websocket(server: &AskedServer, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    let path = paths
        .first()
        .filter(|path| !path.is_empty())
        .map_or("/", |path| path.as_str());
    for subprotocol in ["janus-protocol", "janus-admin-protocol"] {
        let Some(mut socket) = server.open(path, Some(subprotocol)).await? else {
            continue;
        };
        let seen = talk_janus(&mut socket, path, subprotocol).await;
        socket.close().await;
        if seen.is_some() {
            return Ok(seen);
        }
    }
    Ok(None)
}

/// Accepting the subprotocol proves little, since some servers accept any.
async fn talk_janus(socket: &mut Socket, path: &str, subprotocol: &'static str) -> Option<Seen> {
    let info = server_info(&socket.ask(INFO).await?)?;
    let status = socket.ask(GET_STATUS).await;
    let api = status.map_or(Api::SomeJanus, |status| which_api(&status));
    Some(janus(
        api,
        Place::WebSocket(path.to_owned(), subprotocol),
        info,
    ))
}

fn janus(api: Api, place: Place, info: ServerInfo) -> Seen {
    // Sessions are of the API for clients; the description is the same at both.
    let accepts_sessions = info.accepts_sessions.filter(|_| api == Api::Janus);
    Seen {
        api,
        place,
        version: info.version,
        accepts_sessions,
    }
}

async fn kurento(server: &AskedServer, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    for path in candidates(paths, &["/kurento"]) {
        let Some(mut socket) = server.open(&path, None).await? else {
            continue;
        };
        let pong = socket.ask(PING_KURENTO).await;
        let seen = match pong.is_some_and(|pong| is_pong_of_kurento(&pong)) {
            true => Some(Seen {
                api: Api::Kurento,
                place: Place::Kurento(path),
                version: version_of_kurento(&mut socket).await,
                accepts_sessions: None,
            }),
            false => None,
        };
        socket.close().await;
        if seen.is_some() {
            return Ok(seen);
        }
    }
    Ok(None)
}

/// Kurento begins a session for each client that asks for more than a pong, so that is ended at
/// once.
async fn version_of_kurento(socket: &mut Socket) -> Option<String> {
    let (version, session) = answers::kurento_info(&socket.ask(answers::GET_INFO_KURENTO).await?);
    if let Some(session) = session {
        // Whatever Kurento says of it, it also ends the session of a closed connection some time.
        _ = socket
            .ask(&answers::close_session_of_kurento(&session))
            .await;
    }
    version
}

/// Prosody shows a page at each of its paths. A page that is the operator's own says nothing, but
/// a WebSocket for XMPP does.
async fn xmpp(server: &AskedServer, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    let seen = |api, path: &String, carrier| {
        Some(Seen {
            api,
            place: Place::Xmpp(path.clone(), carrier),
            version: None,
            accepts_sessions: None,
        })
    };
    for path in paths {
        let page = answer(server.get(path).await)?;
        if let Some(carrier) = page.and_then(|page| carrier_in(&page.body)) {
            return Ok(seen(Api::Prosody, path, carrier));
        }
    }
    for path in paths {
        if let Some(socket) = server.open(path, Some("xmpp")).await? {
            socket.close().await;
            return Ok(seen(Api::SomeXmpp, path, Carrier::WebSocket));
        }
    }
    Ok(None)
}

/// A server that closes one connection without an answer may answer on another.
pub(super) fn answer(
    asked: Result<ServerAnswer, NoAnswer>,
) -> Result<Option<ServerAnswer>, NoAnswer> {
    match asked {
        Ok(answer) => Ok(Some(answer).filter(|answer| answer.status.is_success())),
        Err(NoAnswer::Closed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_routes_lead_to_is_asked_and_nothing_twice() {
        let paths = |list: &[&str]| {
            list.iter()
                .map(|path| (*path).to_owned())
                .collect::<Vec<_>>()
        };
        let ask = |list: &[&str]| candidates(&paths(list), &["/janus", "/admin"]);
        assert_eq!(ask(&["/janus"]), ["/janus", "/janus/janus", "/janus/admin"]);
        assert_eq!(
            ask(&["", "/janus"]),
            ["/janus", "/admin", "/janus/janus", "/janus/admin"]
        );
        let many: Vec<String> = (0..100).map(|n| format!("/{n}")).collect();
        assert_eq!(candidates(&many, &["/janus"]).len(), MOST_PATHS);
    }
}
