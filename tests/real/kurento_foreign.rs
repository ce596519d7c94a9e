//! Sessions and objects of others, in every way that Kurento itself lets a client name them: a
//! client behind the gateway gets Kurento's own refusal, and their owner notices nothing.

use serde_json::{Value, json};

use crate::support::kurento_roles::KurentoRoles;
use crate::support::rpc::Rpc;
use crate::support::wire::websocket::{BINARY, Frame};

const INVALID_SESSION: i64 = 40_007;
const NOT_FOUND: i64 = 40_101;
const MALFORMED_TRANSACTION: i64 = 40_008;

/// A client with a call.
struct Call {
    client: Rpc,
    session: Value,
    pipeline: String,
    caller: String,
    callee: String,
    subscription: Value,
}

impl Call {
    #[track_caller]
    fn start(roles: &KurentoRoles, subject: &str) -> Self {
        let mut client = roles.client("app", subject);
        let pipeline = client.create("MediaPipeline", &json!({}));
        let mut endpoint = || client.create("WebRtcEndpoint", &json!({"mediaPipeline": pipeline}));
        let [caller, callee] = [endpoint(), endpoint()];
        let subscribe = json!({"object": caller, "type": "IceGatheringDone"});
        let subscription = client.gets("subscribe", &subscribe);
        Self {
            session: client.session.clone(),
            client,
            pipeline,
            caller,
            callee,
            subscription,
        }
    }

    /// Its objects exist, and its events come to its connection.
    #[track_caller]
    fn is_unharmed(&mut self) {
        for object in [&self.pipeline, &self.caller, &self.callee] {
            let name = json!({"object": object, "operation": "getName"});
            assert!(self.client.gets("invoke", &name).is_string());
        }
        assert_eq!(self.client.session, self.session);
        self.client.unasked.clear();
        let gather = json!({"object": self.caller, "operation": "gatherCandidates"});
        self.client.gets("invoke", &gather);
        let event = self.client.next_event("IceGatheringDone");
        assert_eq!(event["object"], self.caller.as_str());
    }
}

/// Requests in the session of another, or about it.
fn in_session(session: &Value, own: &str) -> Vec<(&'static str, Value)> {
    let operations = json!([{"jsonrpc": "2.0", "id": 0, "method": "ping", "params": {}}]);
    let requests = [
        ("ping", json!({"interval": 240_000})),
        ("connect", json!({})),
        ("keepAlive", json!({})),
        ("closeSession", json!({})),
        ("create", json!({"type": "MediaPipeline"})),
        ("invoke", json!({"object": own, "operation": "getName"})),
        ("subscribe", json!({"object": own, "type": "Error"})),
        ("unsubscribe", json!({"object": own, "subscription": "x"})),
        ("describe", json!({"object": own})),
        ("ref", json!({"object": own})),
        ("unref", json!({"object": own})),
        ("release", json!({"object": own})),
        ("transaction", json!({"operations": operations})),
    ];
    let named = requests.into_iter().map(|(method, mut params)| {
        params["sessionId"] = session.clone();
        (method, params)
    });
    named.collect()
}

/// Requests about objects of another.
fn about(call: &Call, own: &str) -> Vec<(&'static str, Value)> {
    let mut requests = Vec::new();
    for object in [&call.pipeline, &call.caller] {
        requests.extend([
            ("describe", json!({"object": object})),
            ("ref", json!({"object": object})),
            ("unref", json!({"object": object})),
            ("release", json!({"object": object})),
            ("invoke", json!({"object": object, "operation": "getName"})),
            (
                "invoke",
                json!({"object": object, "operation": "getChildren"}),
            ),
            ("subscribe", json!({"object": object, "type": "Error"})),
            (
                "unsubscribe",
                json!({"object": object, "subscription": call.subscription}),
            ),
        ]);
    }
    let in_pipeline = json!({"mediaPipeline": call.pipeline});
    let sink = json!({"sink": call.caller});
    requests.extend([
        (
            "create",
            json!({"type": "WebRtcEndpoint", "constructorParams": in_pipeline}),
        ),
        (
            "create",
            json!({"type": "HubPort", "constructorParams": {"hub": call.caller}}),
        ),
        (
            "create",
            json!({"type": "MediaPipeline", "properties": {"x": [call.pipeline]}}),
        ),
        (
            "invoke",
            json!({"object": own, "operation": "connect", "operationParams": sink}),
        ),
        (
            "invoke",
            json!({"object": own, "operation": "disconnect", "operationParams": sink}),
        ),
    ]);
    requests
}

