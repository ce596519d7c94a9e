//! Messages as clients may cut and pile them: what a real Janus makes of them through the gateway.

use serde_json::{Value, json};

use crate::support::guarded::Guarded;
use crate::support::janus::{OTHER_ROOM, ROOM};
use crate::support::talk::{Talk, Way};
use crate::support::wire::websocket::{BINARY, Frame, PING, TEXT};
use crate::support::{Bystander, until};

const CONTINUATION: u8 = 0;

struct World {
    guarded: Guarded,
    zoe: Bystander,
}

impl World {
    fn start(name: &str) -> Self {
        let guarded = Guarded::start(name, &[]);
        guarded.janus.add_rooms(&[ROOM, OTHER_ROOM]);
        let zoe = Bystander::join(&guarded.janus, "", "videoroom", ROOM, "Zoe");
        Self { guarded, zoe }
    }

    /// A caller with a handle of VideoRoom.
    fn caller(&self, way: Way) -> Caller {
        let mut talk = self.guarded.client(way, "callers", "ada");
        let session = talk.create();
        let handle = talk.attach("videoroom");
        Caller {
            talk,
            session,
            handle,
        }
    }
}

struct Caller {
    talk: Talk,
    session: u64,
    handle: u64,
}

impl Caller {
    fn to_room(&self, transaction: &str, body: Value) -> String {
        json!({"janus": "message", "transaction": transaction, "session_id": self.session,
            "handle_id": self.handle, "body": body})
        .to_string()
    }

    fn join(&self, transaction: &str, room: u64) -> String {
        let body = json!({"request": "join", "ptype": "publisher", "room": room, "display": "me"});
        self.to_room(transaction, body)
    }

    fn keepalive(&self, transaction: &str) -> String {
        json!({"janus": "keepalive", "transaction": transaction, "session_id": self.session})
            .to_string()
    }

    /// The answer with a transaction.
    fn answer(&mut self, transaction: &str) -> Value {
        self.talk
            .next(|message| message["transaction"] == transaction && message["janus"] != "event")
    }
}

#[test]
fn each_document_of_a_message_is_judged_by_itself() {
    let world = World::start("documents");
    let janus = &world.guarded.janus;
    for way in [Way::Http1, Way::Http2] {
        let mut caller = world.caller(way);
        let two = caller.join("other", OTHER_ROOM) + " \n" + &caller.join("own", ROOM);
        caller.talk.say(two);
        assert_eq!(caller.answer("other")["error"]["code"], 403);
        assert_eq!(caller.answer("own")["janus"], "ack");
        assert_eq!(caller.talk.event()["videoroom"], "joined");
        assert_eq!(janus.participants("videoroom", ROOM), ["Zoe", "me"]);
        assert!(janus.participants("videoroom", OTHER_ROOM).is_empty());

        let kick = json!({"request": "kick", "room": ROOM, "id": world.zoe.participant});
        let fifty: String = (0..50)
            .map(|number| match number {
                24 => caller.to_room("kick", kick.clone()),
                _ => caller.keepalive(&format!("k{number}")),
            })
            .collect();
        caller.talk.say(fifty);
        for number in (0..50).filter(|number| *number != 24) {
            assert_eq!(caller.answer(&format!("k{number}"))["janus"], "ack");
        }
        assert_eq!(caller.answer("kick")["error"]["code"], 403);
        assert_eq!(janus.participants("videoroom", ROOM), ["Zoe", "me"]);
        // Nothing of a message is carried out that cannot be read to its end.
        let leave = caller.to_room("leave", json!({"request": "leave"}));
        caller.talk.say(leave + "{");
        assert_eq!(caller.talk.answer()["error"]["code"], 454);
        assert_eq!(janus.participants("videoroom", ROOM), ["Zoe", "me"]);
        let session = caller.session;
        let destroy = json!({"janus": "destroy", "session_id": session});
        assert_eq!(caller.talk.ask(destroy)["janus"], "success");
        until("it is gone", || {
            janus.participants("videoroom", ROOM) == ["Zoe"]
        });
        world.zoe.keep(janus);
    }
}

#[test]
fn a_request_has_one_document() {
    let world = World::start("one-document");
    let mut caller = world.caller(Way::Rest);
    let two = caller.keepalive("a") + &caller.join("b", ROOM);
    caller.talk.say(two);
    assert_eq!(caller.talk.answer()["error"]["code"], 454);
    let there = world.guarded.janus.participants("videoroom", ROOM);
    assert_eq!(there, ["Zoe"]);
}

