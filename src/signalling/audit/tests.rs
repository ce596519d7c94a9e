use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::*;
use crate::clock::UnixTime;
use crate::signalling::owners::{Limits, Owner, Owners};
use crate::signalling::rules::{Effect, MessageRules, Names, Rule};
use crate::signalling::{
    AnyInspector, Backend, Context, Direction, Ids, MessageToken, Observer, judge, presets,
};
use crate::token::claims::Claims;

/// Keeps the lines of what is audited.
#[derive(Default)]
struct Lines(RefCell<Vec<String>>);

impl Observer for Lines {
    fn judged(&self, record: &Record<'_>) {
        if record.is_audited() {
            let line = record.audit_line(&Origin {
                time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_283_269_007),
                client: &"192.0.2.7",
                user: Some("staff:alice"),
                host: &"media.example.com",
                route: "/janus",
                upstream: "janus",
                transport: Transport::WebSocket,
                request: &"0f0e",
                hash: &|id| format!("hash of {}", &id[id.len() - 1..]),
            });
            self.0.borrow_mut().push(line);
        }
    }
}

fn rules(presets: &[&str]) -> MessageRules {
    let no_echo = Rule {
        requests: Names::one_of(["configure"]),
        ..Rule::new("no changes", Effect::Deny)
    };
    let presets = presets
        .iter()
        .flat_map(|name| presets::find(name).unwrap().rules());
    MessageRules::new(std::iter::once(no_echo).chain(presets)).of_policy("operators")
}

/// The lines of what a client sends that has the session 5001 with the handles 5011 of VideoRoom
/// and 5012 of Streaming.
fn lines(protocol: Protocol, presets: &[&str], message: &str) -> Vec<Json> {
    let now = Instant::now();
    let owners = Owners::new(Limits::default());
    let owner = Owner::of_subject("staff", "alice");
    owners.created(owners.reserve_session(owner).unwrap(), 5001, now);
    for (handle, plugin) in [(5011, "videoroom"), (5012, "streaming")] {
        let place = owners.reserve_handle(owner).unwrap();
        let plugin = format!("janus.plugin.{plugin}");
        owners.attached(place, 5001, handle, plugin.into());
    }
    let backend = Backend::new(protocol, owners);
    let claims = br#"{"exp":1,"iss":"https://login","sub":"alice","jti":"j","room_ids":[1234]}"#;
    let (claims, rules) = (Claims::parse(claims).unwrap(), rules(presets));
    let seen = Lines::default();
    let context = Context {
        backend: &backend,
        ids: Ids::default(),
        rules: Some(&rules),
        claims: Some(&claims),
        owner,
        time: UnixTime(0),
        now,
        is_in_grace: false,
        token: MessageToken::Absent,
        observer: &seen,
    };
    let mut inspector = AnyInspector::new(protocol, 1);
    judge(&mut inspector, Direction::ToServer, message, &context).for_each(drop);
    let parse = |line: &String| {
        assert!(line.len() < 4096, "{line}");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    seen.0.borrow().iter().map(parse).collect()
}

fn to_plugin(handle: i64, body: &str) -> String {
    format!(
        r#"{{"janus":"message","session_id":5001,"handle_id":{handle},"transaction":"t",
            "apisecret":"s3cret","token":"t0ken","jsep":{{"type":"offer","sdp":"v=0"}},
            "body":{body}}}"#
    )
}

#[test]
fn a_line_says_who_did_what_to_whom_by_which_rule() {
    let kick = to_plugin(
        5011,
        r#"{"request":"KICK","room":1234,"id":5678,"secret":"adminpwd"}"#,
    );
    let lines = lines(Protocol::Janus, &["janus-moderator"], &kick);
    let want = json!({
        "time": "2026-11-21T17:47:49.007Z", "level": "INFO", "kind": "message",
        "outcome": "allowed", "rule": "janus-moderator.1", "reason": null, "detail": null,
        "client": "192.0.2.7", "user": "staff:alice", "host": "media.example.com",
        "route": "/janus", "upstream": "janus", "transport": "ws", "id": "0f0e",
        "iss": "https://login", "sub": "alice", "jti": "j", "protocol": "janus",
        "verb": "message", "plugin": "janus.plugin.videoroom", "request": "kick", "room": 1234,
        "target": { "id": 5678 }, "session": "hash of 1", "handle": "hash of 1",
    });
    assert_eq!(lines, [want]);
}

