//! What the claims of a newer token change where a policy has rules for messages, and tokens in
//! messages over HTTP.

use super::*;

/// Callers in the rooms of their tokens, at a Janus without a secret.
fn callers(janus: &Janus) -> Config {
    Config::new()
        .table(&staff::issuer("leeway = \"0s\""))
        .table("[policies.staff]\nissuers = [\"staff\"]\nmessages = [\"janus-caller\"]")
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"",
            janus.url()
        ))
        .route_with("/", "app", "policy = \"staff\"")
}

/// A token for rooms.
fn token(seconds: i64, rooms: &[i64]) -> String {
    let claims = json!({"sub": "anna", "exp": staff::now() + seconds, "room_ids": rooms});
    staff::mint(staff::SECRET, &claims)
}

/// Asks to join a room.
fn join((session, handle): (i64, i64), room: i64) -> Value {
    json!({"janus": "message", "transaction": "j", "session_id": session, "handle_id": handle,
        "body": {"request": "join", "room": room, "ptype": "publisher"}})
}

fn with(mut message: Value, token: &str) -> Value {
    message["token"] = json!(token);
    message
}

#[test]
fn the_rooms_of_a_newer_token_count_from_its_message_on() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&callers(&janus));
    let mut caller = open(&gateway, &token(100, &[1234]));
    let session = caller.create();
    let own = (session, caller.attach(session, "videoroom"));
    assert_eq!(code(&caller.ask(&join(own, 4321))), 403);
    let newer = token(200, &[1234, 4321]);
    assert_eq!(caller.ask(&with(join(own, 4321), &newer))["janus"], "ack");
    assert_eq!(caller.next()["janus"], "event");
    assert_eq!(caller.ask(&join(own, 1234))["janus"], "ack");
    for message in janus.take_received() {
        assert_eq!(message.get("token"), None, "{message}");
    }
}

#[test]
fn a_newer_token_without_the_room_that_the_client_is_in_closes_its_websocket() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&callers(&janus));
    let mut caller = open(&gateway, &token(100, &[1234]));
    let session = caller.create();
    let own = (session, caller.attach(session, "videoroom"));
    assert_eq!(caller.ask(&join(own, 1234))["janus"], "ack");
    assert_eq!(caller.next()["janus"], "event");
    janus.take_received();
    let keepalive = json!({"janus": "keepalive", "transaction": "k", "session_id": session});
    let message = with(keepalive, &token(200, &[4321]));
    caller.send(&message.to_string());
    assert_eq!(caller.close(), (1008, "room no longer allowed".to_owned()));
    assert_eq!(janus.take_received(), [Value::Null; 0]);
}

#[test]
fn a_token_that_janus_has_stored_reaches_it_and_one_for_the_gateway_does_not() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&callers(&janus));
    let own = token(100, &[1234]);
    let mut caller = open(&gateway, &own);
    let create = json!({"janus": "create", "transaction": "c"});
    for token in ["stored", "a.b.c", &own] {
        let answer = caller.ask(&with(create.clone(), token));
        assert_eq!(answer["janus"], "success", "{token}");
    }
    let received = janus.take_received();
    let tokens: Vec<_> = received
        .iter()
        .map(|message| message.get("token"))
        .collect();
    assert_eq!(
        tokens,
        [Some(&json!("stored")), Some(&json!("a.b.c")), None]
    );
    // Nor does it in the query of a long poll.
    let session = caller.create();
    for (query, want) in [
        ("token=stored", "?token=stored"),
        (&format!("token={own}"), ""),
    ] {
        let before = janus.upstream.heads().len();
        let mut client = gateway.client();
        client.send(format!(
            "GET /janus/{session}?{query} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {own}\r\n\r\n"
        ));
        eventually("the long poll", || janus.upstream.heads().len() > before);
        let head = janus.upstream.heads().pop().unwrap();
        assert_eq!(head.target(), format!("/janus/{session}{want}"));
    }
}

#[test]
fn a_message_over_http_goes_on_by_its_own_token() {
    let world = World::new();
    let gateway = world.start("");
    let own = staff::token("anna", 300);
    let post = |message: &Value| -> Value {
        let body = message.to_string();
        let answer = gateway.client().ask(format!(
            "POST /janus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {own}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(&answer.body).unwrap()
    };
    let newer = staff::token("anna", 600);
    for (transaction, token) in [("own", &own), ("newer", &newer), ("own", &own)] {
        let answer = post(&ping_with(transaction, token));
        assert_eq!(answer, json!({"janus": "pong", "transaction": transaction}));
    }
    assert_eq!(post(&ping("none"))["janus"], "pong");
    let forged = format!("{}.c2ln", newer.rsplit_once('.').unwrap().0);
    for token in [
        staff::token("anna", 200),
        staff::token("berta", 600),
        forged,
    ] {
        let answer = post(&ping_with("bad", &token));
        assert_eq!(answer["transaction"], "bad");
        assert_eq!(answer["error"], json!({"code": 403, "reason": REJECTED}));
    }
    assert_eq!(world.transactions(), ["own", "newer", "own", "none"]);
    let (_, metrics) = gateway.status("/metrics");
    let renewals = "ianitor_message_token_renewals_total{upstream=\"app\"} 1\n";
    assert!(metrics.contains(renewals), "{metrics}");
}
