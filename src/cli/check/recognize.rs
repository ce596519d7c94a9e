//! What a server is, by what it answers: Janus with its API or its admin API, by REST or WebSocket,
//! or Kurento.
//!
//! Nothing that is asked here changes anything, and none of it needs a secret.

use serde_json::Value;

use super::probe::{Answer, Server, Silent, Socket};
use ianitor::route::upstream::Protocol;

/// What a server turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) api: Api,
    /// Where and how that was seen: "at /janus", "by WebSocket".
    pub(super) place: String,
    /// As it says itself.
    pub(super) version: Option<String>,
}

/// An API that is known by its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Janus,
    JanusAdmin,
    /// A Janus, and nothing said which of its two APIs this is.
    SomeJanus,
    Kurento,
}

impl Api {
    /// What an upstream with it declares.
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Janus | Self::SomeJanus => Protocol::Janus,
            Self::JanusAdmin => Protocol::JanusAdmin,
            Self::Kurento => Protocol::Kurento,
        }
    }

    /// For a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Janus => "the Janus API",
            Self::JanusAdmin => "Janus' ADMIN API",
            Self::SomeJanus => "a Janus (its admin API or not: it does not tell)",
            Self::Kurento => "Kurento's control port",
        }
    }
}

/// Asks a server what it is, at the paths that routes lead to. Of several things the one that
/// controls more.
///
/// # Errors
/// If it stops answering.
pub(super) async fn recognize(
    server: &Server,
    declared: Protocol,
    paths: &[String],
) -> Result<Option<Seen>, Silent> {
    let mut seen = None;
    if declared == Protocol::Kurento {
        seen = kurento(server, paths).await?;
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
    Ok(seen)
}

/// How many paths are asked for each thing that might be there.
const MOST_PATHS: usize = 8;

/// Where something with one of these default paths may be found through the routes: where they lead
/// to, and below that, since Janus serves its path wherever it stands in a longer one. What no
/// route reaches is not asked.
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

async fn janus_rest(server: &Server, paths: &[String]) -> Result<Option<Seen>, Silent> {
    let mut seen: Option<Seen> = None;
    for base in candidates(paths, &["/janus", "/admin"]) {
        let Some(info) = answer(server.get(&format!("{base}/info")).await)? else {
            continue;
        };
        let Some(version) = server_info(&info.body) else {
            continue;
        };
        // Janus finds its path in a longer one only if it ends with a slash.
        let status = answer(server.post(&format!("{base}/"), GET_STATUS).await)?;
        let api = status.map_or(Api::SomeJanus, |status| which_api(&status.body));
        let found = Seen {
            api,
            place: format!("at {base}"),
            version,
        };
        if api == Api::JanusAdmin {
            return Ok(Some(found));
        }
        seen.get_or_insert(found);
    }
    Ok(seen)
}

async fn janus_websocket(server: &Server, paths: &[String]) -> Result<Option<Seen>, Silent> {
    let path = paths
        .first()
        .filter(|path| !path.is_empty())
        .map_or("/", |path| path.as_str());
    for subprotocol in ["janus-protocol", "janus-admin-protocol"] {
        let Some(mut socket) = server.open(path, Some(subprotocol)).await? else {
            continue;
        };
        let seen = talk_janus(&mut socket, subprotocol).await;
        socket.close().await;
        if seen.is_some() {
            return Ok(seen);
        }
    }
    Ok(None)
}

/// That a server takes the subprotocol says little: some take any.
async fn talk_janus(socket: &mut Socket, subprotocol: &str) -> Option<Seen> {
    let info = socket
        .ask(r#"{"janus":"info","transaction":"ianitor"}"#)
        .await?;
    let version = server_info(&info)?;
    let status = socket.ask(GET_STATUS).await;
    let api = status.map_or(Api::SomeJanus, |status| which_api(&status));
    Some(Seen {
        api,
        place: format!("by WebSocket ({subprotocol})"),
        version,
    })
}

async fn kurento(server: &Server, paths: &[String]) -> Result<Option<Seen>, Silent> {
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
                place: format!("at {path}"),
                version: None,
            }));
        }
    }
    Ok(None)
}

/// A server that closes one connection without an answer may answer on another.
fn answer(asked: Result<Answer, Silent>) -> Result<Option<Answer>, Silent> {
    match asked {
        Ok(answer) => Ok(Some(answer).filter(|answer| answer.status.is_success())),
        Err(Silent::Closed(_)) => Ok(None),
        Err(silent) => Err(silent),
    }
}

/// A request of the admin API alone, which only reads. Both APIs answer it without a secret: one by
/// saying that it needs one, the other that there is no such request.
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

/// Whether Janus describes itself here, and as which version, if it says one.
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
        assert!(is_pong(
            br#"{"id":1,"jsonrpc":"2.0","result":{"value":"pong"}}"#
        ));
        assert!(!is_pong(br#"{"id":1,"jsonrpc":"2.0","result":"pong"}"#) && !is_pong(b""));
    }
}
