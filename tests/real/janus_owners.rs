//! Whose session it is: claims, lost sockets, other addresses, and a second Janus.

use serde_json::json;

use crate::support::guarded::{Guarded, tables, token};
use crate::support::janus::{Janus, ROOM};
use crate::support::talk::{Api, Talk, Way};
use crate::support::wire::Dial;
use crate::support::{Folder, Gateway};

const WAYS: [Way; 3] = [Way::Http1, Way::Http2, Way::Rest];

fn open(dial: &Dial, way: Way, subject: &str) -> Talk {
    let token = token(json!({"sub": subject, "room_ids": [ROOM]}));
    Talk::open(dial, way, Api::Janus, "callers", &token)
}

#[test]
fn a_session_can_be_claimed_by_its_owner_alone_from_anywhere() {
    let guarded = Guarded::start("claims", &[("JANUS_RECLAIM", "60")]);
    let janus = &guarded.janus;
    janus.add_rooms(&[ROOM]);
    let (here, elsewhere) = (
        guarded.gateway.dial(),
        guarded.gateway.dial().from("127.0.0.2"),
    );
    for way in [Way::Http1, Way::Http2] {
        let mut first = open(&here, way, "ada");
        let session = first.create();
        let handle = first.attach("videoroom");
        let claim = json!({"janus": "claim", "session_id": session});
        let leave = json!({"janus": "message", "session_id": session, "handle_id": handle,
            "body": {"request": "leave"}});
        for other in WAYS {
            let mut eve = open(&here, other, "eve");
            for message in [
                claim.clone(),
                leave.clone(),
                json!({"janus": "keepalive", "session_id": session}),
                json!({"janus": "destroy", "session_id": session}),
                json!({"janus": "attach", "session_id": session,
                    "plugin": "janus.plugin.echotest"}),
            ] {
                let answer = eve.ask(message);
                assert_eq!(answer["error"]["code"], 458, "{answer}");
            }
        }
        // The socket is lost without a close.
        drop(first);
        assert_eq!(janus.sessions(), [session]);
        let mut eve = open(&here, way, "eve");
        assert_eq!(eve.ask(claim.clone())["error"]["code"], 458);
        let mut again = open(&here, way, "ada");
        assert_eq!(again.ask(claim.clone())["janus"], "success");
        drop(again);
        let mut moved = open(&elsewhere, way, "ada");
        assert_eq!(moved.ask(claim.clone())["janus"], "success");
        let kept = moved.ask(json!({"janus": "keepalive", "session_id": session}));
        assert_eq!(kept["janus"], "ack");
        // The events of its handles come here now.
        let join = json!({"request": "join", "ptype": "publisher", "room": ROOM, "display": "me"});
        let join = json!({"janus": "message", "session_id": session, "handle_id": handle,
            "body": join});
        assert_eq!(moved.ask(join)["janus"], "ack");
        assert_eq!(moved.event()["videoroom"], "joined");
        assert_eq!(janus.participants("videoroom", ROOM), ["me"]);
        let destroyed = moved.ask(json!({"janus": "destroy", "session_id": session}));
        assert_eq!(destroyed["janus"], "success");
        assert!(janus.sessions().is_empty());
        // It is over for the gateway as well.
        assert_eq!(moved.ask(claim)["error"]["code"], 458);
    }
}

#[test]
fn a_long_poll_belongs_to_the_owner_of_the_session() {
    let guarded = Guarded::start("polls", &[]);
    let dial = guarded.gateway.dial();
    let mut ada = open(&dial, Way::Rest, "ada");
    let session = ada.create();
    let handle = ada.attach("echotest");
    let eve = token(json!({"sub": "eve", "room_ids": [ROOM]}));
    for path in [
        format!("/callers/janus/{session}"),
        format!("/callers/janus/{session}/{handle}"),
        format!("/callers/janus/{}", session + 1),
    ] {
        let answer = dial.h1().get(&format!("{path}?token={eve}&maxev=1"));
        assert_eq!(answer.status(), 404, "{path}: {}", answer.text());
    }
    // Nothing of the event was taken away.
    let answer = ada.request(handle, json!({"audio": true}));
    assert_eq!(answer["janus"], "ack", "{answer}");
    assert_eq!(ada.event()["result"], "ok");
    let destroy = json!({"janus": "destroy", "transaction": "d"}).to_string();
    let target = format!("/callers/janus/{session}?token={eve}");
    let answer = dial.h1().post(&target, destroy.as_bytes());
    assert!(answer.text().contains("458"), "{}", answer.text());
    assert_eq!(guarded.janus.sessions(), [session]);
}