/// A request as an operation of a transaction, and that in another one.
fn in_transactions(method: &str, params: &Value) -> [Value; 2] {
    let operation = |method: &str, params: &Value| {
        json!({"operations": [
            {"jsonrpc": "2.0", "id": 0, "method": "create", "params": {"type": "MediaPipeline"}},
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
        ]})
    };
    let once = operation(method, params);
    let twice = operation("transaction", &once);
    [once, twice]
}

#[test]
fn objects_and_sessions_of_others_are_refused_with_the_codes_of_kurento() {
    let roles = KurentoRoles::start("foreign");
    let mut ada = Call::start(&roles, "ada");
    let mut eve = Call::start(&roles, "eve");
    let before = roles.kurento.state();
    let sessions = in_session(&ada.session, &eve.caller);
    let objects = about(&ada, &eve.caller);
    let all = [(INVALID_SESSION, sessions), (NOT_FOUND, objects)];
    for (code, requests) in all {
        for (method, params) in requests {
            assert_eq!(eve.client.fails(method, &params), code, "{method} {params}");
            for params in in_transactions(method, &params) {
                assert_eq!(eve.client.fails("transaction", &params), code, "{params}");
            }
        }
    }
    // What the stand-in has executed since are these alone.
    if let (Some(before), Some(after)) = (before, roles.kurento.state()) {
        assert_eq!(after["executed"], before["executed"]);
        assert_eq!(after["sessions"], before["sessions"]);
    }
    ada.is_unharmed();
    eve.is_unharmed();
    // Neither are they there for a client that has no session yet.
    let mut new = roles.client("app", "eve");
    let connect = json!({"sessionId": ada.session});
    assert_eq!(new.fails("connect", &connect), INVALID_SESSION);
    assert_eq!(new.fails("closeSession", &connect), INVALID_SESSION);
    ada.is_unharmed();
    drop((ada, eve, new));
    roles.kurento.collects_everything();
}

#[test]
fn a_client_cannot_choose_the_id_of_its_session() {
    let roles = KurentoRoles::start("chosen");
    let mut eve = roles.client("app", "eve");
    for chosen in [
        json!("mychoice"),
        json!(""),
        json!("0"),
        json!(0),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!(null),
    ] {
        let create = json!({"type": "MediaPipeline", "sessionId": chosen});
        assert_eq!(eve.fails("create", &create), INVALID_SESSION, "{chosen}");
        let connect = json!({"sessionId": chosen});
        assert_eq!(eve.fails("connect", &connect), INVALID_SESSION, "{chosen}");
    }
    eve.create("MediaPipeline", &json!({}));
    drop(eve);
    roles.kurento.collects_everything();
}

#[test]
fn a_session_goes_to_the_next_connection_of_its_owner_alone() {
    let roles = KurentoRoles::start("rebound");
    let mut ada = Call::start(&roles, "ada");
    let connect = json!({"sessionId": ada.session});
    let mut eve = roles.client("app", "eve");
    assert_eq!(eve.fails("connect", &connect), INVALID_SESSION);
    ada.is_unharmed();
    // The connection is lost without a close.
    ada.client = roles.client("app", "eve");
    assert_eq!(ada.client.fails("connect", &connect), INVALID_SESSION);
    ada.client = roles.client("app", "ada");
    let answer = ada.client.ask("connect", &connect);
    assert_eq!(answer["result"]["sessionId"], ada.session, "{answer}");
    ada.is_unharmed();
    // Closed by its owner it is there for nobody.
    ada.client.ask("closeSession", &connect);
    let mut again = roles.client("app", "ada");
    assert_eq!(again.fails("connect", &connect), INVALID_SESSION);
    let name = json!({"object": ada.caller, "operation": "getName"});
    assert_eq!(again.fails("invoke", &name), NOT_FOUND);
}

