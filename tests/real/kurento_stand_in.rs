//! What a Kurento 7.3 does, by which the gateway's rules for it are made. Here the stand-in does
//! it; with `KMS_URL` a real one, which shows whether the stand-in is right.

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::rpc::Rpc;
use crate::support::wire::websocket::{BINARY, Frame, TEXT, handshake};
use crate::support::{Folder, Kurento, until};

type Direct = Rpc<TcpStream>;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn started(name: &str) -> (Folder, Kurento) {
    let folder = Folder::new(name);
    let kurento = Kurento::start(&folder);
    (folder, kurento)
}

/// A client with a session and a pipeline in it.
fn with_session(kurento: &Kurento) -> (Direct, Value, String) {
    let mut client = kurento.client("/kurento");
    let pipeline = client.create("MediaPipeline", &json!({}));
    let session = client.session.clone();
    (client, session, pipeline)
}

/// The connection ends without a close frame.
#[track_caller]
fn is_dropped(client: &mut Direct) {
    assert!(client.rest().is_empty(), "it says something");
}

#[test]
fn kurento_looks_at_the_path_after_the_handshake() {
    let (_folder, kurento) = started("stand-in-paths");
    for target in ["/kurento", "/kurento?access_token=x&y"] {
        kurento.client(target).is_alive();
    }
    for target in ["/", "/kurento/", "//kurento", "/%6burento", "/x/../kurento"] {
        let mut client = kurento.connection();
        let message = Frame::from_client(TEXT, PING).bytes();
        client.send([handshake(target, "").as_bytes(), &message].concat());
        assert_eq!(client.head().status(), 101, "{target}");
        let close = client.wire.frame().unwrap().close();
        assert_eq!(close, (1002, "Invalid path".to_owned()), "{target}");
        // The end follows without an answer to the close.
        assert_eq!(client.wire.rest().unwrap(), b"", "{target}");
    }
}

#[test]
fn kurento_ends_connections_that_do_not_become_websockets() {
    let (_folder, kurento) = started("stand-in-heads");
    let version = |version: &str| handshake("/kurento", "").replace("Version: 13", version);
    let long = format!("X: {}\r\n", "x".repeat(20_000));
    for (request, status) in [
        (
            "GET /kurento HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            426,
        ),
        (version("Version: 12"), 400),
        (version("Other: 13"), 500),
        (handshake("/kurento", &long), 431),
    ] {
        let mut client = kurento.connection();
        client.send(request);
        let answer = client.answer();
        assert_eq!(answer.status(), status);
        assert!(answer.head.get("content-length").is_none());
        assert_eq!(answer.text(), "");
    }
    for older in ["Version: 7", "Version: 8"] {
        let mut client = kurento.connection();
        client.send(version(older));
        assert_eq!(client.head().status(), 101, "{older}");
    }
    // One that says nothing is cut without a reply.
    let mut silent = kurento.connection();
    assert_eq!(silent.wire.rest().unwrap(), b"");
}

#[test]
fn kurento_reads_more_than_json() {
    let (_folder, kurento) = started("stand-in-parser");
    let (mut client, ..) = with_session(&kurento);
    let mut number = 100;
    for text in [
        "/* x */ {\"jsonrpc\":\"2.0\",\"id\":$,\"method\":\"ping\"} // x",
        "{\"jsonrpc\":\"2.0\",\"id\":$,\"method\":\"ping\"} trailing",
        "{\"jsonrpc\":\"2.0\",\"id\":$,\"method\":\"ping\"}{\"second\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":$,\"method\":\"ping\",\"params\":{\"x\":\"\u{1}\u{2}\n\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":$,\"m\\u0065thod\":\"pin\\u0067\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":$,\"method\":\"create\",\"method\":\"ping\"}",
    ] {
        number += 1;
        client.say(&text.replace('$', &number.to_string()));
        let answer = client.answer(&json!(number));
        assert_eq!(answer["result"]["value"], "pong", "{text}");
    }
    // Binary messages are read as well.
    client.say_frame(&Frame::from_client(BINARY, PING.replace(":1,", ":99,")));
    assert_eq!(client.answer(&json!(99))["result"]["value"], "pong");
    for method in ["Ping", "PING", "unknown", ""] {
        assert_eq!(client.fails(method, &json!({})), -32_601, "{method}");
    }
}

