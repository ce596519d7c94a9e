//! As much of Janus as the load needs: sessions and handles by number, events for long polls, and
//! an answer to all else.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::Request;

/// A long poll is answered after so much at most; a second at least.
const LONGEST_POLL: u64 = 5_000;

/// The answer to a message on a WebSocket.
pub(super) fn websocket(text: &[u8]) -> String {
    let message: Value = serde_json::from_slice(text).unwrap_or_default();
    answer(&message, &message["session_id"], true)
}

/// The answer to a request, for a long poll after a while.
pub(super) async fn rest(request: &Request) -> String {
    let parts: Vec<&str> = request.path().split('/').skip(2).collect();
    let session = parts
        .first()
        .and_then(|id| id.parse::<u64>().ok())
        .map_or(Value::Null, Value::from);
    if request.method == "GET" {
        let chance = RandomState::new().hash_one(0) % (LONGEST_POLL - 1_000);
        tokio::time::sleep(Duration::from_millis(1_000 + chance)).await;
        let event = json!({"janus": "event", "session_id": session, "sender": 1,
            "plugindata": {"plugin": "janus.plugin.videoroom", "data": {"videoroom": "event"}}});
        return event.to_string();
    }
    let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    answer(&message, &session, false)
}

fn answer(message: &Value, session: &Value, is_websocket: bool) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    let transaction = &message["transaction"];
    let answer = match message["janus"].as_str() {
        Some("create" | "attach") => {
            let id = NEXT.fetch_add(1, Ordering::Relaxed);
            json!({"janus": "success", "session_id": session, "transaction": transaction,
                "data": {"id": id}})
        }
        Some("message") if is_websocket => {
            json!({"janus": "event", "session_id": session, "sender": message["handle_id"],
                "transaction": transaction, "plugindata": {"plugin": "janus.plugin.videoroom",
                "data": {"videoroom": "event", "configured": "ok"}}})
        }
        _ => json!({"janus": "ack", "session_id": session, "transaction": transaction}),
    };
    answer.to_string()
}