#[test]
fn what_is_refused_has_a_line_with_the_reason_and_what_is_ordinary_has_none() {
    let caller = |message: &str| lines(Protocol::Janus, &["janus-caller"], message);
    let reason = |message: &str| match &caller(message)[..] {
        [] => "none".to_owned(),
        [line] => {
            assert_eq!(line["outcome"], "refused");
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            [text("reason"), text("rule"), text("detail")].join(" | ")
        }
        more => panic!("{more:?}"),
    };
    let join = |room: &str| to_plugin(5011, &format!(r#"{{"request":"join","room":{room}}}"#));
    for (message, want) in [
        (join("1234"), "none"),
        (r#"{"janus":"create","transaction":"t"}"#.into(), "none"),
        (
            join("4321"),
            "unmatched | - | the room is another, and the token's room_ids is [1234]",
        ),
        (
            to_plugin(5011, r#"{"request":"configure"}"#),
            "denied | no changes | -",
        ),
        (
            to_plugin(5011, r#"{"request":"join"}"#),
            "malformed | - | The request does not name its room",
        ),
        (to_plugin(5013, "{}"), "unknown_handle | - | -"),
        (
            r#"{"janus":"claim","session_id":777123,"transaction":"t"}"#.into(),
            "unknown_session | - | -",
        ),
        ("[]".into(), "unreadable | - | JSON error: not an object"),
        (
            r#"{"janus":"x""#.into(),
            "unreadable | - | Invalid JSON: unexpected end at byte 12",
        ),
    ] {
        assert_eq!(reason(&message), want, "{message}");
    }
}

#[test]
fn a_malformed_message_has_a_line_with_what_can_be_read_of_it() {
    let line = |message: &str| lines(Protocol::Janus, &["janus-caller"], message).remove(0);
    let fields = |message: &str| {
        let line = line(message);
        assert_eq!(line["reason"], "malformed");
        ["verb", "plugin", "request", "room", "handle"].map(|name| line[name].clone())
    };
    let room = Some("janus.plugin.videoroom");
    for (body, request, room_id) in [
        (r#"{"request":"JOIN"}"#, Some("join"), None),
        (
            r#"{"request":"join","room":1234,"ptype":1}"#,
            Some("join"),
            Some(1234),
        ),
        (
            r#"{"request":"join","room":1234,"room_id":1}"#,
            Some("join"),
            None,
        ),
        (r#"{"request":"join","room":[1234]}"#, Some("join"), None),
        (r#"{"request":1,"room":1234}"#, None, Some(1234)),
        (r#""join""#, None, None),
    ] {
        let want = json!(["message", room, request, room_id, "hash of 1"]);
        assert_eq!(json!(fields(&to_plugin(5011, body))), want, "{body}");
    }
    let bare = r#"{"janus":"Message","session_id":5001,"handle_id":5011}"#;
    let want = json!(["message", null, null, null, "hash of 1"]);
    assert_eq!(json!(fields(bare)), want);
    let admin = r#"{"janus":"message_plugin","transaction":"t","plugin":"janus.plugin.textroom",
        "request":{"request":"kick"}}"#;
    let line = lines(Protocol::JanusAdmin, &["janus-admin-observe"], admin).remove(0);
    assert_eq!(
        (&line["plugin"], &line["request"]),
        (&json!("janus.plugin.textroom"), &json!("kick"))
    );
}

#[test]
fn each_verb_of_the_admin_api_has_a_line() {
    let admin = |message: &str| lines(Protocol::JanusAdmin, &["janus-admin-observe"], message);
    let ping = admin(r#"{"janus":"ping","transaction":"t","admin_secret":"s3cret"}"#);
    assert_eq!(ping[0]["outcome"], "allowed");
    assert_eq!(ping[0]["protocol"], "janus-admin");
    let add = r#"{"janus":"add_token","token":"t0ken","session_id":5001,"transaction":"t"}"#;
    let add = &admin(add)[0];
    assert_eq!(
        (&add["verb"], &add["outcome"]),
        (&json!("add_token"), &json!("refused"))
    );
    assert_eq!(add["session"], "hash of 1");
    let inside = r#"{"janus":"message_plugin","transaction":"t","plugin":"janus.plugin.textroom",
        "request":{"request":"kick","room":"1234","username":"bob"}}"#;
    let inside = &admin(inside)[0];
    assert_eq!(
        (&inside["request"], &inside["room"]),
        (&json!("kick"), &json!("1234"))
    );
    assert_eq!(inside["target"], json!({ "username": "bob" }));
}

#[test]
fn no_secret_no_description_and_no_id_of_a_session_is_in_a_line() {
    let messages = [
        to_plugin(
            5011,
            r#"{"request":"edit","room":1234,"secret":"adminpwd","new_pin":"p1n"}"#,
        ),
        to_plugin(
            5012,
            r#"{"request":"create","id":1234,"pin":"p1n","id2":5001}"#,
        ),
        to_plugin(5013, r#"{"request":"join"}"#),
        r#"{"janus":"attach","session_id":5002,"apisecret":"s3cret","token":"t0ken",
            "transaction":"t"}"#
            .into(),
    ];
    for message in messages {
        let lines = lines(Protocol::Janus, &["janus-room-admin"], &message);
        assert_eq!(lines.len(), 1, "{message}");
        let text = lines[0].to_string();
        for word in [
            "s3cret", "t0ken", "adminpwd", "p1n", "v=0", "5001", "5002", "5011", "5013",
        ] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn fields_are_cut_and_what_controls_a_terminal_is_escaped() {
    let long = "é".repeat(200);
    let body = format!(r#"{{"request":"kick","room":"{long}","id":"a\u000ab","host":[1]}}"#);
    let line = &lines(
        Protocol::Janus,
        &["janus-moderator"],
        &to_plugin(5011, &body),
    )[0];
    assert_eq!(line["room"], format!("{}…", "é".repeat(128)));
    assert_eq!(line["target"], json!({ "id": "a\nb" }));
    let verb = format!(r#"{{"janus":"{}","transaction":"t"}}"#, "x".repeat(10_000));
    let line = &lines(Protocol::Janus, &[], &verb)[0];
    assert_eq!(line["verb"].as_str().unwrap().len(), 256 + '…'.len_utf8());
}

#[test]
fn the_mountpoint_of_streaming_is_its_room_and_no_target() {
    let message = to_plugin(5012, r#"{"request":"kick_all","id":99}"#);
    let line = &lines(Protocol::Janus, &["janus-moderator"], &message)[0];
    assert_eq!((&line["room"], &line["target"]), (&json!(99), &Json::Null));
}

#[test]
fn classes_are_numbered_in_the_order_of_their_labels() {
    for (at, (class, _)) in MessageClass::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, at);
    }
}

#[test]
fn a_uri_that_was_refused_is_shown_without_user_and_query() {
    for (uri, want) in [
        ("file:///etc/x", "file:///etc/x"),
        ("http://u:p@10.0.0.1:80/a?b", "http://…@10.0.0.1:80/a?…"),
        ("u:p@10.0.0.1:3478?x#y", "…@10.0.0.1:3478?…"),
        ("http://10.0.0.1:80/a@b", "http://10.0.0.1:80/a@b"),
        ("http://10.0.0.1/a@b", "http://10.0.0.1/a@b"),
        ("http://u:p/w@10.0.0.1/", "http://…@10.0.0.1/"),
        ("http:u:p@10.0.0.1/", "…@10.0.0.1/"),
        ("http://u@v@10.0.0.1\\@", "http://…@10.0.0.1\\@"),
        ("", ""),
    ] {
        assert_eq!(without_user(uri), want);
    }
}

/// The lines of what a client of Kurento sends that has the session S with a pipeline, while
/// another client has another.
fn kurento_lines(preset: &str, message: &str) -> Vec<Json> {
    let now = Instant::now();
    let owners = Owners::new(Limits::default());
    let owner = Owner::of_subject("staff", "alice");
    let place = owners.reserve_session(owner).unwrap();
    let _in_use = owners.objects().session_created(place, "session-1", now);
    let backend = Backend::new(Protocol::Kurento, owners);
    let rules = presets::find(preset).unwrap().rules();
    let prefix = "https://media.example.com/".parse().unwrap();
    let rules = MessageRules::new(rules).with_uris(&[prefix]);
    let seen = Lines::default();
    let context = Context {
        backend: &backend,
        ids: Ids::default(),
        rules: Some(&rules),
        claims: None,
        owner,
        time: UnixTime(0),
        now,
        is_in_grace: false,
        token: MessageToken::Absent,
        observer: &seen,
    };
    let mut inspector = AnyInspector::new(Protocol::Kurento, 1);
    judge(&mut inspector, Direction::ToServer, message, &context).for_each(drop);
    let lines = seen.0.borrow();
    let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn kurento(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

#[test]
fn a_line_for_kurento_names_session_and_object_and_the_uri_that_was_refused() {
    const FOREIGN: &str = "0a1b2c3d-0000-4000-8000-000000000002_kurento.MediaPipeline";
    let fields = |line: &Json| {
        let names = [
            "outcome", "rule", "reason", "verb", "plugin", "request", "target", "session", "handle",
        ];
        json!(names.map(|name| line[name].clone()))
    };
    let with_session =
        |rest: &str| format!(r#"{{"sessionId":"session-1","object":"{FOREIGN}"{rest}}}"#);
    let release = kurento("release", &with_session(""));
    let lines = kurento_lines("kurento-operator", &release);
    let kind = "MediaPipeline";
    let want = json!([
        "allowed",
        "kurento-operator.6",
        null,
        "release",
        kind,
        null,
        null,
        "hash of 1",
        "hash of e"
    ]);
    assert_eq!(lines.iter().map(fields).collect::<Vec<_>>(), [want]);

    let lines = kurento_lines("kurento-app", &release);
    let want = json!([
        "refused",
        null,
        "unknown_handle",
        "release",
        kind,
        null,
        null,
        "hash of 1",
        "hash of e"
    ]);
    assert_eq!(lines.iter().map(fields).collect::<Vec<_>>(), [want]);

    let list = r#"{"object":"manager_ServerManager","operation":"getPipelines"}"#;
    let lines = kurento_lines("kurento-operator", &kurento("invoke", list));
    let want = json!([
        "allowed",
        "kurento-operator.3",
        null,
        "invoke",
        "ServerManager",
        "getPipelines",
        null,
        null,
        "hash of r"
    ]);
    assert_eq!(lines.iter().map(fields).collect::<Vec<_>>(), [want]);

    let create = r#"{"type":"PlayerEndpoint","constructorParams":
        {"a":{"uri":"https://media.example.com/x"},"uri":"http://u:p@169.254.169.254/?t=1"}}"#;
    let lines = kurento_lines("kurento-app", &kurento("create", create));
    let want = json!([
        "refused", null, "unmatched", "create", "PlayerEndpoint", null,
        { "uri": "http://…@169.254.169.254/?…" }, null, null
    ]);
    assert_eq!(lines.iter().map(fields).collect::<Vec<_>>(), [want]);
    assert_eq!(
        lines[0]["detail"],
        "the member uri has a user name or password"
    );
}
