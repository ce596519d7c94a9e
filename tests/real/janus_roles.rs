//! Moderators and administrators of rooms, as a real Janus sees what they do.

use serde_json::json;

use crate::support::guarded::{Guarded, token};
use crate::support::janus::{OTHER_ROOM, ROOM};
use crate::support::talk::{Api, Talk, Way};
use crate::support::{Bystander, until};

const WAYS: [Way; 3] = [Way::Http1, Way::Http2, Way::Rest];
/// A room that an administrator may create.
const NEW_ROOM: u64 = 1300;
/// A room that it may not create.
const NO_ROOM: u64 = 1400;

#[track_caller]
fn is_refused(talk: &mut Talk, handle: u64, body: serde_json::Value) {
    let answer = talk.request(handle, body);
    let error = &answer["error"];
    assert_eq!(error["code"], 403, "{answer}");
    assert_eq!(error["reason"], "Not allowed", "{answer}");
}

#[test]
fn a_moderator_removes_and_mutes_only_in_its_rooms() {
    let guarded = Guarded::start("moderators", &[]);
    let janus = &guarded.janus;
    janus.add_rooms(&[ROOM, OTHER_ROOM]);
    let join = |plugin, room, name| Bystander::join(janus, "", plugin, room, name);
    for way in WAYS {
        let (zoe, yan) = (
            join("videoroom", ROOM, "Zoe"),
            join("videoroom", OTHER_ROOM, "Yan"),
        );
        let (ann, bea) = (
            join("audiobridge", ROOM, "Ann"),
            join("audiobridge", OTHER_ROOM, "Bea"),
        );
        let mut moderator = guarded.client(way, "moderators", "mo");
        moderator.create();
        let (video, audio) = (
            moderator.attach("videoroom"),
            moderator.attach("audiobridge"),
        );

        let kick = |room: u64, id: u64| json!({"request": "kick", "room": room, "id": id});
        is_refused(&mut moderator, video, kick(OTHER_ROOM, yan.participant));
        is_refused(&mut moderator, audio, kick(OTHER_ROOM, bea.participant));
        let mute = |room: u64, id: u64| json!({"request": "mute", "room": room, "id": id});
        is_refused(&mut moderator, audio, mute(OTHER_ROOM, bea.participant));
        let all = |room: u64| json!({"request": "kick_all", "room": room});
        is_refused(&mut moderator, audio, all(OTHER_ROOM));
        for request in ["create", "destroy", "edit", "list"] {
            let body = json!({"request": request, "room": ROOM});
            is_refused(&mut moderator, video, body);
        }
        assert_eq!(janus.participants("videoroom", OTHER_ROOM), ["Yan"]);
        assert_eq!(janus.participants("audiobridge", OTHER_ROOM), ["Bea"]);

        let muted = moderator.request(audio, mute(ROOM, ann.participant));
        assert_eq!(
            muted["plugindata"]["data"]["audiobridge"], "success",
            "{muted}"
        );
        let list = json!({"request": "listparticipants", "room": ROOM});
        let list = janus.plugin("audiobridge", list);
        assert_eq!(list["participants"][0]["muted"], true, "{list}");
        moderator.request(video, kick(ROOM, zoe.participant));
        moderator.request(audio, all(ROOM));
        until("both are gone", || {
            janus.participants("videoroom", ROOM).is_empty()
                && janus.participants("audiobridge", ROOM).is_empty()
        });
        for bystander in [&yan, &bea] {
            let destroy = json!({"session_id": bystander.session});
            janus.admin("destroy_session", destroy);
        }
        until("the other room is empty", || {
            janus.participants("videoroom", OTHER_ROOM).is_empty()
                && janus.participants("audiobridge", OTHER_ROOM).is_empty()
        });
    }
}

