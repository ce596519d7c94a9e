//! A room that is taken away: by a reload with other rules, or by a newer token with other claims.

use serde_json::{Value, json};

use crate::harness::janus::{Caller, Janus, code};
use crate::harness::websocket::CLOSE;
use crate::harness::{Client, Config, Dial, TestGateway, eventually, staff};
use crate::rest_messages::{attach, create, get, post};

const CLOSED: &str = "[[policies.callers.rules]]\neffect = \"deny\"\nroom = 1234";

fn config(janus: &Janus, rules: &str) -> Config {
    let url = janus.url();
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"{url}\"]\nprotocol = \"janus\""
        ))
        .table(&staff::issuer(""))
        .table(&format!(
            "[policies.callers]\nissuers = [\"staff\"]\nmessages = [\"janus-caller\"]\n{rules}"
        ))
        .route_with("/janus", "app", "policy = \"callers\"")
}

/// A token for rooms, that expires in this many seconds.
fn token(subject: &str, rooms: &[i64], seconds: i64) -> String {
    let claims = json!({"sub": subject, "exp": staff::now() + seconds, "room_ids": rooms});
    staff::mint(staff::SECRET, &claims)
}

fn open(gateway: &TestGateway, token: &str) -> Caller {
    Caller::open(gateway, "/janus", &format!("Cookie: ianitor={token}\r\n"))
}

/// Joins a room, and returns the session and the handle.
#[track_caller]
fn join(caller: &mut Caller, room: i64) -> (i64, i64) {
    let session = caller.create();
    let ids = (session, caller.attach(session, "videoroom"));
    let join = json!({"request": "join", "ptype": "publisher", "room": room});
    assert_eq!(caller.request(ids, &join)["janus"], "ack");
    assert_eq!(caller.next()["janus"], "event");
    ids
}

#[track_caller]
fn renew(gateway: &TestGateway, old: &str, new: &str) {
    let answer = gateway.client().ask(format!(
        "POST /.ianitor/renew HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
         Cookie: ianitor={old}\r\nAuthorization: Bearer {new}\r\nContent-Length: 0\r\n\r\n"
    ));
    assert_eq!(answer.status(), 200);
}

#[track_caller]
fn is_closed(caller: &mut Caller) {
    let closed = (1008, "room no longer allowed".to_owned());
    assert_eq!(caller.close(), closed);
}

fn configure() -> Value {
    json!({"request": "configure", "audio": false})
}

#[test]
fn a_reload_that_takes_a_room_away_closes_the_sockets_that_are_in_it_and_no_other() {
    let janus = Janus::new();
    let mut gateway = TestGateway::start(&config(&janus, ""));
    let tokens = ["anna", "bob", "carol"].map(|name| token(name, &[1234, 77], 600));
    let [mut anna, mut bob, mut carol] = tokens.each_ref().map(|token| open(&gateway, token));
    join(&mut anna, 1234);
    let bobs = join(&mut bob, 77);
    let carols = carol.create();
    let carols = (carols, carol.attach(carols, "videoroom"));
    gateway.reload(&config(&janus, CLOSED));
    is_closed(&mut anna);
    drop(anna);
    let line = gateway.access.lines(1).remove(0);
    assert!(
        line.contains("end=policy reason=room_no_longer_allowed"),
        "{line}"
    );
    assert_eq!(bob.request(bobs, &configure())["janus"], "ack");
    // She may not enter it any more, but others.
    let join_it = json!({"request": "join", "ptype": "publisher", "room": 1234});
    assert_eq!(code(&carol.request(carols, &join_it)), 403);
    join(&mut carol, 77);
    let mut again = open(&gateway, &tokens[0]);
    join(&mut again, 77);
}

#[test]
fn a_newer_token_with_fewer_rooms_closes_the_sockets_that_are_in_one_of_the_others() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config(&janus, ""));
    let old = token("anna", &[1234, 77], 300);
    let [mut stays, mut goes] = [(); 2].map(|()| open(&gateway, &old));
    let mut other = open(&gateway, &token("bob", &[1234], 300));
    let kept = join(&mut stays, 77);
    join(&mut goes, 1234);
    let others = join(&mut other, 1234);
    renew(&gateway, &old, &token("anna", &[77], 600));
    is_closed(&mut goes);
    assert_eq!(stays.request(kept, &configure())["janus"], "ack");
    assert_eq!(other.request(others, &configure())["janus"], "ack");
}

#[test]
fn a_token_in_a_message_with_fewer_rooms_closes_its_socket() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config(&janus, ""));
    let old = token("anna", &[1234, 77], 300);
    let [mut stays, mut goes] = [(); 2].map(|()| open(&gateway, &old));
    let (kept, lost) = (join(&mut stays, 77), join(&mut goes, 1234));
    let new = token("anna", &[77], 600);
    let renewal = |(session, _)| {
        let mut message = json!({"janus": "keepalive", "session_id": session});
        message["transaction"] = json!("k");
        message["token"] = json!(new);
        message
    };
    assert_eq!(stays.ask(&renewal(kept))["janus"], "ack");
    assert_eq!(stays.request(kept, &configure())["janus"], "ack");
    goes.send(&renewal(lost).to_string());
    // The answer to the message may come first.
    let closed = std::iter::repeat_with(|| goes.frame()).find(|frame| frame.opcode == CLOSE);
    let reason = (1008, "room no longer allowed".to_owned());
    assert_eq!(closed.unwrap().close(), reason);
}

/// Joins a room over HTTP, and returns the path of the handle.
#[track_caller]
fn enter(dial: &Dial, token: &str, session: i64, room: i64) -> String {
    let handle = attach(dial, token, "/janus", session);
    let target = format!("/janus/{session}/{handle}");
    let join = json!({"janus": "message", "transaction": "j",
        "body": {"request": "join", "ptype": "publisher", "room": room}});
    assert_eq!(post(dial, token, &target, &join)["janus"], "ack");
    target
}