#[test]
fn kurento_drops_what_it_cannot_read_and_leaks_the_session() {
    let (_folder, kurento) = started("stand-in-drops");
    let deep = format!("{}1{}", "[".repeat(1_100), "]".repeat(1_100));
    let bom = format!("\u{feff}{PING}");
    let always = ["", "x", "{", &bom, &deep, r#"{"x":"\ud800"}"#];
    let batch = format!("[{PING}]");
    let in_session = [
        batch.as_str(),
        "1",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
    ];
    let mut sessions = Vec::new();
    for text in always.iter().chain(&in_session) {
        let (mut client, session, _) = with_session(&kurento);
        client.say(text);
        is_dropped(&mut client);
        sessions.push(session);
    }
    for (text, code) in in_session.iter().zip([-32_600, -32_600, -32_603]) {
        let mut client = kurento.client("/kurento");
        client.say(text);
        assert_eq!(client.next().unwrap()["error"]["code"], code, "{text}");
    }
    if kurento.control().is_some() {
        kurento.command("/collect");
        let state = kurento.command("/collect");
        let kept = state["sessions"].as_array().unwrap();
        assert_eq!(kept.len(), sessions.len(), "{state}");
    }
}

#[test]
fn kurento_lets_a_client_choose_its_session_and_take_another() {
    let (_folder, kurento) = started("stand-in-sessions");
    for (chosen, session) in [
        (json!("mychoice"), "mychoice"),
        (json!(""), ""),
        (json!(7), "7"),
    ] {
        let mut client = kurento.client("/kurento");
        let create = json!({"type": "MediaPipeline", "sessionId": chosen});
        let answer = client.ask("create", &create);
        assert_eq!(answer["result"]["sessionId"], session, "{answer}");
        // It is put into requests without one.
        let create = client.ask("create", &json!({"type": "MediaPipeline"}));
        assert_eq!(create["result"]["sessionId"], session, "{create}");
        client.ask("closeSession", &json!({"sessionId": session}));
    }
    // The server stays when no session uses it.
    let manager = json!({"object": "manager_ServerManager"});
    let mut client = kurento.client("/kurento");
    let session = client.ask("ref", &manager)["result"]["sessionId"].clone();
    client.ask("closeSession", &json!({"sessionId": session}));
    let described = client.ask("describe", &manager);
    assert_eq!(described["result"]["type"], "ServerManager", "{described}");

    let (mut owner, session, pipeline) = with_session(&kurento);
    let endpoint = owner.create("WebRtcEndpoint", &json!({"mediaPipeline": pipeline}));
    owner.gets(
        "subscribe",
        &json!({"object": endpoint, "type": "IceGatheringDone"}),
    );
    let mut thief = kurento.client("/kurento");
    let gather = json!({"object": endpoint, "operation": "gatherCandidates", "sessionId": session});
    thief.gets("invoke", &gather);
    let event = thief.next_event("IceGatheringDone");
    assert_eq!(event["object"], endpoint.as_str());
    // The one before is told nothing, and stays open.
    owner.is_alive();
    let manager =
        |operation: &str| json!({"object": "manager_ServerManager", "operation": operation});
    let listed = thief.gets("invoke", &manager("getPipelines"));
    assert!(listed.to_string().contains(&pipeline), "{listed}");
    let listed = thief.gets("invoke", &manager("getSessions"));
    assert!(
        listed.to_string().contains(session.as_str().unwrap()),
        "{listed}"
    );

    let mut other = kurento.client("/kurento");
    other.ask("release", &json!({"object": pipeline}));
    assert_eq!(
        owner.fails("describe", &json!({"object": endpoint})),
        40_101
    );
    other.ask("closeSession", &json!({"sessionId": session}));
    assert_eq!(
        other.fails("connect", &json!({"sessionId": session})),
        40_007
    );
    // An id that was only issued is not valid yet.
    let mut new = kurento.client("/kurento");
    let issued = new.ask("connect", &json!({}))["result"]["sessionId"].clone();
    let mut second = kurento.client("/kurento");
    assert_eq!(
        second.fails("connect", &json!({"sessionId": issued})),
        40_007
    );
}

#[test]
fn kurento_executes_notifications_and_transactions_in_transactions() {
    let (_folder, kurento) = started("stand-in-transactions");
    let (mut client, ..) = with_session(&kurento);
    client.say(r#"{"jsonrpc":"2.0","method":"create","params":{"type":"MediaPipeline"}}"#);
    let answer = client.next().unwrap();
    assert_eq!(answer["error"]["code"], -32_000, "{answer}");
    assert_eq!(answer["id"], Value::Null, "{answer}");
    assert!(answer["error"]["data"]["value"].is_string(), "{answer}");

    let create = json!({"jsonrpc": "2.0", "id": 0, "method": "create",
        "params": {"type": "MediaPipeline"}});
    let inside = json!({"jsonrpc": "2.0", "id": 0, "method": "create", "params":
        {"type": "WebRtcEndpoint", "constructorParams": {"mediaPipeline": "newref:0"}}});
    let nested = json!({"jsonrpc": "2.0", "id": 1, "method": "transaction",
        "params": {"operations": [inside]}});
    let value = client.gets("transaction", &json!({"operations": [create, nested]}));
    let made = value[1]["result"]["value"][0]["result"]["value"].as_str();
    assert!(made.unwrap().contains("_kurento.WebRtcEndpoint"), "{value}");
    for operations in [
        json!(null),
        json!({}),
        json!([1]),
        json!([{"id": 0, "params": {"object": "newref:5"}}]),
    ] {
        let params = json!({"operations": operations});
        assert_eq!(client.fails("transaction", &params), 40_008, "{params}");
    }
    // What comes before an operation with the id of another is executed all the same.
    let count = |state: Value| state["objects"].as_array().unwrap().len();
    let before = kurento.state().map(count);
    let params = json!({"operations": [create, create]});
    assert_eq!(client.fails("transaction", &params), 40_008);
    assert_eq!(kurento.state().map(count), before.map(|count| count + 1));
    // All are executed in the session of the transaction.
    let other = json!({"jsonrpc": "2.0", "id": 0, "method": "create",
        "params": {"type": "MediaPipeline", "sessionId": "other"}});
    let value = client.gets("transaction", &json!({"operations": [other]}));
    assert_ne!(value[0]["result"]["sessionId"], "other", "{value}");
}

#[test]
fn kurento_answers_from_a_cache_whatever_the_method_is() {
    let (_folder, kurento) = started("stand-in-cache");
    let mut client = kurento.client("/kurento");
    client.say(r#"{"jsonrpc":"2.0","id":1,"method":"create","params":{"type":"MediaPipeline"}}"#);
    let created = client.answer(&json!(1));
    client.say(PING);
    assert_eq!(client.answer(&json!(1)), created);
}

#[test]
fn kurento_has_codes_for_what_is_not_there() {
    let (_folder, kurento) = started("stand-in-codes");
    let (mut client, _, pipeline) = with_session(&kurento);
    for (method, params, code) in [
        ("create", json!({}), -32_000),
        ("create", json!({"type": "Nothing"}), 40_108),
        ("describe", json!({"object": "x"}), 40_101),
        (
            "invoke",
            json!({"object": pipeline, "operation": "nothing"}),
            40_008,
        ),
        ("connect", json!({"sessionId": "x"}), 40_007),
        ("closeSession", json!({"sessionId": "x"}), 40_007),
    ] {
        assert_eq!(client.fails(method, &params), code, "{method} {params}");
    }
}

#[test]
fn kurento_takes_messages_of_thirty_two_million_bytes() {
    let (_folder, kurento) = started("stand-in-limit");
    let padded = |length: usize| {
        let text = PING.replace(r#""ping""#, r#""ping","x":"""#);
        let (begin, end) = text.split_at(text.len() - 2);
        format!("{begin}{}{end}", "x".repeat(length - text.len()))
    };
    let mut client = kurento.client("/kurento");
    client.say(&padded(32_000_000));
    assert_eq!(client.answer(&json!(1))["result"]["value"], "pong");
    // It does not wait for the rest of a longer one.
    let longer = Frame::from_client(TEXT, padded(32_000_001)).bytes();
    client.say_bytes(&longer[..1_000]);
    assert_eq!(client.next().unwrap_err().0, 1009);
}

#[test]
fn kurento_collects_a_session_one_to_two_periods_after_its_connection() {
    let folder = Folder::new("stand-in-collected");
    let kurento = Kurento::stand_in(&folder);
    let (client, ..) = with_session(&kurento);
    // While it is connected it stays, whether it says something or not.
    for _ in 0..3 {
        kurento.command("/collect");
    }
    let sessions = |state: Value| state["sessions"].as_array().unwrap().len();
    assert_eq!(sessions(kurento.state().unwrap()), 1);
    drop(client);
    until("the connection has ended", || {
        kurento.state().unwrap()["sockets"] == 0
    });
    // It was used in the period that ends now.
    let (second, ..) = with_session(&kurento);
    drop(second);
    until("the second has ended", || {
        kurento.state().unwrap()["sockets"] == 0
    });
    assert_eq!(sessions(kurento.command("/collect")), 1);
    assert_eq!(sessions(kurento.command("/collect")), 0);
    assert_eq!(kurento.state().unwrap()["objects"], json!([]));
}

#[test]
fn a_close_frame_of_a_client_is_answered() {
    let (_folder, kurento) = started("stand-in-close");
    let mut client = kurento.client("/kurento");
    client.say_frame(&Frame::client_close(1000, "bye"));
    let (code, _) = client.next().unwrap_err();
    assert_eq!(code, 1000);
    let mut pinged = kurento.client("/kurento");
    pinged.say_frame(&Frame::from_client(9, "x"));
    assert_eq!(pinged.frame(), Frame::from_server(10, "x"));
}
