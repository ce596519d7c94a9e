//! A reload takes a room away while calls are in it.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::support::guarded::{Guarded, token};
use crate::support::janus::{OTHER_ROOM, ROOM};
use crate::support::talk::{Api, Talk, Way};
use crate::support::until;

/// A policy whose own rule says which rooms there are.
const ROOMS_OF_POLICY: &str = "[1234, 4321]";

fn tables() -> String {
    format!(
        r#"
        [policies.school]
        issuers = ["app"]
        [[policies.school.rules]]
        effect = "allow"
        verb = "message"
        plugin = "janus.plugin.videoroom"
        request = ["join", "leave", "configure"]
        room = {ROOMS_OF_POLICY}
        [[policies.school.rules]]
        effect = "allow"
        verb = ["create", "attach", "keepalive", "destroy", "detach"]
        [[routes]]
        path = "/school/janus-ws"
        upstream = "janus-ws"
        policy = "school"
        "#
    )
}

/// A participant in a room.
fn joined(guarded: &Guarded, way: Way, name: &str, room: u64) -> (Talk, u64) {
    let token = token(json!({"sub": name}));
    let dial = guarded.gateway.dial();
    let mut talk = Talk::open(&dial, way, Api::Janus, "school", &token);
    let session = talk.create();
    let handle = talk.attach("videoroom");
    let join = json!({"request": "join", "ptype": "publisher", "room": room, "display": name});
    assert_eq!(talk.async_request(handle, join)["videoroom"], "joined");
    (talk, session)
}

#[test]
fn a_call_is_closed_by_a_reload_that_takes_its_room_away_and_others_go_on() {
    let guarded = Guarded::start_with("rooms-reload", &[], &tables());
    let janus = &guarded.janus;
    janus.add_rooms(&[ROOM, OTHER_ROOM]);
    for way in [Way::Http1, Way::Http2] {
        let (mut stays, session) = joined(&guarded, way, "stays", ROOM);
        let (mut goes, _) = joined(&guarded, way, "goes", OTHER_ROOM);
        let (mut idle, idle_session) = {
            let token = token(json!({"sub": "idle"}));
            let dial = guarded.gateway.dial();
            let mut talk = Talk::open(&dial, way, Api::Janus, "school", &token);
            let session = talk.create();
            (talk, session)
        };
        assert_eq!(janus.participants("videoroom", OTHER_ROOM), ["goes"]);
        let file = guarded.folder.join("gateway.toml");
        let text = fs::read_to_string(&file).unwrap();
        let narrower = text.replace(ROOMS_OF_POLICY, "[1234]");
        assert_ne!(text, narrower);
        fs::write(&file, narrower).unwrap();
        guarded.gateway.process.signal(Signal::HUP);

        assert_eq!(goes.closed().0, 1008);
        until("Janus has noticed", || {
            janus.participants("videoroom", OTHER_ROOM).is_empty()
        });
        for (talk, session) in [(&mut stays, session), (&mut idle, idle_session)] {
            let kept = talk.ask(json!({"janus": "keepalive", "session_id": session}));
            assert_eq!(kept["janus"], "ack");
        }
        assert_eq!(janus.participants("videoroom", ROOM), ["stays"]);
        // The new rules are in force on the socket that was open.
        let handle = idle.attach("videoroom");
        let join = json!({"request": "join", "ptype": "publisher", "room": OTHER_ROOM});
        assert_eq!(idle.request(handle, join)["error"]["code"], 403);
        fs::write(&file, text).unwrap();
        guarded.gateway.process.signal(Signal::HUP);
        until("the room is back", || {
            let join = json!({"request": "join", "ptype": "publisher", "room": OTHER_ROOM,
                "display": "idle"});
            idle.request(handle, join)["janus"] == "ack"
        });
        for session in [session, idle_session] {
            janus.admin("destroy_session", json!({"session_id": session}));
        }
        until("all are gone", || {
            janus.participants("videoroom", ROOM).is_empty()
                && janus.participants("videoroom", OTHER_ROOM).is_empty()
        });
    }
}