#[test]
fn an_administrator_of_rooms_creates_edits_and_destroys_its_own() {
    let guarded = Guarded::start("room-admins", &[]);
    let janus = &guarded.janus;
    janus.add_rooms(&[ROOM, OTHER_ROOM]);
    let claims = json!({"sub": "root", "room_ids": [ROOM, NEW_ROOM],
        "rtp_forward_hosts": ["127.0.0.1"]});
    let token = token(claims);
    for way in WAYS {
        let dial = guarded.gateway.dial();
        let mut admin = Talk::open(&dial, way, Api::Janus, "room-admins", &token);
        admin.create();
        for plugin in ["videoroom", "audiobridge", "textroom"] {
            let handle = admin.attach(plugin);
            for refused in [
                json!({"request": "create", "room": NO_ROOM}),
                json!({"request": "create", "room": NEW_ROOM.to_string()}),
                json!({"request": "create"}),
                json!({"request": "create", "room": NEW_ROOM, "record": true, "rec_dir": "/tmp"}),
                json!({"request": "edit", "room": OTHER_ROOM, "new_description": "mine"}),
                json!({"request": "destroy", "room": OTHER_ROOM}),
                json!({"request": "allowed", "room": OTHER_ROOM, "action": "disable"}),
            ] {
                is_refused(&mut admin, handle, refused);
            }
            let mut known = janus.rooms(plugin);
            known.sort_unstable();
            assert_eq!(known, [ROOM, OTHER_ROOM], "{way:?} {plugin}");

            let create = json!({"request": "create", "room": NEW_ROOM, "description": "new"});
            let created = admin.request(handle, create);
            assert_eq!(
                created["plugindata"]["data"][plugin], "created",
                "{created}"
            );
            assert!(janus.rooms(plugin).contains(&NEW_ROOM));
            let edit = json!({"request": "edit", "room": NEW_ROOM, "new_description": "newer"});
            admin.request(handle, edit);
            let list = janus.plugin(plugin, json!({"request": "list"}));
            let mut rooms = list["list"].as_array().unwrap().iter();
            let room = rooms.find(|room| room["room"] == NEW_ROOM).unwrap();
            assert_eq!(room["description"], "newer");
            let listed = admin.request(handle, json!({"request": "list"}));
            assert_eq!(listed["plugindata"]["data"]["list"], list["list"]);
            admin.request(handle, json!({"request": "destroy", "room": NEW_ROOM}));
            assert!(!janus.rooms(plugin).contains(&NEW_ROOM));
        }
    }
}

#[test]
fn media_are_forwarded_only_to_the_hosts_of_the_token() {
    let guarded = Guarded::start("forwarding", &[]);
    let janus = &guarded.janus;
    janus.add_rooms(&[ROOM, OTHER_ROOM]);
    let claims = json!({"sub": "root", "room_ids": [ROOM], "rtp_forward_hosts": ["127.0.0.1"]});
    let token = token(claims);
    let list = |room: u64| {
        let list = json!({"request": "listforwarders", "room": room});
        let answer = janus.plugin("audiobridge", list);
        answer["rtp_forwarders"].as_array().unwrap().len()
    };
    for (way, count) in WAYS.into_iter().zip(1..) {
        let dial = guarded.gateway.dial();
        let mut admin = Talk::open(&dial, way, Api::Janus, "room-admins", &token);
        admin.create();
        let handle = admin.attach("audiobridge");
        let forward = |room: u64, host: &str| {
            json!({"request": "rtp_forward", "room": room, "host": host, "port": 9,
                "codec": "opus", "always_on": true})
        };
        for refused in [
            forward(OTHER_ROOM, "127.0.0.1"),
            forward(ROOM, "127.0.0.2"),
            forward(ROOM, "localhost"),
            json!({"request": "rtp_forward", "room": ROOM, "port": 9}),
            json!({"request": "play_file", "room": ROOM, "filename": "/etc/passwd"}),
        ] {
            is_refused(&mut admin, handle, refused);
        }
        let forwarded = admin.request(handle, forward(ROOM, "127.0.0.1"));
        let data = &forwarded["plugindata"]["data"];
        assert_eq!(data["audiobridge"], "success", "{forwarded}");
        assert_eq!((list(ROOM), list(OTHER_ROOM)), (count, 0), "{way:?}");
    }
}
