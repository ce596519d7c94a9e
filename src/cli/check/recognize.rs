//! Recognizes a server by its answers: Janus with its API or its admin API, by REST or WebSocket,
//! Kurento, or Prosody.
//!
//! These requests change nothing and need no secret.

use serde_json::Value;

use super::probe::{NoAnswer, Server, ServerAnswer, Socket};
use super::seen::{Api, Place, Seen};
use ianitor::route::tenant::XMPP_PATHS;
use ianitor::route::upstream::Protocol;

/// Asks a server what it is, at the paths that routes lead to. If it is several things, the one
/// that controls more is returned.
///
/// # Errors
/// If the server stops answering.
pub(super) async fn recognize(
    server: &Server,
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
fn candidates(paths: &[String], defaults: &[&str]) -> Vec<String> {
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

async fn janus_rest(server: &Server, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    let mut seen: Option<Seen> = None;
    for base in candidates(paths, &["/janus", "/admin"]) {
        let Some(info) = answer(server.get(&format!("{base}/info")).await)? else {
            continue;
        };
        let Some(version) = server_info(&info.body) else {
            continue;
        };
        // Janus finds its path inside a longer one only if that ends with a slash.
        let status = answer(server.post(&format!("{base}/"), GET_STATUS).await)?;
        let api = status.map_or(Api::SomeJanus, |status| which_api(&status.body));
        let found = Seen {
            api,
            place: Place::Rest(base),
            version,
        };
        if api == Api::JanusAdmin {
            return Ok(Some(found));
        }
        seen.get_or_insert(found);
    }
    Ok(seen)
}

async fn janus_websocket(server: &Server, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
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
    let info = socket
        .ask(r#"{"janus":"info","transaction":"ianitor"}"#)
        .await?;
    let version = server_info(&info)?;
    let status = socket.ask(GET_STATUS).await;
    let api = status.map_or(Api::SomeJanus, |status| which_api(&status));
    Some(Seen {
        api,
        place: Place::WebSocket(path.to_owned(), subprotocol),
        version,
    })
}

async fn kurento(server: &Server, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    for path in candidates(paths, &["/kurento"]) {
        let Some(mut socket) = server.open(&path, None).await? else {
            continue;
        };
        let pong = socket
            .ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"interval":240000}}"#)
            .await;
        socket.close().await;
        if pong.is_some_and(|pong| is_pong(&pong)) {
            return Ok(Some(Seen {
                api: Api::Kurento,
                place: Place::Kurento(path),
                version: None,
            }));
        }
    }
    Ok(None)
}

/// Prosody shows a page at each of its paths. A page that is the operator's own says nothing, but
/// a WebSocket for XMPP does.
async fn xmpp(server: &Server, paths: &[String]) -> Result<Option<Seen>, NoAnswer> {
    let seen = |api, path: &String, carrier| {
        Some(Seen {
            api,
            place: Place::Xmpp(path.clone(), carrier),
            version: None,
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
            return Ok(seen(Api::SomeXmpp, path, "WebSocket"));
        }
    }
    Ok(None)
}

/// By what a page of Prosody says that it carries XMPP.
fn carrier_in(page: &[u8]) -> Option<&'static str> {
    let page = String::from_utf8_lossy(page);
    let carriers = ["BOSH", "WebSocket"];
    let carrier = carriers.into_iter().find(|carrier| page.contains(carrier));
    carrier.filter(|_| page.contains("Prosody"))
}

/// A server that closes one connection without an answer may answer on another.
fn answer(asked: Result<ServerAnswer, NoAnswer>) -> Result<Option<ServerAnswer>, NoAnswer> {
    match asked {
        Ok(answer) => Ok(Some(answer).filter(|answer| answer.status.is_success())),
        Err(NoAnswer::Closed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A request that exists in the admin API only, and only reads. Without a secret, the admin API
/// answers "unauthorized" and the other one "unhandled".
const GET_STATUS: &str = r#"{"janus":"get_status","transaction":"ianitor"}"#;

fn which_api(answer: &[u8]) -> Api {
    const UNAUTHORIZED: u64 = 403;
    const UNHANDLED: u64 = 457;
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return Api::SomeJanus;
    };
    match (answer["janus"].as_str(), answer["error"]["code"].as_u64()) {
        (Some("success"), _) | (Some("error"), Some(UNAUTHORIZED)) => Api::JanusAdmin,
        (Some("error"), Some(UNHANDLED)) => Api::Janus,
        _ => Api::SomeJanus,
    }
}

/// The version in Janus' description of itself (`None` inside if it has none that can be shown);
/// `None` if this is no such description.
fn server_info(answer: &[u8]) -> Option<Option<String>> {
    let info: Value = serde_json::from_slice(answer).ok()?;
    let is_version = |text: &&str| {
        text.len() <= 16
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
    };
    let version = || {
        info["version_string"]
            .as_str()
            .filter(is_version)
            .map(str::to_owned)
    };
    (info["janus"] == "server_info").then(version)
}

fn is_pong(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["jsonrpc"] == "2.0" && answer["result"]["value"] == "pong"
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

    #[test]
    fn answers_tell_what_a_server_is() {
        assert_eq!(
            server_info(br#"{"janus":"server_info","version_string":"1.1.2"}"#),
            Some(Some("1.1.2".to_owned()))
        );
        assert_eq!(
            server_info(b"{\"janus\":\"server_info\",\"version_string\":\"\x1b[31m\"}"),
            None
        );
        assert_eq!(
            server_info(br#"{"janus":"server_info","version_string":"\u001b[31m"}"#),
            Some(None)
        );
        assert_eq!(server_info(br#"{"janus":"pong"}"#), None);
        assert_eq!(server_info(b"<html>"), None);
        for (answer, api) in [
            (
                r#"{"janus":"error","error":{"code":457,"reason":"Unhandled request"}}"#,
                Api::Janus,
            ),
            (r#"{"janus":"error","error":{"code":403}}"#, Api::JanusAdmin),
            (r#"{"janus":"success","status":{}}"#, Api::JanusAdmin),
            (
                r#"{"janus":"error","error":{"code":"457"}}"#,
                Api::SomeJanus,
            ),
            ("[]", Api::SomeJanus),
        ] {
            assert_eq!(which_api(answer.as_bytes()), api, "{answer}");
        }
        for (page, carrier) in [
            (
                "<p>Now point your BOSH client to this URL of Prosody.</p>",
                Some("BOSH"),
            ),
            ("<p>The WebSocket of Prosody</p>", Some("WebSocket")),
            ("<p>A page about Prosody</p>", None),
            ("<p>BOSH</p>", None),
            ("", None),
        ] {
            assert_eq!(carrier_in(page.as_bytes()), carrier, "{page}");
        }
        assert!(is_pong(
            br#"{"id":1,"jsonrpc":"2.0","result":{"value":"pong"}}"#
        ));
        assert!(!is_pong(br#"{"id":1,"jsonrpc":"2.0","result":"pong"}"#) && !is_pong(b""));
    }
}
