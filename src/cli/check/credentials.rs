//! Whether Janus accepts the secrets that the gateway puts into messages.

use ianitor::clock;
use ianitor::health::{AskedServer, Place};
use ianitor::route::upstream::{Protocol, UpstreamSpec};
use ianitor::signalling::RejectedKey;
use ianitor::signalling::janus::Credentials;
use serde_json::{Value, json};

/// Sends a message that changes nothing and needs the secrets. Returns the key whose secret Janus
/// rejects; `None` if it accepts it, there is none, or the answer does not say.
pub(super) async fn rejected(
    server: &AskedServer,
    upstream: &UpstreamSpec,
    place: &Place,
) -> Option<RejectedKey> {
    // A file that cannot be read has been reported before.
    let credentials = upstream.credentials().ok()?;
    let key = credentials.rejected_key(upstream.protocol.of_messages()?)?;
    let message = message(upstream.protocol, &credentials).to_string();
    let answer = match place {
        Place::Rest(base) => {
            let answer = server.post(&format!("{base}/"), message).await.ok()?;
            answer.body.to_vec()
        }
        Place::WebSocket(path, subprotocol) => {
            let mut socket = server.open(path, Some(subprotocol)).await.ok()??;
            let answer = socket.ask(&message).await;
            socket.close().await;
            answer?
        }
        Place::Kurento(_) | Place::Xmpp(..) => return None,
    };
    is_unauthorized(&answer).then_some(key)
}

/// Janus looks for a secret before it looks for the session, and has no session 1: ids are random.
fn message(protocol: Protocol, credentials: &Credentials) -> Value {
    let secret = credentials.secret.as_ref().map(|secret| secret.reveal());
    let mut message = match protocol {
        Protocol::JanusAdmin => json!({ "janus": "get_status", "admin_secret": secret }),
        _ => json!({ "janus": "keepalive", "session_id": 1 }),
    };
    message["transaction"] = "ianitor".into();
    if protocol == Protocol::Janus {
        let token = credentials.mint(clock::UnixTime::now(), None);
        let values = [("apisecret", secret), ("token", token.as_ref())];
        for (name, value) in values {
            if let Some(value) = value {
                message[name] = (**value).into();
            }
        }
    }
    message
}

/// Whether this is the answer of Janus to a message without the right secret.
fn is_unauthorized(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["janus"] == "error" && answer["error"]["code"] == 403
}
