//! A caller's token is for room 1234: what becomes of messages about it and about others, as a real
//! Janus sees it, by each way that messages can take.

mod rows;

use serde_json::{Value, json};

use crate::support::guarded::Guarded;
use crate::support::janus::{OTHER_ROOM, ROOM};
use crate::support::talk::{Talk, Way};
use crate::support::{Bystander, until};
use rows::{rows, to};

const SECRET: &str = "the-api-secret-of-janus";

/// A Janus with two rooms and a participant in each, and a caller with a handle of each plugin.
struct World {
    /// Gone before the gateway, which would wait for it.
    caller: Talk,
    guarded: Guarded,
    bystanders: Vec<Bystander>,
    /// What stands for what in rows.
    names: Vec<(&'static str, u64)>,
}

impl World {
    fn start(name: &str, way: Way) -> Self {
        let guarded = Guarded::start(name, &[("JANUS_API_SECRET", SECRET)]);
        guarded.janus.add_rooms(&[ROOM, OTHER_ROOM]);
        let zoe = Bystander::join(&guarded.janus, SECRET, "videoroom", ROOM, "Zoe");
        let yan = Bystander::join(&guarded.janus, SECRET, "videoroom", OTHER_ROOM, "Yan");
        let ann = Bystander::join(&guarded.janus, SECRET, "audiobridge", ROOM, "Ann");
        let mut caller = guarded.client(way, "callers", "ada");
        let mut names = vec![
            ("$session", caller.create()),
            ("$foreign", zoe.session),
            ("$stolen", zoe.handle),
            ("$zoe", zoe.participant),
            ("$yan", yan.participant),
            ("$ann", ann.participant),
        ];
        for (name, plugin) in [
            ("$video", "videoroom"),
            ("$audio", "audiobridge"),
            ("$text", "textroom"),
            ("$stream", "streaming"),
            ("$echo", "echotest"),
            ("$call", "videocall"),
        ] {
            names.push((name, caller.attach(plugin)));
        }
        Self {
            caller,
            guarded,
            bystanders: vec![zoe, yan, ann],
            names,
        }
    }

    fn fill(&self, message: &str) -> String {
        let text = message.to_owned();
        self.names
            .iter()
            .fold(text, |text, (name, id)| text.replace(name, &id.to_string()))
    }

    fn id(&self, name: &str) -> u64 {
        self.names
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    }

    /// Sends a message of a row; the answer to it.
    #[track_caller]
    fn say(&mut self, message: &str) -> Value {
        let message = self.fill(message);
        self.caller.say(message);
        self.caller.answer()
    }

    /// The caller's session goes on, by the way that it came, and so do those of the others.
    #[track_caller]
    fn goes_on(&mut self) {
        let session = self.id("$session");
        let kept = self
            .caller
            .ask(json!({"janus": "keepalive", "session_id": session}));
        assert_eq!(kept["janus"], "ack", "{kept}");
        for bystander in &self.bystanders {
            bystander.keep(&self.guarded.janus);
        }
    }
}

/// Every row is refused with its code and the transaction, the connection goes on, and Janus is as
/// it was.
fn nothing_happens(name: &str, way: Way) {
    let mut world = World::start(name, way);
    let before = world.guarded.janus.state();
    let mut wrong = Vec::new();
    for row in rows() {
        let answer = world.say(&row.message);
        world.goes_on();
        let is_readable = !matches!(row.code, 454 | 455);
        let is_answer = answer["janus"] == "error"
            && answer["error"]["code"] == row.code
            && (!is_readable || answer["transaction"] == "row");
        if !is_answer || world.guarded.janus.state() != before {
            wrong.push(format!("{}: {answer}", row.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(world.guarded.janus.state(), before);
}

#[test]
fn what_a_caller_may_not_do_does_not_happen_over_http1() {
    nothing_happens("rooms-http1", Way::Http1);
}

#[test]
fn what_a_caller_may_not_do_does_not_happen_over_http2() {
    nothing_happens("rooms-http2", Way::Http2);
}

#[test]
fn what_a_caller_may_not_do_does_not_happen_over_requests() {
    nothing_happens("rooms-rest", Way::Rest);
}

/// What a caller may do is done, whichever way it is written.
fn the_own_room_is_open(name: &str, way: Way) {
    let mut world = World::start(name, way);
    for (plugin, join) in [
        (
            "videoroom",
            r#"{"request":"join","ptype":"publisher","room":1234,"display":"me"}"#,
        ),
        (
            "videoroom",
            r#"{"request":"JOIN","ptype":"PUBLISHER","room":1234,"display":"me"}"#,
        ),
        (
            "videoroom",
            r#"{"request":"j\u006fin","ptype":"publisher","r\u006fom":1234,"display":"me"}"#,
        ),
        (
            "audiobridge",
            r#"{"request":"join","room":1234,"display":"me"}"#,
        ),
    ] {
        // Who has left a room needs another handle for the next.
        let handle = &world.caller.attach(plugin).to_string();
        assert_eq!(world.say(&to(handle, join))["janus"], "ack", "{join}");
        let joined = world.caller.event();
        assert_eq!(joined[plugin], "joined", "{joined}");
        let there = world.guarded.janus.participants(plugin, ROOM);
        assert!(there.contains(&"me".to_owned()), "{join}: {there:?}");
        assert_eq!(
            world.say(&to(handle, r#"{"request":"leave"}"#))["janus"],
            "ack"
        );
        let left = world.caller.event();
        assert!(
            !left["leaving"].is_null() || left[plugin] == "left",
            "{left}"
        );
        assert!(
            !world
                .guarded
                .janus
                .participants(plugin, ROOM)
                .contains(&"me".to_owned())
        );
    }
    asks_are_answered(&mut world);
    world.goes_on();
}

/// Whatever is asked about the own room, Janus answers.
fn asks_are_answered(world: &mut World) {
    for (handle, body, member) in [
        ("$video", r#"{"request":"exists","room":1234}"#, "exists"),
        (
            "$video",
            r#"{"request":"listparticipants","room":1234}"#,
            "participants",
        ),
        (
            "$audio",
            r#"{"request":"listparticipants","room":1234}"#,
            "participants",
        ),
        ("$text", r#"{"request":"exists","room":1234}"#, "exists"),
        ("$stream", r#"{"request":"info","id":1234}"#, "info"),
    ] {
        let answer = world.say(&to(handle, body));
        assert!(
            !answer["plugindata"]["data"][member].is_null(),
            "{body}: {answer}"
        );
    }
    assert_eq!(
        world.say(&to("$stream", r#"{"request":"watch","id":1234}"#))["janus"],
        "ack"
    );
    let info = |world: &World| {
        world
            .guarded
            .janus
            .handle(world.id("$session"), world.id("$stream"))
    };
    until("the stream is watched", || {
        info(world)["plugin_specific"]["mountpoint_id"] == ROOM
    });
    assert_eq!(
        world.say(&to("$echo", r#"{"audio":true,"video":true}"#))["janus"],
        "ack"
    );
}

#[test]
fn a_caller_is_at_home_in_its_room_over_http1() {
    the_own_room_is_open("home-http1", Way::Http1);
}

#[test]
fn a_caller_is_at_home_in_its_room_over_http2() {
    the_own_room_is_open("home-http2", Way::Http2);
}

#[test]
fn a_caller_is_at_home_in_its_room_over_requests() {
    the_own_room_is_open("home-rest", Way::Rest);
}
