//! Whose sessions and objects of a Kurento there are: those of the subject that created them, and
//! without a token those of the client's address.

use serde_json::{Value, json};

use crate::harness::kurento::{App, Kms, code, request};
use crate::harness::{Config, TestGateway, staff};

/// A Kurento for applications with tokens, at `/kurento`.
pub(crate) fn config(kms: &Kms) -> Config {
    config_with(
        kms,
        "",
        "issuers = [\"staff\"]\nmessages = [\"kurento-app\"]",
        "",
    )
}

/// The same with other lines of issuer, policy and route.
pub(crate) fn config_with(kms: &Kms, issuer: &str, policy: &str, route: &str) -> Config {
    Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2")
        .table(&format!(
            "[upstreams.kms]\nservers = [\"{}\"]\nprotocol = \"kurento\"",
            kms.url()
        ))
        .table(&staff::issuer(issuer))
        .table(&format!("[policies.apps]\n{policy}"))
        .route_with("/kurento", "kms", &format!("policy = \"apps\"\n{route}"))
}

#[test]
fn the_first_messages_of_kurento_client_are_answered_by_kurento() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    app.send(r#"{"jsonrpc":"2.0","method":"ping","params":{"interval":5000},"id":0}"#);
    assert_eq!(
        app.text(),
        r#"{"id":0,"jsonrpc":"2.0","result":{"value":"pong"}}"#
    );
    let manager = json!({"object": "manager_ServerManager"});
    assert_eq!(app.value("describe", &manager), "manager_ServerManager");
    let (pipeline, session) = app.pipeline();
    let info = json!({"object": "manager_ServerManager", "operation": "getInfo"});
    assert_eq!(app.value("invoke", &info), "getInfo");
    app.send(r#"{"jsonrpc":"2.0","method":"ping","id":12}"#);
    assert_eq!(app.next()["id"], 12);
    // The shape that kurento-client gives to a request in a session.
    let params = json!({"object": pipeline, "operation": "getName", "sessionId": session});
    assert_eq!(app.value("invoke", &params), "getName");
    let methods = ["ping", "describe", "create", "invoke", "ping", "invoke"];
    assert_eq!(kms.take_methods(), methods);
    let list = json!({"object": "manager_ServerManager", "operation": "getPipelines"});
    assert_eq!(app.code("invoke", &list), -32_000);
    assert_eq!(kms.take_methods(), [""; 0]);
    let head = kms.upstream.heads().remove(0);
    assert_eq!(head.target(), "/kurento");
    assert_eq!(head.get("authorization"), None, "{head}");
}

/// Requests by which a client would use another's pipeline, endpoint and session, with the code
/// that each gets.
fn foreign(pipeline: &str, endpoint: &str, session: &str) -> Vec<(&'static str, Value, i64)> {
    let mut requests = Vec::new();
    for object in [pipeline, endpoint] {
        for (method, more) in [
            ("release", json!({})),
            ("describe", json!({})),
            ("invoke", json!({"operation": "getName"})),
            ("ref", json!({})),
            ("unref", json!({})),
            ("subscribe", json!({"type": "Error"})),
            ("unsubscribe", json!({"subscription": "1"})),
        ] {
            let mut params = json!({"object": object});
            params
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            requests.push((method, params, 40_101));
        }
    }
    let in_its =
        |name: &str| json!({"type": "WebRtcEndpoint", "constructorParams": {name: pipeline}});
    requests.push(("create", in_its("mediaPipeline"), 40_101));
    requests.push(("create", in_its("hub"), 40_101));
    let named = json!({"sessionId": session});
    for method in ["connect", "closeSession", "keepAlive", "ping"] {
        requests.push((method, named.clone(), 40_007));
    }
    requests.push((
        "create",
        json!({"type": "MediaPipeline", "sessionId": session}),
        40_007,
    ));
    let mut operations: Vec<Value> = requests
        .iter()
        .map(|(method, params, _)| request(&json!(1), method, params))
        .collect();
    operations.insert(
        0,
        request(&json!(0), "create", &json!({"type": "MediaPipeline"})),
    );
    for operation in &operations[1..] {
        let both = json!({"operations": [operations[0], operation]});
        let code = if operation["params"].get("sessionId").is_some() {
            40_007
        } else {
            40_101
        };
        requests.push(("transaction", both, code));
    }
    requests
}

#[test]
fn what_another_subject_has_does_not_exist() {
    let kms = Kms::new();
    let config = config(&kms).limits("refusals_per_tunnel = \"1000/s\"");
    let gateway = TestGateway::start(&config);
    let (mut alice, mut bob) = (App::of(&gateway, "alice"), App::of(&gateway, "bob"));
    let (pipeline, session) = alice.pipeline();
    let endpoint = alice.endpoint(&pipeline);
    let events = json!({"object": endpoint, "type": "MediaStateChanged"});
    alice.value("subscribe", &events);
    let (own, _) = bob.pipeline();
    kms.take_methods();
    for (method, params, code) in foreign(&pipeline, &endpoint, &session) {
        assert_eq!(bob.code(method, &params), code, "{method} {params}");
    }
    let connect = json!({"object": bob.endpoint(&own), "operation": "connect",
        "operationParams": {"sink": endpoint}});
    assert_eq!(bob.code("invoke", &connect), 40_101);
    assert_eq!(kms.take_methods(), ["create"], "his own endpoint");
    // Hers work as before, and her events come to her.
    kms.emit(&endpoint, "MediaStateChanged");
    assert_eq!(alice.next()["params"]["value"]["object"], *endpoint);
    let name = json!({"object": endpoint, "operation": "getName", "sessionId": session});
    assert_eq!(alice.value("invoke", &name), "getName");
    alice.ask("release", &json!({"object": pipeline}));
    assert!(!kms.has_object(&pipeline) && !kms.has_object(&endpoint) && kms.has_object(&own));
    bob.is_alive();
}

#[test]
fn the_same_subject_by_another_iss_of_one_issuer_is_another_client() {
    let kms = Kms::new();
    let policy = "issuers = [\"staff\"]\nmessages = [\"kurento-app\"]";
    let gateway = TestGateway::start(&config_with(&kms, "issuer = [\"a\", \"b\"]", policy, ""));
    let open = |iss: &str| {
        let claims = json!({"iss": iss, "sub": "alice", "exp": staff::now() + 600});
        let token = staff::mint(staff::SECRET, &claims);
        App::open_on(
            gateway.client(),
            &format!("Authorization: Bearer {token}\r\n"),
        )
    };
    let (pipeline, session) = open("a").pipeline();
    let (connect, release) = (json!({"sessionId": session}), json!({"object": pipeline}));
    let mut other = open("b");
    assert_eq!(other.code("connect", &connect), 40_007);
    assert_eq!(other.code("release", &release), 40_101);
    let mut same = open("a");
    let answer = same.ask("connect", &connect);
    assert_eq!(answer["result"]["sessionId"], *session, "{answer}");
    same.ask("release", &release);
    assert!(!kms.has_object(&pipeline));
}

#[test]
fn a_subject_that_connects_again_gets_its_session_and_no_other_does() {
    let kms = Kms::new();
    let config = config(&kms);
    let mut gateway = TestGateway::start(&config);
    let mut alice = App::of(&gateway, "alice");
    let (pipeline, session) = alice.pipeline();
    let endpoint = alice.endpoint(&pipeline);
    alice.value("subscribe", &json!({"object": endpoint, "type": "Error"}));
    kms.end();
    assert_eq!(alice.client.wire.rest().map(drop).ok(), Some(()));
    gateway.reload(&config);
    let connect = json!({"sessionId": session});
    assert_eq!(App::of(&gateway, "bob").code("connect", &connect), 40_007);
    let mut again = App::of(&gateway, "alice");
    again.is_alive();
    let answer = again.ask("connect", &connect);
    assert_eq!(answer["result"]["sessionId"], *session, "{answer}");
    kms.emit(&endpoint, "Error");
    assert_eq!(again.next()["method"], "onEvent");
    let name = json!({"object": endpoint, "operation": "getName", "sessionId": session});
    assert_eq!(again.value("invoke", &name), "getName");
    again.ask("closeSession", &connect);
    assert!(!kms.has_object(&pipeline));
    let mut third = App::of(&gateway, "alice");
    assert_eq!(third.code("connect", &connect), 40_007);
    assert_eq!(third.code("describe", &json!({"object": endpoint})), 40_101);
}

#[test]
fn a_session_that_kurento_does_not_have_is_forgotten() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    let (pipeline, session) = app.pipeline();
    app.ask("release", &json!({"object": pipeline}));
    kms.take_methods();
    // Kurento does not connect to a session without objects; after that it is not asked again.
    for asked in [1, 0] {
        let connect = json!({"sessionId": session});
        assert_eq!(app.code("connect", &connect), 40_007);
        assert_eq!(kms.take_methods().len(), asked);
    }
    app.pipeline();
}

