//! How WebSockets to a Kurento end: by Kurento, by a reload, by a token that expires.

use serde_json::json;

use crate::harness::kurento::{App, Kms, code};
use crate::harness::{TestGateway, eventually, staff};
use crate::kurento_owners::{config, config_with};

#[test]
fn a_path_that_is_not_kurentos_is_closed_by_it() {
    let kms = Kms::new();
    let config = config_with(
        &kms,
        "",
        "issuers = [\"staff\"]\nmessages = [\"kurento-app\"]",
        "rewrite = \"/other\"",
    );
    let gateway = TestGateway::start(&config);
    let mut app = App::of(&gateway, "alice");
    assert_eq!(app.close(), (1002, "Invalid path".to_owned()));
}

#[test]
fn close_codes_of_kurento_pass() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    for (code, reason) in [
        (1000, ""),
        (1001, "Server shutdown"),
        (1009, "Message too big"),
    ] {
        let mut app = App::of(&gateway, "alice");
        app.is_alive();
        kms.close(code, reason);
        assert_eq!(app.close(), (code, reason.to_owned()));
        kms.upstream.is_left_by_all();
    }
}

#[test]
fn a_kurento_that_dies_ends_the_websocket() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    app.is_alive();
    kms.end();
    let closed = (1001, "the server has ended the connection".to_owned());
    assert_eq!(app.close(), closed);
    app.client.is_closed();
    drop(app);
    let lines = gateway.access.lines(1);
    assert!(lines[0].contains("end=upstream"), "{lines:?}");
}

#[test]
fn rules_that_a_reload_takes_away_count_for_open_websockets() {
    let kms = Kms::new();
    let config_of = |preset: &str| {
        let policy = format!("issuers = [\"staff\"]\nmessages = [\"{preset}\"]");
        config_with(&kms, "", &policy, "")
    };
    let mut gateway = TestGateway::start(&config_of("kurento-app"));
    let mut app = App::of(&gateway, "alice");
    let (pipeline, _) = app.pipeline();
    kms.take_methods();
    gateway.reload(&config_of("kurento-observe"));
    let name = json!({"object": pipeline, "operation": "getName"});
    eventually("the new rules", || {
        app.ask("invoke", &name)["error"]["code"] == -32_000
    });
    app.is_alive();
    gateway.reload(&config_of("kurento-app"));
    eventually("the old rules", || {
        app.ask("invoke", &name)["result"].is_object()
    });
    assert!(kms.has_object(&pipeline));
}

#[test]
fn a_reload_that_takes_all_rules_away_closes_the_websocket() {
    let kms = Kms::new();
    let mut gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    app.is_alive();
    gateway.reload(&config_with(&kms, "", "issuers = [\"staff\"]", ""));
    let closed = (1008, "message checks changed".to_owned());
    assert_eq!(app.close(), closed);
}

#[test]
fn once_the_token_has_expired_only_what_ends_something_passes() {
    let kms = Kms::new();
    let policy = "issuers = [\"staff\"]\nmessages = [\"kurento-app\"]\nexpiry_grace = \"600s\"";
    let gateway = TestGateway::start(&config_with(&kms, "leeway = \"0s\"", policy, ""));
    let token = staff::token("alice", 3);
    let more = format!("Authorization: Bearer {token}\r\n");
    let mut app = App::open_on(gateway.client(), &more);
    let (pipeline, session) = app.pipeline();
    let name = json!({"object": pipeline, "operation": "getName"});
    eventually("the token has expired", || {
        let answer = app.ask("invoke", &name);
        answer["error"].is_object() && code(&answer) == -32_000
    });
    kms.take_methods();
    assert_eq!(
        app.code("create", &json!({"type": "MediaPipeline"})),
        -32_000
    );
    assert_eq!(
        app.code("subscribe", &json!({"object": pipeline, "type": "Error"})),
        -32_000
    );
    app.is_alive();
    app.ask("release", &json!({"object": pipeline}));
    app.ask("closeSession", &json!({"sessionId": session}));
    assert_eq!(kms.take_methods(), ["ping", "release", "closeSession"]);
    assert!(!kms.has_object(&pipeline));
}

#[test]
fn without_a_grace_an_expired_token_closes_the_websocket() {
    let kms = Kms::new();
    let policy = "issuers = [\"staff\"]\nmessages = [\"kurento-app\"]";
    let gateway = TestGateway::start(&config_with(&kms, "leeway = \"0s\"", policy, ""));
    let token = staff::token("alice", 2);
    let more = format!("Authorization: Bearer {token}\r\n");
    let mut app = App::open_on(gateway.client(), &more);
    app.is_alive();
    assert_eq!(app.close().0, 1008);
    kms.upstream.is_left_by_all();
}
