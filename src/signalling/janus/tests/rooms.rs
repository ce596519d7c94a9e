//! The rooms that handles are in, and what happens when their clients may no longer be there.

use std::time::Duration;

use super::*;
use crate::signalling::rules::{Effect, RoomId, Rooms, Rule};

pub(super) fn handle_of(plugin: &str) -> i64 {
    let is_it = |(_, name): &&(i64, &str)| name.ends_with(&format!(".{plugin}"));
    oracle::HANDLES.iter().find(is_it).unwrap().0
}

pub(super) fn message(plugin: &str, body: &str) -> String {
    format!(
        r#"{{"janus":"message","transaction":"t","session_id":1,"handle_id":{},"body":{body}}}"#,
        handle_of(plugin)
    )
}

fn of_handle(verb: &str, plugin: &str) -> String {
    format!(
        r#"{{"janus":"{verb}","transaction":"t","session_id":1,"handle_id":{}}}"#,
        handle_of(plugin)
    )
}

/// What the client gets of a plugin's answer to one of its requests.
fn answered(client: &Client, api: &mut Gateway<Api>, plugin: &str, data: &str) {
    event(client, api, r#""transaction":"t","#, plugin, data);
}

fn event(client: &Client, api: &mut Gateway<Api>, transaction: &str, plugin: &str, data: &str) {
    let event = format!(
        r#"{{"janus":"event","session_id":1,{transaction}"sender":{},
            "plugindata":{{"plugin":"janus.plugin.{plugin}","data":{data}}}}}"#,
        handle_of(plugin)
    );
    assert_eq!(client.gets(api, &event), event);
}

