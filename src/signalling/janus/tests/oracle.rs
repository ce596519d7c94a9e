//! What Janus reads of a text, written again without the gateway's reader: of two members with one
//! name the last one counts, escapes are undone, verbs and requests have no case, and all documents
//! of a message are executed.
//!
//! [`check`] says whether a text that goes on to Janus is one that the preset `janus-caller` is
//! for. The client's rooms are 1234, 77 and `green`, it has session 1 with its handles, and the
//! upstream's `api_secret` is `s3cret`.

use serde_json::Value;

/// The handles of session 1.
pub(crate) const HANDLES: [(i64, &str); 8] = [
    (11, "janus.plugin.videoroom"),
    (12, "janus.plugin.audiobridge"),
    (13, "janus.plugin.textroom"),
    (14, "janus.plugin.streaming"),
    (15, "janus.plugin.echotest"),
    (16, "janus.plugin.videocall"),
    (17, "janus.plugin.sfu"),
    (18, "janus.plugin.lua"),
];

/// The claims of the client's token.
pub(crate) const CLAIMS: &str =
    r#"{"exp":4000000000,"sub":"alice","room_ids":[1234,"green"],"room":77}"#;

/// The secret of the upstream.
pub(crate) const SECRET: &str = "s3cret";

/// Whether a forwarded text is one of those that a caller may send.
pub(crate) fn check(forwarded: &str) -> Result<(), String> {
    let documents = serde_json::Deserializer::from_str(forwarded).into_iter::<Value>();
    let documents: Result<Vec<Value>, _> = documents.collect();
    let documents = documents.map_err(|error| format!("not JSON: {error}"))?;
    let [document] = &documents[..] else {
        return Err(format!("{} documents", documents.len()));
    };
    if document["apisecret"] != SECRET {
        return Err("without the secret".into());
    }
    if document.get("token").is_some() || document.get("admin_secret").is_some() {
        return Err("with a secret of the client's".into());
    }
    let session = document.get("session_id").filter(|id| !id.is_null());
    if session.is_some_and(|session| *session != 1) {
        return Err(format!("another's session {session:?}"));
    }
    let verb = lower(&document["janus"])?;
    let handle = document["handle_id"].as_i64();
    let plugin = HANDLES
        .iter()
        .find(|(id, _)| Some(*id) == handle)
        .map(|(_, plugin)| *plugin);
    match &*verb {
        "create" | "keepalive" | "claim" | "destroy" => Ok(()),
        "attach" => match document["plugin"].as_str() {
            Some(plugin) if !["janus.plugin.sfu", "janus.plugin.lua"].contains(&plugin) => {
                let known = HANDLES.iter().any(|(_, name)| *name == plugin);
                if known {
                    Ok(())
                } else {
                    Err(format!("attach to {plugin}"))
                }
            }
            _ => Err("attach to what?".into()),
        },
        "trickle" | "hangup" | "detach" => plugin.map(|_| ()).ok_or("no handle".into()),
        "message" => request(plugin.ok_or("no handle")?, &document["body"]),
        other => Err(format!("verb {other}")),
    }
}

fn request(plugin: &str, body: &Value) -> Result<(), String> {
    for name in ["record", "filename", "secret", "admin_key", "rtp"] {
        if has_member(body, name) {
            return Err(format!("member {name}"));
        }
    }
    if plugin == "janus.plugin.echotest" {
        return Ok(());
    }
    if plugin == "janus.plugin.textroom" && body.get("textroom").is_some() {
        return Err("a second request".into());
    }
    let request = lower(&body["request"])?;
    let (in_room, others, room): (&[&str], &[&str], &str) = match plugin {
        "janus.plugin.videoroom" => (
            &["join", "joinandconfigure", "exists", "listparticipants"],
            &[
                "configure",
                "publish",
                "unpublish",
                "subscribe",
                "unsubscribe",
                "update",
                "start",
                "pause",
                "switch",
                "leave",
            ],
            "room",
        ),
        "janus.plugin.audiobridge" => (
            &["join", "changeroom", "exists", "listparticipants"],
            &["configure", "leave", "hangup"],
            "room",
        ),
        "janus.plugin.textroom" => (
            &["join", "leave", "message", "exists", "listparticipants"],
            &["setup", "ack", "restart"],
            "room",
        ),
        "janus.plugin.streaming" => (
            &["watch", "switch", "info"],
            &["configure", "start", "pause", "stop"],
            "id",
        ),
        "janus.plugin.videocall" => (&[], &["register", "call", "accept", "set", "hangup"], ""),
        other => return Err(format!("plugin {other}")),
    };
    if others.contains(&&*request) {
        return Ok(());
    }
    if !in_room.contains(&&*request) {
        return Err(format!("request {request}"));
    }
    let room = &body[room];
    if *room == 1234 || *room == 77 || *room == "green" {
        Ok(())
    } else {
        Err(format!("room {room}"))
    }
}

fn lower(value: &Value) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_ascii_lowercase)
        .ok_or(format!("{value} is no text"))
}

fn has_member(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(member, value)| member == name || has_member(value, name)),
        Value::Array(items) => items.iter().any(|item| has_member(item, name)),
        _ => false,
    }
}