/// A client that is in a room, and whose long poll waits at Janus.
#[track_caller]
fn poll(janus: &Janus, gateway: &TestGateway, token: &str, room: i64) -> Client {
    let dial = gateway.dial();
    let session = create(&dial, token, "/janus");
    enter(&dial, token, session, room);
    wait(janus, gateway, token, session)
}

#[track_caller]
fn wait(janus: &Janus, gateway: &TestGateway, token: &str, session: i64) -> Client {
    let before = janus.upstream.heads().len();
    let mut client = gateway.client();
    client.send(format!(
        "GET /janus/{session}?rid=waits HTTP/1.1\r\nHost: localhost\r\n\
         Cookie: ianitor={token}\r\n\r\n"
    ));
    eventually("the long poll", || janus.upstream.heads().len() > before);
    client
}

/// Whether the answer to a long poll is that of Janus.
#[track_caller]
fn is_answered(mut client: Client) {
    let answer = client.answer();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text(), r#"{"janus":"keepalive"}"#);
}

/// Waits until the access log has a long poll that ended for this reason.
#[track_caller]
fn has_ended(gateway: &TestGateway, status: u16, reason: &str) {
    let status = format!("status={status} ");
    let end = format!("end=policy reason={reason}");
    eventually(&end, || {
        let lines = gateway.access.now();
        lines
            .iter()
            .any(|line| line.contains(&status) && line.contains(&end))
    });
}

#[test]
fn a_reload_that_takes_a_room_away_ends_the_long_polls_that_wait_for_it_and_no_other() {
    let janus = Janus::new();
    let mut gateway = TestGateway::start(&config(&janus, ""));
    let tokens = ["anna", "bob"].map(|name| token(name, &[1234, 77], 600));
    let mut annas = poll(&janus, &gateway, &tokens[0], 1234);
    let bobs = poll(&janus, &gateway, &tokens[1], 77);
    gateway.reload(&config(&janus, CLOSED));
    assert_eq!(annas.answer().status(), 403);
    has_ended(&gateway, 403, "room_no_longer_allowed");
    // What Janus says later does not reach the client.
    janus.answer_polls();
    is_answered(bobs);
    assert_eq!(annas.get("/elsewhere").status(), 404);
}

#[test]
fn a_reload_that_takes_a_plugin_or_keepalive_away_ends_the_long_polls_too() {
    for (rule, reason) in [
        (
            "plugin = \"janus.plugin.videoroom\"",
            "plugin_no_longer_allowed",
        ),
        ("verb = \"keepalive\"", "no_longer_allowed"),
    ] {
        let janus = Janus::new();
        let mut gateway = TestGateway::start(&config(&janus, ""));
        let mut client = poll(&janus, &gateway, &token("anna", &[1234], 600), 1234);
        let rules = format!("[[policies.callers.rules]]\neffect = \"deny\"\n{rule}");
        gateway.reload(&config(&janus, &rules));
        assert_eq!(client.answer().status(), 403, "{rule}");
        has_ended(&gateway, 403, reason);
    }
}

#[test]
fn a_newer_token_with_fewer_rooms_ends_the_long_polls_that_wait_for_one_of_the_others() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config(&janus, ""));
    let old = token("anna", &[1234, 77], 300);
    let stays = poll(&janus, &gateway, &old, 77);
    let mut goes = poll(&janus, &gateway, &old, 1234);
    renew(&gateway, &old, &token("anna", &[77], 600));
    assert_eq!(goes.answer().status(), 403);
    janus.answer_polls();
    is_answered(stays);
}

#[test]
fn a_reload_that_begins_to_judge_messages_ends_the_long_polls_that_were_not_judged() {
    let janus = Janus::new();
    let judged = config(&janus, "").text();
    let plain = judged.replace("messages = [\"janus-caller\"]", "");
    let mut gateway = TestGateway::start_text(&plain);
    let mut client = poll(&janus, &gateway, &token("anna", &[77], 600), 1234);
    gateway.reload_text(&judged);
    assert_eq!(client.answer().status(), 503);
    has_ended(&gateway, 503, "message_checks_changed");
}

#[test]
fn a_room_that_was_taken_away_is_gone_over_http_as_well() {
    let janus = Janus::new();
    let mut gateway = TestGateway::start(&config(&janus, ""));
    let (dial, token) = (gateway.dial(), token("anna", &[1234], 600));
    let session = create(&dial, &token, "/janus");
    let target = enter(&dial, &token, session, 1234);
    let request = |body: &Value| {
        let message = json!({"janus": "message", "transaction": "m", "body": body});
        post(&dial, &token, &target, &message)
    };
    let join = json!({"request": "join", "ptype": "publisher", "room": 1234});
    assert_eq!(request(&configure())["janus"], "ack");
    gateway.reload(&config(&janus, CLOSED));
    janus.take_received();
    assert_eq!(code(&request(&configure())), 403);
    assert_eq!(code(&request(&join)), 403);
    assert_eq!(request(&json!({"request": "leave"}))["janus"], "ack");
    let hangup = json!({"janus": "hangup", "transaction": "h"});
    assert_eq!(post(&dial, &token, &target, &hangup)["janus"], "success");
    assert_eq!(janus.take_received().len(), 2);
    let poll = get(&dial, &token, &format!("/janus/{session}"));
    assert_eq!(poll.status(), 403);
    let destroy = json!({"janus": "destroy", "transaction": "d"});
    let answer = post(&dial, &token, &format!("/janus/{session}"), &destroy);
    assert_eq!(answer["janus"], "success");
}
