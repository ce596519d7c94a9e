//! What a connection may keep, and what ends with it.

use super::rooms::{handle_of, in_rooms, message};
use super::*;
use crate::signalling::rules::{Effect, Names, Rule};

fn recheck(client: &Client, api: &mut Gateway<Api>) -> Result<(), &'static str> {
    let context = client.context(&api.backend);
    api.inspector.recheck(&context)
}

#[test]
fn a_connection_may_not_keep_a_room_or_a_plugin_that_was_taken_away() {
    let (before, after) = (in_rooms("[1234,77]"), in_rooms("[77]"));
    let owners = two_sessions(&before);
    owners.detach(before.owner, 1, handle_of("sfu"));
    owners.detach(before.owner, 1, handle_of("lua"));
    let mut first = api(Arc::clone(&owners), Credentials::default());
    let mut second = api(Arc::clone(&owners), Credentials::default());
    before.forwards(
        &mut first,
        &message("videoroom", r#"{"request":"join","room":1234}"#),
    );
    let room = Err("room no longer allowed");
    assert_eq!(recheck(&before, &mut first), Ok(()));
    assert_eq!(recheck(&after, &mut first), room);
    // It is the session of each connection that uses it.
    assert_eq!(recheck(&after, &mut second), Ok(()));
    let claim = r#"{"janus":"claim","transaction":"t","session_id":1}"#;
    before.forwards(&mut second, claim);
    assert_eq!(recheck(&after, &mut second), room);
    assert_eq!(recheck(&before, &mut second), Ok(()));
    let none = Client::new("alice", preset_rules(&["janus-moderator"]), None);
    assert_eq!(recheck(&none, &mut first), Err("plugin no longer allowed"));
    // Another client's session with this id is none of its.
    let other = Client::new("bob", preset_rules(&["janus-caller"]), None);
    assert_eq!(recheck(&other, &mut first), Ok(()));
    first
        .inspector
        .recheck(&Context {
            rules: None,
            ..after.context(&first.backend)
        })
        .unwrap();
    owners.detach(before.owner, 1, handle_of("videoroom"));
    assert_eq!(recheck(&after, &mut first), Ok(()));
}

#[test]
fn a_ptype_that_was_taken_away_is_noticed() {
    let subscribers = |ptypes: &[&str]| {
        let join = Rule {
            ptypes: Names::one_of(ptypes.iter().copied()),
            requests: Names::one_of(["JOIN"]),
            ..Rule::new("join", Effect::Allow)
        };
        let attach = Rule {
            verbs: Names::one_of(["attach"]),
            ..Rule::new("attach", Effect::Allow)
        };
        Client::new("alice", MessageRules::new([join, attach]), None)
    };
    let (before, after) = (
        subscribers(&["publisher", "subscriber"]),
        subscribers(&["Subscriber"]),
    );
    let owners = two_sessions(&before);
    owners.detach(before.owner, 1, handle_of("lua"));
    let mut api = api(owners, Credentials::default());
    let join = r#"{"request":"join","room":1234,"ptype":"PUBLISHER"}"#;
    before.forwards(&mut api, &message("videoroom", join));
    assert_eq!(recheck(&before, &mut api), Ok(()));
    assert_eq!(recheck(&after, &mut api), Err("room no longer allowed"));
}

#[test]
fn the_sessions_of_a_client_without_a_subject_end_with_its_connection() {
    let owners = Owners::new(Limits::default());
    let create = |client: &Client, session: i64| {
        let mut api = api(Arc::clone(&owners), Credentials::default());
        for id in session..session + 100 {
            let sent = client.forwards(&mut api, r#"{"janus":"create","transaction":"c"}"#);
            let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
            let number = sent["transaction"].as_str().unwrap();
            client.gets(
                &mut api,
                &format!(r#"{{"janus":"success","transaction":"{number}","data":{{"id":{id}}}}}"#),
            );
        }
        api
    };
    let alice = Client::caller("alice");
    let mut nameless = Client::new("", preset_rules(&["janus-caller"]), None);
    nameless.owner = Owner::of_connection(8);
    let (hers, theirs) = (create(&alice, 1), create(&nameless, 1001));
    assert_eq!(owners.sessions(), 200);
    drop(theirs);
    assert_eq!(owners.sessions(), 100);
    drop(hers);
    assert_eq!(owners.sessions(), 100, "she may come back");
    assert!(!alice.owner.is_connection() && nameless.owner.is_connection());
}

#[test]
fn a_session_is_kept_while_a_connection_that_uses_it_is_open() {
    let mut client = Client::caller("alice");
    let owners = two_sessions(&client);
    owners.detach(client.owner, 1, handle_of("sfu"));
    owners.detach(client.owner, 1, handle_of("lua"));
    let mut api = api(Arc::clone(&owners), Credentials::default());
    let keepalive = r#"{"janus":"keepalive","transaction":"t","session_id":1}"#;
    client.forwards(&mut api, keepalive);
    let start = client.now;
    let idle = Limits::default().idle;
    let sweep = |now| (0..64).for_each(|part| owners.sweep(part, now));
    client.now = start + idle / 2;
    api.inspector.keep(&client.context(&api.backend));
    sweep(start + idle);
    assert!(owners.find(client.owner, 1, None, start + idle).is_ok());
    // Session 2 is another client's, whose connection is gone.
    assert_eq!(owners.sessions(), 1);
    sweep(start + 2 * idle);
    assert_eq!(owners.sessions(), 0);
}

#[test]
fn a_room_that_was_left_and_entered_again_at_once_is_not_lost_from_sight() {
    let (before, after) = (in_rooms("[1234,77]"), in_rooms("[77]"));
    let owners = two_sessions(&before);
    owners.detach(before.owner, 1, handle_of("sfu"));
    owners.detach(before.owner, 1, handle_of("lua"));
    let mut api = api(Arc::clone(&owners), Credentials::default());
    let join = message("audiobridge", r#"{"request":"join","room":1234}"#);
    let leave = message("audiobridge", r#"{"request":"leave"}"#);
    let says = |what: &str| {
        let data = format!(r#"{{"audiobridge":"{what}","room":1234}}"#);
        let plugin = format!(r#"{{"plugin":"janus.plugin.audiobridge","data":{data}}}"#);
        let sender = handle_of("audiobridge");
        format!(
            r#"{{"janus":"event","session_id":1,"sender":{sender},"transaction":"t",
            "plugindata":{plugin}}}"#
        )
    };
    before.forwards(&mut api, &join);
    before.gets(&mut api, &says("joined"));
    // Both go to Janus before it answers either.
    before.forwards(&mut api, &leave);
    before.forwards(&mut api, &join);
    before.gets(&mut api, &says("left"));
    before.gets(&mut api, &says("joined"));
    assert_eq!(recheck(&after, &mut api), Err("room no longer allowed"));
    before.forwards(&mut api, &leave);
    before.gets(&mut api, &says("left"));
    assert_eq!(recheck(&after, &mut api), Ok(()));
}

#[test]
fn each_session_of_a_connection_is_looked_at() {
    let (before, after) = (in_rooms("[1234,77]"), in_rooms("[77]"));
    let owners = two_sessions(&before);
    owners.detach(before.owner, 1, handle_of("sfu"));
    owners.detach(before.owner, 1, handle_of("lua"));
    let mut api = api(Arc::clone(&owners), Credentials::default());
    let join = message("videoroom", r#"{"request":"join","room":1234}"#);
    before.forwards(&mut api, &join);
    for session in 100..200 {
        let place = owners.reserve_session(before.owner).unwrap();
        owners.created(place, session, before.now);
        before.forwards(
            &mut api,
            &format!(r#"{{"janus":"keepalive","transaction":"t","session_id":{session}}}"#),
        );
    }
    assert_eq!(recheck(&after, &mut api), Err("room no longer allowed"));
}
