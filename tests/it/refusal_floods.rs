//! Clients that send what is refused, are closed, and come back at once.

use serde_json::json;

use crate::harness::janus::{self, Caller, Janus};
use crate::harness::kurento::{App, Kms, request};
use crate::harness::message::Head;
use crate::harness::websocket::{TEXT, handshake};
use crate::harness::{Client, Config, TestGateway, eventually, staff};
use crate::kurento_owners::{config, config_with};

const FEW: &str = "refusals_per_tunnel = \"2/h\"";

/// Sends requests that are refused until the WebSocket is closed.
fn flood(app: &mut App) {
    for _ in 0..3 {
        app.send(r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#);
    }
    let closed = loop {
        let frame = app.frame();
        if frame.opcode != TEXT {
            break frame.close();
        }
    };
    assert_eq!(closed, (1008, "too many messages were refused".to_owned()));
}

/// A Janus whose messages are judged, and whose clients are known by their connections.
fn config_of_janus(janus: &Janus) -> Config {
    Config::new()
        .limits(FEW)
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"",
            janus.url()
        ))
        .table("[policies.callers]\nallow = [\"127.0.0.0/8\"]\nmessages = [\"janus-caller\"]")
        .route_with("/", "app", "policy = \"callers\"")
}

/// What a handshake with these lines is answered by.
fn asked(mut client: Client, target: &str, more: &str) -> Head {
    client.send(handshake(target, more));
    client.head()
}

fn token_of(subject: &str) -> String {
    format!("Authorization: Bearer {}\r\n", staff::token(subject, 600))
}

#[test]
fn after_a_flood_of_refusals_a_subject_has_to_wait_on_this_route() {
    let kms = Kms::new();
    let config = config(&kms).limits(FEW).route_with(
        "/other",
        "kms",
        "policy = \"apps\"\nstrip_prefix = \"/other\"",
    );
    let mut gateway = TestGateway::start(&config);
    flood(&mut App::of(&gateway, "mallory"));
    let head = asked(gateway.client(), "/kurento", &token_of("mallory"));
    assert_eq!(head.status(), 429, "{head}");
    let wait: u64 = head.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    eventually("the access line", || {
        let lines = gateway.access.now();
        lines
            .iter()
            .any(|line| line.contains("reason=refusal_flood"))
    });
    // A reload does not end it, and nobody else has to wait.
    gateway.reload(&config);
    let head = asked(gateway.client(), "/kurento", &token_of("mallory"));
    assert_eq!(head.status(), 429, "{head}");
    App::of(&gateway, "alice").is_alive();
    let other = asked(gateway.client(), "/other", &token_of("mallory"));
    assert_eq!(other.status(), 101, "{other}");
    // A request that is no handshake is answered as ever.
    let answer = gateway.client().ask(format!(
        "GET /kurento HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        token_of("mallory")
    ));
    assert_eq!(answer.status(), 426);
    assert_eq!(kms.received().len(), 1, "{:?}", kms.received());
}

#[test]
fn without_a_token_it_is_the_address_that_has_to_wait() {
    let kms = Kms::new();
    let policy = "allow = [\"127.0.0.0/8\"]\nmessages = [\"kurento-app\"]";
    let gateway = TestGateway::start(&config_with(&kms, "", policy, "").limits(FEW));
    let from = |source: &str| gateway.dial().from(source).h1();
    flood(&mut App::open_on(from("127.0.0.2"), ""));
    assert_eq!(asked(from("127.0.0.2"), "/kurento", "").status(), 429);
    App::open_on(from("127.0.0.3"), "").is_alive();
}

#[test]
fn a_flood_at_janus_is_answered_in_the_same_way() {
    let janus = Janus::new();
    let gateway = TestGateway::start(&config_of_janus(&janus));
    let mut caller = Caller::open(&gateway, "/ws", "");
    let unknown = json!({"janus": "shutdown", "transaction": "t"});
    assert_eq!(janus::code(&caller.ask(&unknown)), 403);
    caller.send(&unknown.to_string());
    caller.send(&unknown.to_string());
    while caller.frame().opcode == TEXT {}
    let protocol = "Sec-WebSocket-Protocol: janus-protocol\r\n";
    assert_eq!(asked(gateway.client(), "/ws", protocol).status(), 429);
    // Messages by REST are judged one by one.
    let create = br#"{"janus":"create","transaction":"t"}"#;
    assert_eq!(gateway.client().post("/janus", create).status(), 200);
}

#[test]
fn requests_about_what_kurento_has_no_more_are_no_flood() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms).limits(FEW));
    let mut app = App::of(&gateway, "carol");
    let (pipeline, session) = app.pipeline();
    let endpoints = [(); 3].map(|()| app.endpoint(&pipeline));
    app.ask("release", &json!({"object": pipeline}));
    kms.take_methods();
    // Kurento has released them with their pipeline.
    for endpoint in &endpoints {
        let object = json!({"object": endpoint});
        for method in ["release", "describe", "unref"] {
            assert_eq!(app.code(method, &object), 40_101, "{method}");
        }
        let both = json!({"operations": [request(&json!(0), "release", &object)]});
        assert_eq!(app.code("transaction", &both), 40_101);
        let release = request(&json!(null), "release", &object).to_string();
        app.send(&release.replace(r#""id":null,"#, ""));
    }
    let named = json!({"sessionId": format!("{session}0")});
    for method in ["connect", "keepAlive", "closeSession"] {
        assert_eq!(app.code(method, &named), 40_007, "{method}");
    }
    assert_eq!(kms.take_methods(), [""; 0]);
    let (_, metrics) = gateway.status("/metrics");
    for (rule, count) in [("unknown_handle", 15), ("unknown_session", 3)] {
        let line =
            format!("ianitor_message_refusals_total{{policy=\"apps\",rule=\"{rule}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
    app.is_alive();
    // What no rule allows counts as before.
    flood(&mut app);
}

#[test]
fn sessions_from_before_a_restart_of_the_gateway_are_no_flood() {
    let janus = Janus::new();
    let config = config_of_janus(&janus);
    let sessions = {
        let gateway = TestGateway::start(&config);
        let mut caller = Caller::open(&gateway, "/ws", "");
        [(); 3].map(|()| caller.create())
    };
    let gateway = TestGateway::start(&config);
    let mut caller = Caller::open(&gateway, "/ws", "");
    for session in sessions {
        for verb in ["keepalive", "claim", "destroy"] {
            let message = json!({"janus": verb, "transaction": "t", "session_id": session});
            assert_eq!(janus::code(&caller.ask(&message)), 458, "{verb}");
        }
    }
    let session = caller.create();
    for verb in ["detach", "hangup", "message", "trickle"] {
        let message = json!({"janus": verb, "transaction": "t", "session_id": session,
            "handle_id": 1, "body": {}, "candidate": null});
        assert_eq!(janus::code(&caller.ask(&message)), 459, "{verb}");
    }
    caller.create();
    // What is malformed or not allowed counts as before.
    for _ in 0..3 {
        caller.send(r#"{"janus":"shutdown","transaction":"t"}"#);
    }
    while caller.frame().opcode == TEXT {}
}
