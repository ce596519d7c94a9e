//! The rules of a policy decide about each message over HTTP, and what they refuse is answered in
//! the words of Janus.

use serde_json::{Value, json};

use crate::harness::janus::{Janus, code};
use crate::harness::{Config, Dial, TestGateway, h2, staff};
use crate::rest_messages::{attach, create, get, post};

/// A Janus and its admin API, below paths of their own.
fn config(janus: &Janus, messages: &str) -> Config {
    let url = janus.url();
    Config::new()
        .table(&format!(
            "[upstreams]\napp = {{ servers = [\"{url}\"], protocol = \"janus\" }}\n\
             control = {{ servers = [\"{url}\"], protocol = \"janus-admin\" }}"
        ))
        .table(&staff::issuer(""))
        .table(&format!(
            "[policies.callers]\nissuers = [\"staff\"]\n{messages}\n\
             [policies.operators]\nissuers = [\"staff\"]\nmessages = [\"janus-admin-observe\"]"
        ))
        .route_with("/janus", "app", "policy = \"callers\"")
        .route_with("/admin", "control", "policy = \"operators\"")
}

const CALLERS: &str = "messages = [\"janus-caller\"]";

/// A caller's token for room 1234.
fn token() -> String {
    let claims = json!({"sub": "ada", "exp": staff::now() + 60, "room_ids": [1234]});
    staff::mint(staff::SECRET, &claims)
}

/// A message with this body, as it is written.
#[track_caller]
fn request(dial: &Dial, token: &str, target: &str, body: &str) -> Value {
    let message = format!(r#"{{"janus":"message","transaction":"m","body":{body}}}"#);
    let answer = dial.h1().ask(format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{message}",
        message.len()
    ));
    assert_eq!(answer.status(), 200, "{}", answer.head);
    let over_h1 = serde_json::from_str(&answer.text()).unwrap();
    let mut post = h2::post(target);
    let token = format!("Bearer {token}").parse().unwrap();
    post.headers_mut().insert("authorization", token);
    let answer = dial.h2().send(post, message.as_bytes());
    assert_eq!(answer.status, 200);
    let over_h2: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(over_h1, over_h2, "{body}");
    over_h1
}

