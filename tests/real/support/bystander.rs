//! A participant in a room who does not come through the gateway.

use serde_json::{Value, json};

use super::janus::Janus;
use super::until;

/// Its session is its own: what is done to it is seen by Janus' lists alone.
#[derive(Debug)]
pub(crate) struct Bystander {
    pub(crate) session: u64,
    pub(crate) handle: u64,
    /// Its number in the room.
    pub(crate) participant: u64,
    secret: String,
}

impl Bystander {
    /// Joins a room of VideoRoom or AudioBridge, with Janus' `api_secret`.
    pub(crate) fn join(janus: &Janus, secret: &str, plugin: &str, room: u64, name: &str) -> Self {
        let mut bystander = Self {
            session: 0,
            handle: 0,
            participant: 0,
            secret: secret.to_owned(),
        };
        let created = bystander.say(janus, json!({"janus": "create"}));
        bystander.session = created["data"]["id"].as_u64().unwrap();
        let attach = json!({"janus": "attach", "session_id": bystander.session,
            "plugin": format!("janus.plugin.{plugin}")});
        bystander.handle = bystander.say(janus, attach)["data"]["id"].as_u64().unwrap();
        let body = json!({"request": "join", "ptype": "publisher", "room": room, "display": name});
        let join = json!({"janus": "message", "session_id": bystander.session,
            "handle_id": bystander.handle, "body": body});
        bystander.say(janus, join);
        until(name, || janus.participant(plugin, room, name).is_some());
        bystander.participant = janus.participant(plugin, room, name).unwrap();
        bystander
    }

    /// Keeps its session.
    #[track_caller]
    pub(crate) fn keep(&self, janus: &Janus) {
        let kept = self.say(
            janus,
            json!({"janus": "keepalive", "session_id": self.session}),
        );
        assert_eq!(kept["janus"], "ack", "{kept}");
    }

    fn say(&self, janus: &Janus, mut message: Value) -> Value {
        message["apisecret"] = self.secret.clone().into();
        message["transaction"] = "b".into();
        janus.api(&message)
    }
}