#[test]
fn fragments_with_pings_in_between_are_one_message() {
    let world = World::start("fragments");
    for way in [Way::Http1, Way::Http2] {
        let mut caller = world.caller(way);
        for (transaction, room, answer) in [("own", ROOM, "ack"), ("other", OTHER_ROOM, "error")] {
            let text = caller.join(transaction, room);
            let mut frames = Vec::new();
            let pieces: Vec<_> = text.as_bytes().chunks(7).collect();
            for (at, piece) in pieces.iter().enumerate() {
                let opcode = if at == 0 { TEXT } else { CONTINUATION };
                let frame = Frame::from_client(opcode, piece);
                let is_last = at + 1 == pieces.len();
                frames.push(if is_last { frame } else { frame.part() });
                if !is_last {
                    frames.push(Frame::from_client(PING, [u8::try_from(at).unwrap()]));
                }
            }
            caller.talk.say_frames(&frames);
            assert_eq!(caller.answer(transaction)["janus"], answer);
        }
        assert_eq!(caller.talk.event()["videoroom"], "joined");
        let janus = &world.guarded.janus;
        assert_eq!(janus.participants("videoroom", ROOM), ["Zoe", "me"]);
        assert!(janus.participants("videoroom", OTHER_ROOM).is_empty());
        let session = caller.session;
        let destroy = json!({"janus": "destroy", "session_id": session});
        assert_eq!(caller.talk.ask(destroy)["janus"], "success");
        world.zoe.keep(janus);
    }
}

#[test]
fn what_is_no_message_closes_the_socket_and_is_not_carried_out() {
    let world = World::start("no-messages");
    for way in [Way::Http1, Way::Http2] {
        for (frames, code) in [
            (vec![Frame::from_client(BINARY, "$")], 1003),
            (
                vec![Frame::from_client(TEXT, b"{\"janus\":\"\xff\"}")],
                1007,
            ),
            // A message of 300 KB, where there may be 256 KiB.
            (vec![Frame::from_client(TEXT, vec![b' '; 300_000])], 1009),
            // A piece of a message that has not begun.
            (vec![Frame::from_client(CONTINUATION, "$")], 1002),
        ] {
            let mut caller = world.caller(way);
            let destroy = caller.join("destroy", ROOM);
            let frames = frames.into_iter().map(|frame| match &*frame.payload {
                b"$" => Frame {
                    payload: destroy.clone().into_bytes(),
                    ..frame
                },
                _ => frame,
            });
            caller.talk.say_frames(&frames.collect::<Vec<_>>());
            assert_eq!(caller.talk.closed().0, code, "{way:?}");
            let there = world.guarded.janus.participants("videoroom", ROOM);
            assert_eq!(there, ["Zoe"]);
        }
        world.zoe.keep(&world.guarded.janus);
    }
}

#[test]
fn a_long_description_arrives_as_it_was_written() {
    let world = World::start("long");
    for way in [Way::Http1, Way::Http2, Way::Rest] {
        let mut caller = world.caller(way);
        // Two-byte characters, escapes and a length that needs several frames on the way.
        let display = format!("{}\u{1f600}\"\\/\u{7f}", "ü".repeat(60_000));
        let body = json!({"request": "join", "ptype": "publisher", "room": ROOM,
            "display": display});
        let joined = caller.talk.async_request(caller.handle, body);
        assert_eq!(joined["videoroom"], "joined", "{way:?}");
        let there = world.guarded.janus.participants("videoroom", ROOM);
        assert!(there.contains(&display), "{way:?}");
        let session = caller.session;
        let destroy = json!({"janus": "destroy", "session_id": session});
        assert_eq!(caller.talk.ask(destroy)["janus"], "success");
        world.zoe.keep(&world.guarded.janus);
    }
}

/// Why a message with both is refused: rules would decide about one, and the plugin do the other.
#[test]
fn textroom_takes_a_second_request_for_the_first() {
    let world = World::start("textroom");
    let janus = &world.guarded.janus;
    let post = |mut message: Value| {
        message["transaction"] = "t".into();
        janus.api(&message)
    };
    let session = post(json!({"janus": "create"}))["data"]["id"].take();
    let attach = json!({"janus": "attach", "session_id": session,
        "plugin": "janus.plugin.textroom"});
    let handle = post(attach)["data"]["id"].take();
    let body = json!({"request": "list", "textroom": "create", "room": 99});
    let answer = post(
        json!({"janus": "message", "session_id": session, "handle_id": handle,
        "body": body}),
    );
    let said = &answer["plugindata"]["data"]["textroom"];
    assert_eq!(said, "created", "{answer}");
    assert!(janus.rooms("textroom").contains(&99));
}