#[test]
fn references_in_transactions_lead_to_what_the_transaction_creates() {
    let roles = KurentoRoles::start("references");
    let mut ada = Call::start(&roles, "ada");
    let mut eve = Call::start(&roles, "eve");
    // The name of an own object may be the id of another's: what `getName` returns is put in.
    let name = json!({"object": eve.caller, "operation": "setName",
        "operationParams": {"name": ada.pipeline}});
    assert_eq!(eve.client.fails("invoke", &name), NOT_FOUND);
    let operation = |id: u8, method: &str, params: Value| -> Value {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    };
    let get = operation(
        0,
        "invoke",
        json!({"object": eve.caller, "operation": "getName"}),
    );
    let release = operation(1, "release", json!({"object": "newref:0"}));
    let transaction = json!({"operations": [get, release]});
    let code = eve.client.fails("transaction", &transaction);
    assert!([NOT_FOUND, MALFORMED_TRANSACTION].contains(&code), "{code}");
    let create = operation(0, "create", json!({"type": "MediaPipeline"}));
    let inside = json!({"type": "WebRtcEndpoint",
        "constructorParams": {"mediaPipeline": "newref:0"}});
    let inside = operation(0, "create", inside);
    let nested = operation(1, "transaction", json!({"operations": [inside]}));
    let value = eve
        .client
        .gets("transaction", &json!({"operations": [create, nested]}));
    let made = value[1]["result"]["value"][0]["result"]["value"]
        .as_str()
        .unwrap();
    assert!(
        made.starts_with(value[0]["result"]["value"].as_str().unwrap()),
        "{value}"
    );
    ada.is_unharmed();
    eve.is_unharmed();
}

#[test]
fn what_makes_kurento_drop_a_connection_is_answered_and_leaks_nothing() {
    let roles = KurentoRoles::start("dropped");
    let mut ada = Call::start(&roles, "ada");
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for text in [
        "",
        " ",
        "x",
        "\u{feff}{}",
        &format!("\u{feff}{ping}"),
        &deep,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\ud800"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\udc00\ud800"}}"#,
        &format!("[{ping}]"),
        "[]",
        "1",
        "null",
        "\"ping\"",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#,
        &format!("{ping} x"),
        &format!("{ping}// x"),
        &format!("/* x */{ping}"),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"\u{1}\"}}",
    ] {
        ada.client.say(text);
        let answer = ada.client.next().unwrap();
        let code = answer["error"]["code"].as_i64().unwrap();
        assert!((-32_700..=-32_600).contains(&code), "{text}: {answer}");
    }
    ada.is_unharmed();
    // An answer that Kurento has kept would come again for another request with the same id.
    for method in ["create", "ping", "create"] {
        let request = json!({"jsonrpc": "2.0", "id": "same", "method": method,
            "params": {"type": "MediaPipeline"}});
        ada.client.say(&request.to_string());
        let answer = ada.client.answer(&json!("same"));
        let is_pong = answer["result"]["value"] == "pong";
        assert_eq!(is_pong, method == "ping", "{answer}");
    }
    ada.client.say_frame(&Frame::from_client(BINARY, ping));
    assert_eq!(ada.client.next().unwrap_err().0, 1003);
    if let Some(state) = roles.kurento.state() {
        assert_eq!(state["sessions"][0]["isLeaked"], false, "{state}");
    }
    drop(ada);
    roles.kurento.collects_everything();
}
