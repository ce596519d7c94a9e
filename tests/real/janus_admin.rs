//! The admin API by roles: what each may do, as a real Janus shows that it was done.

use serde_json::{Value, json};

use crate::support::Bystander;
use crate::support::guarded::{ADMIN_ROLES, Guarded};
use crate::support::janus::{ADMIN_SECRET, OTHER_ROOM, ROOM};
use crate::support::talk::{Talk, Way};

const WAYS: [Way; 3] = [Way::Http1, Way::Http2, Way::Rest];

/// Every verb of Janus 1.1.2, by role, with what it needs; of sessions and handles there are none
/// with these ids.
const VERBS: [(&str, &[(&str, &str)]); 4] = [
    (
        "observe",
        &[
            ("ping", "{}"),
            ("info", "{}"),
            ("get_status", "{}"),
            ("list_sessions", "{}"),
            ("list_handles", r#"{"session_id":7}"#),
            ("loops_info", "{}"),
            (
                "query_transport",
                r#"{"transport":"janus.transport.websockets"}"#,
            ),
            ("query_eventhandler", r#"{"handler":"none"}"#),
            ("query_logger", r#"{"logger":"none"}"#),
        ],
    ),
    (
        "operate",
        &[
            ("set_session_timeout", r#"{"timeout":61}"#),
            ("set_min_nack_queue", r#"{"min_nack_queue":200}"#),
            ("set_nack_optimizations", r#"{"nack_optimizations":true}"#),
            ("set_no_media_timer", r#"{"no_media_timer":2}"#),
            ("set_slowlink_threshold", r#"{"slowlink_threshold":1}"#),
            ("accept_new_sessions", r#"{"accept":true}"#),
            ("destroy_session", r#"{"session_id":7}"#),
            ("detach_handle", r#"{"session_id":7,"handle_id":8}"#),
            ("hangup_webrtc", r#"{"session_id":7,"handle_id":8}"#),
            ("custom_event", r#"{"schema":"x","data":{}}"#),
            (
                "query_transport",
                r#"{"transport":"janus.transport.websockets","request":{"request":"configure"}}"#,
            ),
            (
                "query_eventhandler",
                r#"{"handler":"none","request":{"request":"tweak"}}"#,
            ),
            (
                "query_logger",
                r#"{"logger":"none","request":{"request":"CONFIGURE"}}"#,
            ),
        ],
    ),
    (
        "debug",
        &[
            ("handle_info", r#"{"session_id":7,"handle_id":8}"#),
            ("set_log_level", r#"{"level":3}"#),
            ("set_log_timestamps", r#"{"timestamps":true}"#),
            ("set_log_colors", r#"{"colors":false}"#),
            ("set_locking_debug", r#"{"debug":false}"#),
            ("set_refcount_debug", r#"{"debug":false}"#),
            ("set_libnice_debug", r#"{"debug":false}"#),
            ("custom_logline", r#"{"line":"x","level":4}"#),
            ("resolve_address", r#"{"address":"127.0.0.1"}"#),
            ("test_stun", r#"{"address":"127.0.0.1","port":9}"#),
            ("start_pcap", r#"{"session_id":7,"handle_id":8}"#),
            ("start_text2pcap", r#"{"session_id":7,"handle_id":8}"#),
            ("stop_pcap", r#"{"session_id":7,"handle_id":8}"#),
            ("stop_text2pcap", r#"{"session_id":7,"handle_id":8}"#),
        ],
    ),
    (
        "secrets",
        &[
            ("list_tokens", "{}"),
            ("add_token", r#"{"token":"x"}"#),
            (
                "allow_token",
                r#"{"token":"x","plugins":["janus.plugin.echotest"]}"#,
            ),
            (
                "disallow_token",
                r#"{"token":"x","plugins":["janus.plugin.echotest"]}"#,
            ),
            ("remove_token", r#"{"token":"x"}"#),
        ],
    ),
];

/// What cannot be told from the answer: settings, and what there is.
fn everything(guarded: &Guarded) -> Value {
    let mut status = guarded.janus.admin("get_status", json!({}));
    json!([status["status"].take(), guarded.janus.state()])
}

#[track_caller]
fn is_refused(answer: &Value) {
    assert_eq!(answer["error"]["code"], 403, "{answer}");
    assert_eq!(answer["error"]["reason"], "Not allowed", "{answer}");
}

fn each_role_has_its_verbs(name: &str, way: Way) {
    let guarded = Guarded::start(name, &[]);
    let mut talks: Vec<_> = ADMIN_ROLES
        .iter()
        .map(|role| (*role, guarded.admin(way, role)))
        .collect();
    let mut before = everything(&guarded);
    for (owner, verbs) in VERBS {
        for (verb, members) in verbs {
            let mut message: Value = serde_json::from_str(members).unwrap();
            message["janus"] = (*verb).into();
            // A client's idea of the secret is none of Janus' business.
            message["admin_secret"] = "a guess".into();
            let mut others = talks.iter_mut().filter(|(role, _)| *role != owner);
            for (_, talk) in &mut others {
                is_refused(&talk.ask(message.clone()));
                message["janus"] = verb.to_uppercase().into();
                is_refused(&talk.ask(message.clone()));
                message["janus"] = (*verb).into();
            }
            assert_eq!(everything(&guarded), before, "{verb}");
            let mut own = talks.iter_mut().filter(|(role, _)| *role == owner);
            let (_, talk) = own.next().unwrap();
            let answer = talk.ask(message.clone());
            // Neither the gateway nor the secret was in the way, and Janus knows the verb.
            let code = answer["error"]["code"].as_u64().unwrap_or_default();
            assert!(![403, 453, 457].contains(&code), "{verb}: {answer}");
            assert!(!talk.seen.contains(ADMIN_SECRET), "{verb}");
            before = everything(&guarded);
        }
    }
    let set = &before[0];
    assert_eq!(
        (&set["session_timeout"], &set["log_level"]),
        (&json!(61), &json!(3))
    );
}

#[test]
fn each_role_has_the_admin_verbs_of_its_class_over_http1() {
    each_role_has_its_verbs("admin-http1", Way::Http1);
}

#[test]
fn each_role_has_the_admin_verbs_of_its_class_over_http2() {
    each_role_has_its_verbs("admin-http2", Way::Http2);
}

#[test]
fn each_role_has_the_admin_verbs_of_its_class_over_requests() {
    each_role_has_its_verbs("admin-rest", Way::Rest);
}

#[test]
fn a_request_to_a_transport_is_a_change() {
    let guarded = Guarded::start("query", &[]);
    for way in WAYS {
        let mut observer = guarded.admin(way, "observe");
        let query = |request: &str| {
            json!({"janus": "query_transport", "transport": "janus.transport.websockets",
                "request": {"request": request, "logging": "err"}})
        };
        for request in ["configure", "CONFIGURE", "connections"] {
            is_refused(&observer.ask(query(request)));
        }
        let mut operator = guarded.admin(way, "operate");
        let answer = operator.ask(query("configure"));
        assert_eq!(answer["janus"], "success", "{answer}");
        assert_eq!(answer["response"]["result"], 200, "{answer}");
    }
}

fn to_plugin(plugin: &str, request: Value) -> Value {
    json!({"janus": "message_plugin", "plugin": format!("janus.plugin.{plugin}"),
        "request": request})
}

#[test]
fn a_message_to_a_plugin_is_judged_by_what_is_in_it() {
    let guarded = Guarded::start("message-plugin", &[]);
    let janus = &guarded.janus;
    janus.add_rooms(&[ROOM, OTHER_ROOM]);
    for way in WAYS {
        let zoe = Bystander::join(janus, "", "videoroom", ROOM, "Zoe");
        let mut talk: Talk = guarded.admin(way, "message-plugin");
        let before = janus.state();
        for (plugin, request) in [
            ("videoroom", json!({"request": "join", "room": ROOM})),
            ("videoroom", json!({"request": "frobnicate", "room": ROOM})),
            (
                "videoroom",
                json!({"request": "create", "room": 99, "record": true, "rec_dir": "/tmp"}),
            ),
            (
                "videoroom",
                json!({"request": "enable_recording", "room": ROOM, "record": true}),
            ),
            (
                "videoroom",
                json!({"request": "rtp_forward", "room": ROOM, "host": "127.0.0.1"}),
            ),
            (
                "audiobridge",
                json!({"request": "play_file", "room": ROOM, "filename": "/etc/passwd"}),
            ),
            (
                "audiobridge",
                json!({"request": "rtp_forward", "room": ROOM, "host": "127.0.0.1", "port": 9,
                    "codec": "opus", "always_on": true}),
            ),
            (
                "textroom",
                json!({"request": "list", "textroom": "destroy", "room": ROOM}),
            ),
            (
                "streaming",
                json!({"request": "create", "type": "rtp", "id": 99, "audio": true,
                    "audioport": 0, "audiopt": 111, "audiortpmap": "opus/48000/2"}),
            ),
            ("echotest", json!({})),
        ] {
            let answer = talk.ask(to_plugin(plugin, request));
            assert_eq!(answer["error"]["code"], 403, "{answer}");
            assert_eq!(janus.state(), before, "{answer}");
        }
        let kick = json!({"request": "kick", "room": ROOM, "id": zoe.participant});
        let answer = talk.ask(to_plugin("videoroom", kick));
        assert_eq!(answer["response"]["videoroom"], "success", "{answer}");
        assert!(janus.participants("videoroom", ROOM).is_empty());
        for (plugin, member) in [("videoroom", "videoroom"), ("audiobridge", "audiobridge")] {
            let create = json!({"request": "create", "room": 99});
            let answer = talk.ask(to_plugin(plugin, create));
            assert_eq!(answer["response"][member], "created", "{answer}");
            assert!(janus.rooms(plugin).contains(&99));
            let destroy = json!({"request": "destroy", "room": 99});
            talk.ask(to_plugin(plugin, destroy));
            assert!(!janus.rooms(plugin).contains(&99));
        }
        janus.admin("destroy_session", json!({"session_id": zoe.session}));
    }
}
