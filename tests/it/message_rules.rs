//! The rules of a policy, its limits and the secrets of its upstream, by what reaches a server like
//! Janus.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::janus::{Caller, Janus, code};
use crate::harness::token::{hmac_without_leeway, token};
use crate::harness::websocket::TEXT;
use crate::harness::{Config, TestGateway, eventually};

/// Everything goes to a Janus, for clients of this policy.
fn judged(janus: &Janus, policy: &str) -> Config {
    judged_with(janus, "", policy, "")
}

fn judged_with(janus: &Janus, of_upstream: &str, policy: &str, of_route: &str) -> Config {
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"\n{of_upstream}",
            janus.url()
        ))
        .table(&hmac_without_leeway())
        .table(&format!("[policies.callers]\n{policy}"))
        .route_with("/", "app", &format!("policy = \"callers\"\n{of_route}"))
}

const LOCAL: &str = "allow = [\"127.0.0.0/8\"]";
const BY_TOKEN: &str = "issuers = [\"staff\"]";

/// What becomes of a request about a room.
fn exists(caller: &mut Caller, ids: (i64, i64), room: &Value) -> Value {
    let answer = caller.request(ids, &json!({"request": "exists", "room": room}));
    if answer["janus"] == "ack" {
        return caller.next()["janus"].clone();
    }
    code(&answer).into()
}

#[test]
fn own_rules_come_before_presets_and_the_first_that_matches_decides() {
    let janus = Janus::new();
    let policy = format!(
        "{BY_TOKEN}\nmessages = [\"janus-caller\"]\n\
         [[policies.callers.rules]]\neffect = \"deny\"\nroom = [99, \"backstage\"]\n\
         claims = {{ guest = true }}\n\
         [[policies.callers.rules]]\neffect = \"deny\"\nplugin = \"janus.plugin.textroom\"\n\
         [[policies.callers.rules]]\neffect = \"allow\"\nverb = \"attach\"\n\
         plugin = \"janus.plugin.sip\"\n\
         [[policies.callers.rules]]\neffect = \"allow\"\nplugin = \"janus.plugin.sip\"\n\
         request = \"register\"\n"
    );
    let gateway = TestGateway::start(&judged(&janus, &policy));
    let open = |guest: bool| {
        let rooms = json!([99, "backstage", 1234]);
        let token = token(json!({"sub": "ada", "room_ids": rooms, "guest": guest}));
        Caller::open(&gateway, &format!("/ws?token={token}"), "")
    };
    for (guest, room, expected) in [
        (false, json!(99), json!("event")),
        (true, json!(99), json!(403)),
        (true, json!("99"), json!(403)),
        (true, json!("backstage"), json!(403)),
        (false, json!("backstage"), json!("event")),
        (true, json!(1234), json!("event")),
        (true, json!("1234"), json!(403)),
        (false, json!(4321), json!(403)),
    ] {
        let mut caller = open(guest);
        let session = caller.create();
        let handle = caller.attach(session, "videoroom");
        let got = exists(&mut caller, (session, handle), &room);
        assert_eq!(got, expected, "guest {guest}, room {room}");
    }
    let mut caller = open(false);
    let session = caller.create();
    let refused = caller.ask(&json!({"janus": "attach", "transaction": "a",
        "session_id": session, "plugin": "janus.plugin.textroom"}));
    assert_eq!(code(&refused), 403);
    // Of a plugin that the gateway does not know, what is named passes.
    let sip = (session, caller.attach(session, "sip"));
    assert_eq!(
        caller.request(sip, &json!({"request": "register"}))["janus"],
        "ack"
    );
    caller.next();
    assert_eq!(code(&caller.request(sip, &json!({"request": "call"}))), 403);
    let passed = janus.take_received();
    let asked = passed
        .iter()
        .filter(|message| message["janus"] == "message");
    assert_eq!(asked.count(), 4, "{passed:#?}");
}

#[test]
fn claims_of_rooms_hosts_and_members_decide() {
    let janus = Janus::new();
    let policy = format!(
        "{BY_TOKEN}\n\
         [[policies.callers.rules]]\neffect = \"allow\"\nverb = [\"create\", \"attach\"]\n\
         [[policies.callers.rules]]\neffect = \"allow\"\nplugin = \"janus.plugin.videoroom\"\n\
         request = \"rtp_forward\"\nroom_claims = [\"rooms.own\", \"rooms.shared\"]\n\
         without = [\"secret\"]\nhosts = [\"192.0.2.9\"]\n"
    );
    let gateway = TestGateway::start(&judged(&janus, &policy));
    let token = token(json!({"sub": "ada", "rooms": {"own": 1, "shared": [2, "lobby"]}}));
    let mut caller = Caller::open(&gateway, &format!("/ws?token={token}"), "");
    let session = caller.create();
    let ids = (session, caller.attach(session, "videoroom"));
    for (room, host, more, passes) in [
        (json!(1), "192.0.2.9", json!({}), true),
        (json!("lobby"), "192.0.2.9", json!({}), true),
        (json!(3), "192.0.2.9", json!({}), false),
        (json!("1"), "192.0.2.9", json!({}), false),
        (json!(1), "192.0.2.10", json!({}), false),
        (json!(1), "192.0.2.9", json!({"secret": "x"}), false),
        (
            json!(1),
            "192.0.2.9",
            json!({"streams": [{"secret": "x"}]}),
            false,
        ),
        (
            json!(1),
            "192.0.2.9",
            json!({"streams": [{"host": "192.0.2.10"}]}),
            false,
        ),
    ] {
        let mut body = json!({"request": "rtp_forward", "room": room, "host": host});
        let members = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(members);
        let answer = caller.request(ids, &body);
        assert_eq!(answer["janus"] == "ack", passes, "{body}: {answer}");
        if passes {
            caller.next();
        }
    }
}