#[test]
fn a_caller_joins_its_own_room_and_no_other() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config(&janus, CALLERS));
    let (dial, token) = (gateway.dial(), token());
    let session = create(&dial, &token, "/janus");
    let handle = attach(&dial, &token, "/janus", session);
    let target = format!("/janus/{session}/{handle}");
    janus.take_received();
    for body in [
        r#"{"request":"join","room":1234,"ptype":"publisher"}"#,
        r#"{"request":"JOIN","room":1234,"ptype":"publisher"}"#,
        r#"{"request":"j\u006fin","room":1234,"ptype":"publisher"}"#,
        r#"{"request":"leave"}"#,
    ] {
        assert_eq!(
            request(&dial, &token, &target, body)["janus"],
            "ack",
            "{body}"
        );
    }
    assert_eq!(janus.take_received().len(), 8);
    for (body, want) in [
        (r#"{"request":"join","room":4321,"ptype":"publisher"}"#, 403),
        (
            r#"{"request":"join","room":"1234","ptype":"publisher"}"#,
            403,
        ),
        (r#"{"request":"join","ptype":"publisher"}"#, 403),
        (
            r#"{"request":"join","room":1234,"rooms":[4321],"ptype":"publisher"}"#,
            403,
        ),
        (
            r#"{"request":"join","room":4321,"room":1234,"ptype":"publisher"}"#,
            454,
        ),
        (r#"{"request":"kick","room":1234,"id":7}"#, 403),
        (r#"{"request":"create","room":1234}"#, 403),
        (
            r#"{"request":"configure","record":true,"filename":"/etc/x"}"#,
            403,
        ),
        (r#"{"request":"unheard_of","room":1234}"#, 403),
    ] {
        let answer = request(&dial, &token, &target, body);
        assert_eq!(code(&answer), want, "{body}: {answer}");
        if want == 403 {
            let ids = (&answer["transaction"], &answer["session_id"]);
            assert_eq!(ids, (&json!("m"), &json!(session)), "{answer}");
        }
    }
    assert_eq!(janus.received(), [""; 0]);
    let line = gateway.access.lines(28).pop().unwrap();
    assert!(line.contains(" reason=message_refused detail=\""), "{line}");
}

#[test]
fn a_get_is_judged_as_the_message_that_it_stands_for() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config(&janus, CALLERS));
    let (dial, token) = (gateway.dial(), token());
    // The preset has no `info`.
    let answer = get(&dial, &token, "/janus/info");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.head.get("access-control-allow-origin"), Some("*"));
    assert_eq!(code(&serde_json::from_str(&answer.text()).unwrap()), 403);
    let info = json!({"janus": "info", "transaction": "i"});
    assert_eq!(code(&post(&dial, &token, "/janus", &info)), 403);
    assert_eq!(janus.received(), [""; 0]);
    assert!(janus.upstream.heads().is_empty());
    let session = create(&dial, &token, "/janus");
    let answer = get(&dial, &token, &format!("/janus/{session}"));
    assert_eq!(answer.text(), r#"{"janus":"keepalive"}"#);
    // The preset of the other API has it.
    let answer = get(&dial, &token, "/admin/info");
    assert!(answer.text().contains("server_info"), "{}", answer.text());
}

#[test]
fn a_long_poll_needs_a_rule_for_keepalive() {
    let janus = Janus::new();
    let rules = "[[policies.callers.rules]]\neffect = \"allow\"\nverb = [\"create\", \"info\"]";
    let gateway = TestGateway::start(&config(&janus, rules));
    let (dial, token) = (gateway.dial(), token());
    let session = create(&dial, &token, "/janus");
    let reached = janus.upstream.heads().len();
    let answer = get(&dial, &token, &format!("/janus/{session}"));
    assert_eq!((answer.status(), answer.body.len()), (403, 0));
    assert_eq!(janus.upstream.heads().len(), reached);
    let answer = get(&dial, &token, "/janus/info");
    assert!(answer.text().contains("server_info"), "{}", answer.text());
}

#[test]
fn an_admin_verb_is_judged_wherever_its_ids_are() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config(&janus, CALLERS));
    let (dial, token) = (gateway.dial(), token());
    let verb = |verb: &str| json!({"janus": verb, "transaction": "t"});
    post(&dial, &token, "/admin", &verb("list_sessions"));
    post(&dial, &token, "/admin/5", &verb("list_handles"));
    assert_eq!(janus.take_received().len(), 2);
    for (target, refused) in [
        ("/admin", "set_log_level"),
        ("/admin/5", "destroy_session"),
        ("/admin/5/7", "handle_info"),
        ("/admin/5/7", "HANDLE_INFO"),
    ] {
        assert_eq!(code(&post(&dial, &token, target, &verb(refused))), 403);
    }
    assert_eq!(janus.received(), [""; 0]);
}

#[test]
fn rules_that_change_while_a_body_is_read_decide_about_its_message() {
    let janus = Janus::new();
    let mut gateway = TestGateway::start(&config(&janus, CALLERS));
    let token = token();
    let message = r#"{"janus":"create","transaction":"t"}"#;
    let head = format!(
        "POST /janus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n",
        message.len()
    );
    let mut client = gateway.client();
    client.send(format!("{head}{{"));
    assert_eq!(
        gateway.client().ask(format!("{head}{message}")).status(),
        200
    );
    let rules = "[[policies.callers.rules]]\neffect = \"deny\"\nverb = \"create\"";
    gateway.reload(&config(&janus, &format!("{CALLERS}\n{rules}")));
    client.send(&message[1..]);
    let answer: Value = serde_json::from_str(&client.answer().text()).unwrap();
    assert_eq!(code(&answer), 403);
    assert_eq!(janus.received().len(), 1);
}