#[test]
fn ids_in_path_and_body_do_not_contradict() {
    let guarded = Guarded::start("ids", &[]);
    let dial = guarded.gateway.dial();
    let mut ada = open(&dial, Way::Rest, "ada");
    let (first, second) = (ada.create(), ada.create());
    let handle = ada.attach("echotest");
    let token = token(json!({"sub": "ada", "room_ids": [ROOM]}));
    let post = |path: &str, message: serde_json::Value| {
        let target = format!("/callers/janus{path}?token={token}");
        dial.h1().post(&target, message.to_string().as_bytes())
    };
    for (path, message) in [
        (
            format!("/{first}"),
            json!({"janus": "destroy", "transaction": "d", "session_id": second}),
        ),
        (
            format!("/{first}/{handle}"),
            json!({"janus": "detach", "transaction": "d"}),
        ),
        (
            format!("/{second}/{handle}"),
            json!({"janus": "detach", "transaction": "d", "handle_id": handle + 1}),
        ),
        (
            format!("/{second}/x"),
            json!({"janus": "destroy", "transaction": "d"}),
        ),
    ] {
        let answer = post(&path, message);
        let refused = answer.status() >= 400 || answer.text().contains("\"error\"");
        assert!(refused, "{path}: {}", answer.text());
    }
    let mut sessions = guarded.janus.sessions();
    sessions.sort_unstable();
    let mut both = [first, second];
    both.sort_unstable();
    assert_eq!(sessions, both);
    assert_eq!(guarded.janus.handles(second), [handle]);
    // Where they agree, they are the same.
    let detach = json!({"janus": "detach", "transaction": "d", "session_id": second});
    let answer = post(&format!("/{second}/{handle}"), detach);
    assert!(answer.text().contains("success"), "{}", answer.text());
    assert!(guarded.janus.handles(second).is_empty());
}

#[test]
fn without_a_token_sessions_belong_to_the_connection_or_the_address() {
    let guarded = Guarded::start("tokenless", &[("JANUS_RECLAIM", "60")]);
    let (here, elsewhere) = (
        guarded.gateway.dial(),
        guarded.gateway.dial().from("127.0.0.2"),
    );
    let house = |dial: &Dial, way| Talk::open(dial, way, Api::Janus, "house", "");
    for way in [Way::Http1, Way::Http2] {
        let mut first = house(&here, way);
        let session = first.create();
        let claim = json!({"janus": "claim", "session_id": session});
        assert_eq!(house(&here, way).ask(claim.clone())["error"]["code"], 458);
        assert_eq!(first.ask(claim)["janus"], "success");
    }
    let mut requests = house(&here, Way::Rest);
    let session = requests.create();
    let keepalive = json!({"janus": "keepalive", "session_id": session});
    let mut other = house(&elsewhere, Way::Rest);
    assert_eq!(other.ask(keepalive.clone())["error"]["code"], 458);
    assert_eq!(house(&here, Way::Rest).ask(keepalive)["janus"], "ack");
}

#[test]
fn two_servers_behind_one_gateway_have_sessions_of_their_own() {
    let (folder, second_folder) = (Folder::new("two-a"), Folder::new("two-b"));
    let (first, second) = (
        Janus::start(&folder, &[]),
        Janus::start(&second_folder, &[]),
    );
    let other = format!(
        "[upstreams.second]\nservers = [\"http://127.0.0.1:{}\"]\nprotocol = \"janus\"\n\
         [[routes]]\npath = \"/second/callers/janus-ws\"\nupstream = \"second\"\n\
         policy = \"callers\"\n",
        second.websocket
    );
    let gateway = Gateway::start(&folder, "", &(tables(&folder, &first, &[]) + &other));
    let dial = gateway.dial();
    let there = token(json!({"sub": "ada", "room_ids": [ROOM]}));
    for way in [Way::Http1, Way::Http2] {
        let mut here = open(&dial, way, "ada");
        let mut there = Talk::open(&dial, way, Api::Janus, "second/callers", &there);
        let (on_first, on_second) = (here.create(), there.create());
        assert!(first.sessions().contains(&on_first));
        assert!(second.sessions().contains(&on_second));
        let (mine, theirs) = (
            json!({"janus": "destroy", "session_id": on_first}),
            json!({"janus": "destroy", "session_id": on_second}),
        );
        assert_eq!(here.ask(theirs.clone())["error"]["code"], 458);
        assert_eq!(there.ask(mine.clone())["error"]["code"], 458);
        assert_eq!(here.ask(mine)["janus"], "success");
        assert!(second.sessions().contains(&on_second));
        assert_eq!(there.ask(theirs)["janus"], "success");
        assert!(first.sessions().is_empty() && second.sessions().is_empty());
    }
}