/// A caller whose token names these rooms.
pub(super) fn in_rooms(rooms: &str) -> Client {
    let claims = format!(r#"{{"exp":4000000000,"sub":"alice","room_ids":{rooms}}}"#);
    Client::new("alice", preset_rules(&["janus-caller"]), Some(&claims))
}

/// `forward`, or why not.
fn verdict(client: &Client, api: &mut Gateway<Api>, message: &str) -> String {
    match client.sends(api, message).remove(0) {
        Verdict::Forward(_) => "forward".into(),
        Verdict::Answer { reason, .. } => reason.into(),
        other => panic!("{other:?}"),
    }
}

/// A plugin, a request that enters, requests about the room, and requests that leave.
type Requests = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const HANDLES: &[Requests] = &[
    (
        "videoroom",
        r#"{"request":"join","ptype":"publisher","room":1234}"#,
        &["configure", "publish"],
        &["leave", "unpublish"],
    ),
    (
        "videoroom",
        r#"{"request":"JoinAndConfigure","ptype":"publisher","room":1234}"#,
        &["configure"],
        &["Leave"],
    ),
    (
        "videoroom",
        r#"{"request":"join","ptype":"subscriber","room":1234,"streams":[{"feed":7}]}"#,
        &[
            "subscribe",
            "unsubscribe",
            "update",
            "start",
            "pause",
            "switch",
        ],
        &["leave"],
    ),
    (
        "audiobridge",
        r#"{"request":"join","room":1234}"#,
        &["configure"],
        &["leave", "hangup"],
    ),
    (
        "audiobridge",
        r#"{"request":"changeroom","room":1234}"#,
        &["configure"],
        &["leave"],
    ),
    (
        "textroom",
        r#"{"request":"join","room":1234}"#,
        &["setup"],
        &[],
    ),
    (
        "streaming",
        r#"{"request":"watch","id":1234}"#,
        &["start", "pause", "configure"],
        &["stop"],
    ),
    (
        "streaming",
        r#"{"request":"switch","id":1234}"#,
        &["start"],
        &["stop"],
    ),
];

#[test]
fn a_request_about_the_room_of_a_handle_needs_a_token_for_that_room() {
    let (before, after) = (in_rooms("[1234,77]"), in_rooms("[77]"));
    for (plugin, enters, own, leaves) in HANDLES {
        let mut api = api(two_sessions(&before), Credentials::default());
        let request = |name: &str| message(plugin, &format!(r#"{{"request":"{name}"}}"#));
        for name in *own {
            assert_eq!(
                verdict(&after, &mut api, &request(name)),
                "forward",
                "in no room"
            );
        }
        before.forwards(&mut api, &message(plugin, enters));
        for name in *own {
            let request = request(name);
            assert_eq!(verdict(&before, &mut api, &request), "forward", "{request}");
            let refused = verdict(&after, &mut api, &request);
            assert!(
                refused.contains("the room is another"),
                "{request}: {refused}"
            );
        }
        for name in *leaves {
            assert_eq!(
                verdict(&after, &mut api, &request(name)),
                "forward",
                "{name}"
            );
        }
        for verb in ["trickle", "hangup", "detach"] {
            let message = of_handle(verb, plugin);
            assert_eq!(verdict(&after, &mut api, &message), "forward", "{message}");
        }
    }
}

#[test]
fn a_room_that_such_a_request_names_beside_replaces_none() {
    let (before, after) = (in_rooms("[1234,77]"), in_rooms("[77]"));
    let mut api = api(two_sessions(&before), Credentials::default());
    let join = r#"{"request":"join","ptype":"publisher","room":1234}"#;
    before.forwards(&mut api, &message("videoroom", join));
    for body in [
        r#"{"request":"configure","room":77}"#,
        r#"{"request":"publish","room":77}"#,
    ] {
        let refused = verdict(&after, &mut api, &message("videoroom", body));
        assert!(refused.contains("the room is another"), "{body}: {refused}");
    }
    let configure = message("videoroom", r#"{"request":"configure","room":4321}"#);
    assert!(verdict(&before, &mut api, &configure).contains("the room is another"));
    // What the client has it may leave, by name as well.
    let leave = |room| {
        message(
            "textroom",
            &format!(r#"{{"request":"leave","room":{room}}}"#),
        )
    };
    before.forwards(
        &mut api,
        &message("textroom", r#"{"request":"join","room":1234}"#),
    );
    assert_eq!(verdict(&after, &mut api, &leave(1234)), "forward");
    assert!(verdict(&after, &mut api, &leave(4321)).contains("the room is another"));
}

#[test]
fn a_request_that_is_refused_enters_nothing() {
    let client = in_rooms("[77]");
    let mut api = api(two_sessions(&client), Credentials::default());
    for body in [
        r#"{"request":"join","room":1234}"#,
        r#"{"request":"join","room":77,"record":true}"#,
        r#"{"request":"exists","room":77}"#,
    ] {
        client.sends(&mut api, &message("audiobridge", body));
    }
    let configure = message("audiobridge", r#"{"request":"configure"}"#);
    assert_eq!(verdict(&in_rooms("[]"), &mut api, &configure), "forward");
}

#[test]
fn rooms_are_left_when_janus_says_so() {
    let before = in_rooms("[1,2,3]");
    let after = in_rooms("[3]");
    let configure = message("audiobridge", r#"{"request":"configure"}"#);
    let is_out = |api: &mut Gateway<Api>| verdict(&after, api, &configure) == "forward";
    let entering = |request: &str, room: i64| {
        message(
            "audiobridge",
            &format!(r#"{{"request":"{request}","room":{room}}}"#),
        )
    };
    let mut api = api(two_sessions(&before), Credentials::default());
    before.forwards(&mut api, &entering("join", 1));
    answered(
        &before,
        &mut api,
        "audiobridge",
        r#"{"audiobridge":"joined","room":1,"id":7}"#,
    );
    before.forwards(&mut api, &entering("changeroom", 3));
    assert!(!is_out(&mut api), "Janus may refuse it");
    // Without a transaction it is about another participant.
    let changed = r#"{"audiobridge":"roomchanged","room":3,"id":7}"#;
    event(&before, &mut api, "", "audiobridge", changed);
    assert!(!is_out(&mut api));
    answered(&before, &mut api, "audiobridge", changed);
    assert!(is_out(&mut api));
    // Back and forth: of a room that was entered twice, Janus may mean the first time.
    before.forwards(&mut api, &entering("changeroom", 1));
    before.forwards(&mut api, &entering("changeroom", 3));
    answered(&before, &mut api, "audiobridge", changed);
    assert!(!is_out(&mut api));
    let left = r#"{"audiobridge":"left","room":1,"id":7}"#;
    answered(&before, &mut api, "audiobridge", left);
    assert!(is_out(&mut api));
}

#[test]
fn a_publisher_that_has_left_and_a_viewer_that_has_stopped_are_in_no_room() {
    let before = in_rooms("[1,2]");
    let after = in_rooms("[2]");
    let mut api = api(two_sessions(&before), Credentials::default());
    let request = |plugin: &str, name: &str| message(plugin, &format!(r#"{{"request":"{name}"}}"#));
    let join = r#"{"request":"join","ptype":"publisher","room":1}"#;
    before.forwards(&mut api, &message("videoroom", join));
    let mut said = |plugin: &str, own: &str, data: &str| {
        answered(&before, &mut api, plugin, data);
        verdict(&after, &mut api, &request(plugin, own)) == "forward"
    };
    // A participant may have the id `ok`, and a subscriber may subscribe again.
    assert!(!said(
        "videoroom",
        "publish",
        r#"{"videoroom":"event","room":1,"unpublished":"ok"}"#
    ));
    assert!(!said(
        "videoroom",
        "publish",
        r#"{"videoroom":"event","room":1,"left":"ok"}"#
    ));
    assert!(said(
        "videoroom",
        "publish",
        r#"{"videoroom":"event","room":1,"leaving":"ok"}"#
    ));
    before.forwards(
        &mut api,
        &message("streaming", r#"{"request":"watch","id":2}"#),
    );
    before.forwards(
        &mut api,
        &message("streaming", r#"{"request":"switch","id":1}"#),
    );
    let switched = r#"{"streaming":"event","result":{"switched":"ok","id":1}}"#;
    answered(&before, &mut api, "streaming", switched);
    let start = request("streaming", "start");
    assert_ne!(verdict(&after, &mut api, &start), "forward");
    let stopping = r#"{"streaming":"event","result":{"status":"stopping"}}"#;
    answered(&before, &mut api, "streaming", stopping);
    assert_eq!(verdict(&after, &mut api, &start), "forward");
}

#[test]
fn a_handle_enters_eight_rooms_at_most() {
    let client = in_rooms(r#""*""#);
    let mut api = api(two_sessions(&client), Credentials::default());
    let join = |room: i64| {
        message(
            "textroom",
            &format!(r#"{{"request":"join","room":{room}}}"#),
        )
    };
    for room in 1..=8 {
        client.forwards(&mut api, &join(room));
        client.forwards(&mut api, &join(room));
    }
    assert!(verdict(&client, &mut api, &join(9)).contains("too many rooms"));
    let long = format!(r#"{{"request":"join","room":"{}"}}"#, "x".repeat(600));
    assert!(verdict(&client, &mut api, &message("textroom", &long)).contains("bytes long"));
}

#[test]
fn a_rule_that_denies_a_room_denies_what_is_about_it() {
    let mut client = in_rooms("[1234,77]");
    let mut api = api(two_sessions(&client), Credentials::default());
    client.forwards(
        &mut api,
        &message("audiobridge", r#"{"request":"join","room":1234}"#),
    );
    let configure = message("audiobridge", r#"{"request":"configure"}"#);
    let presets = crate::signalling::presets::find("janus-caller").unwrap();
    let closed = Rule {
        rooms: Rooms::OneOf([RoomId::Number(1234)].into()),
        ..Rule::new("closed", Effect::Deny)
    };
    client.rules = MessageRules::new([closed].into_iter().chain(presets.rules()));
    assert_eq!(verdict(&client, &mut api, &configure), "Denied by closed");
    let leave = message("audiobridge", r#"{"request":"leave"}"#);
    assert_eq!(verdict(&client, &mut api, &leave), "forward");
    for verb in ["hangup", "detach"] {
        let message = of_handle(verb, "audiobridge");
        assert_eq!(verdict(&client, &mut api, &message), "forward", "{verb}");
    }
    let trickle = of_handle("trickle", "audiobridge");
    assert_eq!(verdict(&client, &mut api, &trickle), "Denied by closed");
    let mut other = super::api(two_sessions(&client), Credentials::default());
    client.forwards(
        &mut other,
        &message("audiobridge", r#"{"request":"join","room":77}"#),
    );
    assert_eq!(verdict(&client, &mut other, &configure), "forward");
}

#[test]
fn a_session_with_a_room_that_was_taken_away_can_only_be_ended() {
    let (mut client, mut after) = (in_rooms("[1234,77]"), in_rooms("[77]"));
    let mut api = api(two_sessions(&client), Credentials::default());
    client.forwards(
        &mut api,
        &message("audiobridge", r#"{"request":"join","room":1234}"#),
    );
    client.forwards(
        &mut api,
        &message("textroom", r#"{"request":"join","room":77}"#),
    );
    let keepalive = r#"{"janus":"keepalive","transaction":"t","session_id":1}"#;
    let attach = r#"{"janus":"attach","transaction":"t","session_id":1,
        "plugin":"janus.plugin.echotest"}"#;
    client.now += Duration::from_secs(10);
    after.now = client.now;
    // The handles of plugins that no rule lets the client attach to would be refused as well.
    api.backend.owners.detach(client.owner, 1, handle_of("sfu"));
    api.backend.owners.detach(client.owner, 1, handle_of("lua"));
    let lost = "room no longer allowed";
    for message in [
        keepalive,
        attach,
        &message("echotest", "{}"),
        &of_handle("trickle", "echotest"),
    ] {
        assert_eq!(verdict(&after, &mut api, message), lost, "{message}");
    }
    // Hanging up another handle again and again would keep the session as well.
    assert_eq!(
        verdict(&after, &mut api, &of_handle("hangup", "echotest")),
        lost
    );
    let other_leave = message("textroom", r#"{"request":"leave","room":77}"#);
    assert_eq!(verdict(&after, &mut api, &other_leave), lost);
    for message in [
        &*message("audiobridge", r#"{"request":"leave"}"#),
        &of_handle("hangup", "audiobridge"),
        &of_handle("detach", "echotest"),
        &of_handle("detach", "audiobridge"),
        r#"{"janus":"destroy","transaction":"t","session_id":1}"#,
    ] {
        assert_eq!(verdict(&after, &mut api, message), "forward", "{message}");
    }
    assert_eq!(
        verdict(&client, &mut api, keepalive),
        "forward",
        "with the room"
    );
    assert_eq!(
        verdict(&after, &mut api, keepalive),
        "forward",
        "until the next check"
    );
    after.now += Duration::from_secs(10);
    assert_eq!(verdict(&after, &mut api, keepalive), lost);
    client.gets(
        &mut api,
        &format!(
            r#"{{"janus":"detached","session_id":1,"sender":{}}}"#,
            handle_of("audiobridge")
        ),
    );
    assert_eq!(
        verdict(&after, &mut api, keepalive),
        "forward",
        "without the handle"
    );
}

#[test]
fn a_session_with_a_plugin_that_was_taken_away_can_only_be_ended() {
    let mut client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    client.now += Duration::from_secs(10);
    let keepalive = r#"{"janus":"keepalive","transaction":"t","session_id":1}"#;
    let lost = "plugin no longer allowed";
    assert_eq!(verdict(&client, &mut api, keepalive), lost);
    assert_eq!(
        verdict(&client, &mut api, &of_handle("hangup", "sfu")),
        "No rule matches: the plugin is another"
    );
    assert_eq!(
        verdict(&client, &mut api, &of_handle("hangup", "videoroom")),
        lost
    );
}