#[test]
fn a_reload_brings_other_rules_to_open_websockets() {
    let janus = Janus::new();
    let rules = |room: u32| {
        format!(
            "{LOCAL}\n[[policies.callers.rules]]\neffect = \"deny\"\nroom = {room}\n\
             [[policies.callers.rules]]\neffect = \"allow\"\n"
        )
    };
    let mut gateway = TestGateway::start(&judged(&janus, &rules(1)));
    let mut caller = Caller::open(&gateway, "/ws", "");
    let session = caller.create();
    let ids = (session, caller.attach(session, "videoroom"));
    assert_eq!(exists(&mut caller, ids, &json!(1)), 403);
    assert_eq!(exists(&mut caller, ids, &json!(2)), "event");
    gateway.reload(&judged(&janus, &rules(2)));
    eventually("the new rules", || {
        exists(&mut caller, ids, &json!(1)) == "event"
    });
    assert_eq!(exists(&mut caller, ids, &json!(2)), 403);
}

#[test]
fn a_larger_message_than_the_route_takes_closes_the_websocket() {
    let janus = Janus::new();
    let policy = format!("{LOCAL}\n[[policies.callers.rules]]\neffect = \"allow\"\n");
    let config = judged_with(&janus, "", &policy, "message_size = \"4KiB\"");
    let gateway = TestGateway::start(&config);
    let mut caller = Caller::open(&gateway, "/ws", "");
    let ping = |padding: usize| {
        let padding = "x".repeat(padding);
        json!({"janus": "ping", "transaction": "t", "padding": padding}).to_string()
    };
    caller.send(&ping(4000));
    assert_eq!(caller.next()["janus"], "pong");
    caller.send(&ping(5000));
    assert_eq!(caller.close().0, 1009);
    assert_eq!(janus.received().len(), 1);
}

#[test]
fn too_many_refused_messages_close_the_websocket() {
    let janus = Janus::new();
    let policy =
        format!("{LOCAL}\n[[policies.callers.rules]]\neffect = \"allow\"\nverb = \"ping\"\n");
    let config = judged(&janus, &policy).limits("refusals_per_tunnel = \"3/h\"");
    let gateway = TestGateway::start(&config);
    let mut caller = Caller::open(&gateway, "/ws", "");
    let create = json!({"janus": "create", "transaction": "c"});
    for _ in 0..3 {
        assert_eq!(code(&caller.ask(&create)), 403);
    }
    caller.is_alive();
    caller.send(&create.to_string());
    let answer = caller.frame();
    let closed = match answer.opcode {
        TEXT => caller.close(),
        _ => answer.close(),
    };
    assert_eq!(closed.0, 1008);
}

#[test]
fn a_secret_that_cannot_be_read_any_more_stays_in_force() {
    let (janus, mut file) = (Janus::new(), NamedTempFile::new().unwrap());
    writeln!(file, "first secret").unwrap();
    let (secret, policy) = (
        format!("secret_file = \"{}\"", file.path().display()),
        format!("{LOCAL}\n[[policies.callers.rules]]\neffect = \"allow\"\n"),
    );
    let mut gateway = TestGateway::start(&judged_with(&janus, &secret, &policy, ""));
    let mut caller = Caller::open(&gateway, "/ws", "");
    let mut secrets = || {
        caller.is_alive();
        let messages = janus.take_received();
        let secret = messages[0]["apisecret"].as_str().unwrap();
        secret.to_owned()
    };
    assert_eq!(secrets(), "first secret");
    for unusable in ["", "\n", "two\nlines\n"] {
        std::fs::write(file.path(), unusable).unwrap();
        gateway.follow_files();
        assert_eq!(secrets(), "first secret", "{unusable:?}");
    }
    std::fs::write(file.path(), "second secret\n").unwrap();
    gateway.follow_files();
    eventually("the second secret", || secrets() == "second secret");
}

#[test]
fn a_token_of_janus_is_signed_with_the_secret_of_the_upstream() {
    let (janus, mut file) = (Janus::new(), NamedTempFile::new().unwrap());
    writeln!(file, "tokensecret").unwrap();
    let secret = format!("token_auth_secret_file = \"{}\"", file.path().display());
    let config = judged_with(
        &janus,
        &secret,
        &format!("{LOCAL}\nmessages = [\"janus-caller\"]"),
        "",
    );
    let gateway = TestGateway::start(&config);
    let mut caller = Caller::open(&gateway, "/ws", "");
    let create = json!({"janus": "create", "transaction": "c", "token": "1,janus:forged"});
    assert_eq!(caller.ask(&create)["janus"], "success");
    let message = janus.take_received().remove(0);
    let token = message["token"].as_str().unwrap();
    let (signed, signature) = token.split_once(':').unwrap();
    assert!(signed.contains(",janus"), "{token}");
    let key = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        b"tokensecret",
    );
    let expected = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let expected = STANDARD.encode(expected);
    assert_eq!(signature, expected);
}
