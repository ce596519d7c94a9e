//! What servers are asked, and what their answers say. Nothing here changes anything or needs a
//! secret.

use serde_json::{Value, json};

use super::seen::{Api, Carrier};

/// Asks a Janus whether it works, at both of its APIs.
pub(super) const PING: &str = r#"{"janus":"ping","transaction":"ianitor"}"#;

/// Asks a Janus to describe itself, at both of its APIs.
pub(super) const INFO: &str = r#"{"janus":"info","transaction":"ianitor"}"#;

/// Asks a Kurento whether it works. The interval is how long the connection may then be silent, in
/// milliseconds.
pub(super) const PING_KURENTO: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"interval":240000}}"#;

/// Asks a Kurento to describe itself.
pub(super) const GET_INFO_KURENTO: &str = concat!(
    r#"{"jsonrpc":"2.0","id":2,"method":"invoke","params":{"object":"manager_ServerManager","#,
    r#""operation":"getInfo","operationParams":{}}}"#,
);

/// A request that exists in the admin API only, and only reads. Without a secret, the admin API
/// answers "unauthorized" and the other one "unhandled".
pub(super) const GET_STATUS: &str = r#"{"janus":"get_status","transaction":"ianitor"}"#;

/// Which of its two APIs a Janus has, by its answer to [`GET_STATUS`].
pub(super) fn which_api(answer: &[u8]) -> Api {
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

/// Janus' description of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerInfo {
    /// `None` if there is none that can be shown.
    pub(super) version: Option<String>,
    /// Whether it accepts new sessions, if it says so.
    pub(super) accepts_sessions: Option<bool>,
}

/// Janus' description of itself, if that is what this is.
pub(super) fn server_info(answer: &[u8]) -> Option<ServerInfo> {
    let info: Value = serde_json::from_slice(answer).ok()?;
    (info["janus"] == "server_info").then(|| ServerInfo {
        version: version(&info["version_string"]),
        accepts_sessions: info["accepting-new-sessions"].as_bool(),
    })
}

/// A version that can be shown.
fn version(value: &Value) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
    let text = value.as_str()?;
    let is_version = !text.is_empty() && text.len() <= 16 && text.bytes().all(is_plain);
    is_version.then(|| text.to_owned())
}

/// Whether a Janus answers a ping.
pub(super) fn is_pong(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["janus"] == "pong"
}

/// The version in a Kurento's description of itself, and the session that it has begun for that.
pub(super) fn kurento_info(answer: &[u8]) -> (Option<String>, Option<String>) {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let result = &answer["result"];
    let session = result["sessionId"].as_str().map(str::to_owned);
    (version(&result["value"]["version"]), session)
}

/// Ends a session of Kurento.
pub(super) fn close_session_of_kurento(session: &str) -> String {
    json!({
        "jsonrpc": "2.0",
        "id": 3,
        "method": "closeSession",
        "params": { "sessionId": session },
    })
    .to_string()
}

/// Whether a Kurento answers a ping.
pub(super) fn is_pong_of_kurento(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["jsonrpc"] == "2.0" && answer["result"]["value"] == "pong"
}

/// By what a page of Prosody says that it carries XMPP.
pub(super) fn carrier_in(page: &[u8]) -> Option<Carrier> {
    let page = String::from_utf8_lossy(page);
    let carriers = [("BOSH", Carrier::Bosh), ("WebSocket", Carrier::WebSocket)];
    let mut named = carriers.into_iter().filter(|(name, _)| page.contains(name));
    let (_, carrier) = named.next().filter(|_| page.contains("Prosody"))?;
    Some(carrier)
}

/// Opens a stream of XMPP (RFC 7395, section 3.4).
pub(super) fn open_stream(domain: &str) -> String {
    format!("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{domain}' version='1.0'/>")
}

/// Whether a server of XMPP serves the domain of a stream, by its first two answers.
pub(super) fn serves_domain(opened: &[u8], next: Option<&[u8]>) -> bool {
    let is_unknown = |text: &[u8]| String::from_utf8_lossy(text).contains("host-unknown");
    !is_unknown(opened) && !next.is_some_and(is_unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_tell_what_a_server_is() {
        let info = |version: Option<&str>, accepts_sessions| ServerInfo {
            version: version.map(str::to_owned),
            accepts_sessions,
        };
        for (answer, said) in [
            (
                r#"{"janus":"server_info","version_string":"1.1.2","accepting-new-sessions":true}"#,
                Some(info(Some("1.1.2"), Some(true))),
            ),
            (
                r#"{"janus":"server_info","accepting-new-sessions":false}"#,
                Some(info(None, Some(false))),
            ),
            (
                "{\"janus\":\"server_info\",\"version_string\":\"\x1b[31m\"}",
                None,
            ),
            (
                r#"{"janus":"server_info","version_string":"\u001b[31m"}"#,
                Some(info(None, None)),
            ),
        ] {
            assert_eq!(server_info(answer.as_bytes()), said, "{answer}");
        }
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
                Some(Carrier::Bosh),
            ),
            ("<p>The WebSocket of Prosody</p>", Some(Carrier::WebSocket)),
            ("<p>A page about Prosody</p>", None),
            ("<p>BOSH</p>", None),
            ("", None),
        ] {
            assert_eq!(carrier_in(page.as_bytes()), carrier, "{page}");
        }
        assert!(is_pong(br#"{"janus":"pong"}"#) && !is_pong(br#"{"janus":"error"}"#));
        let pong = br#"{"id":1,"jsonrpc":"2.0","result":{"value":"pong"}}"#;
        assert!(is_pong_of_kurento(pong) && !is_pong_of_kurento(b""));
        assert!(!is_pong_of_kurento(
            br#"{"id":1,"jsonrpc":"2.0","result":"pong"}"#
        ));
        let info = br#"{"id":2,"result":{"sessionId":"s","value":{"version":"7.3.0"}}}"#;
        assert_eq!(
            kurento_info(info),
            (Some("7.3.0".to_owned()), Some("s".to_owned()))
        );
        assert_eq!(kurento_info(b"[]"), (None, None));
    }
}