#[test]
fn no_client_chooses_the_id_of_a_session() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    for session in [
        json!("mychoice"),
        json!(""),
        json!(7),
        json!(null),
        json!(["x"]),
        json!({}),
    ] {
        for method in ["create", "connect", "ping"] {
            let params = json!({"type": "MediaPipeline", "sessionId": session});
            assert_eq!(app.code(method, &params), 40_007, "{method} {session}");
        }
        if kms.received().is_empty() {
            continue;
        }
        panic!("{:?}", kms.received());
    }
}

#[test]
fn a_client_without_a_token_gets_its_session_back_by_its_address() {
    let kms = Kms::new();
    let policy = "allow = [\"127.0.0.0/8\"]\nmessages = [\"kurento-app\"]";
    let gateway = TestGateway::start(&config_with(&kms, "", policy, ""));
    let open = |source: &str| App::open_on(gateway.dial().from(source).h1(), "");
    let mut first = open("127.0.0.2");
    let (pipeline, session) = first.pipeline();
    drop(first);
    let connect = json!({"sessionId": session});
    let mut other = open("127.0.0.3");
    assert_eq!(other.code("connect", &connect), 40_007);
    assert_eq!(other.code("release", &json!({"object": pipeline})), 40_101);
    let mut again = open("127.0.0.2");
    assert_eq!(
        again.ask("connect", &connect)["result"]["sessionId"],
        *session
    );
    again.ask("release", &json!({"object": pipeline}));
    assert!(!kms.has_object(&pipeline));
}

#[test]
fn a_server_that_serves_many_users_has_a_share_of_objects_and_gets_places_back() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    app.pipeline();
    // As many operations as one transaction may have.
    let create = |at: u16| request(&json!(at), "create", &json!({"type": "MediaPipeline"}));
    let many = json!({"operations": (0..256).map(create).collect::<Vec<_>>()});
    let mut created = 1;
    let refused = loop {
        let answer = app.ask("transaction", &many);
        if answer["error"].is_object() {
            break code(&answer);
        }
        created += answer["result"]["value"].as_array().unwrap().len();
    };
    assert_eq!((refused, created), (40_009, 1 + 78 * 256));
    let answer = app.ask("closeSession", &json!({}));
    assert!(answer["result"].is_object(), "{answer}");
    app.pipeline();
}
