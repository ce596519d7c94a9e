//! The messages of a Kurento on the running gateway: what never arrives there, what comes back and
//! in which words, over HTTP/1.1 and HTTP/2.

use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::kurento::{App, Kms, code, request};
use crate::harness::websocket::{BINARY, Frame, TEXT};
use crate::harness::{TestGateway, eventually, staff};
use crate::kurento_owners::{config, config_with};

const MANY: &str = "refusals_per_tunnel = \"1000/s\"";

/// Texts that Kurento would read in its own way or not at all, with the code and id of the answer.
fn unreadable() -> Vec<(String, i64, Value)> {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let with =
        |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#);
    [
        ("not JSON".to_owned(), -32_700, Value::Null),
        (String::new(), -32_700, Value::Null),
        (" \n".to_owned(), -32_700, Value::Null),
        (format!("\u{feff}{ping}"), -32_700, Value::Null),
        (format!("{ping}x"), -32_700, Value::Null),
        (format!("/* {ping} */{ping}"), -32_700, Value::Null),
        (format!("{ping}// {ping}"), -32_700, Value::Null),
        (with(r#"{"a":"\ud800"}"#), -32_700, Value::Null),
        (with(r#"{"a":"\udc00\ud800"}"#), -32_700, Value::Null),
        (with("{\"a\":\"\u{1}\"}"), -32_700, Value::Null),
        (with(&deep(2000)), -32_700, Value::Null),
        (deep(2000), -32_700, Value::Null),
        (with(r#"{"a":1,"a":2}"#), -32_700, Value::Null),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"release"}"#.to_owned(),
            -32_700,
            Value::Null,
        ),
        (format!("[{ping},{ping}]"), -32_600, Value::Null),
        ("[]".to_owned(), -32_600, Value::Null),
        ("7".to_owned(), -32_600, Value::Null),
        ("\"ping\"".to_owned(), -32_600, Value::Null),
        ("null".to_owned(), -32_600, Value::Null),
        (with("[1]"), -32_602, json!(1)),
        (with("7"), -32_602, json!(1)),
        (with("null"), -32_602, json!(1)),
        (r#"{"id":1,"method":"ping"}"#.to_owned(), -32_600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1}"#.to_owned(), -32_600, json!(1)),
        (
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#.to_owned(),
            -32_600,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"Ping"}"#.to_owned(),
            -32_601,
            json!(1),
        ),
    ]
    .into()
}

#[test]
fn what_kurento_cannot_read_is_answered_here_and_the_websocket_stays_open() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms).limits(MANY));
    let mut app = App::of(&gateway, "alice");
    let (pipeline, session) = app.pipeline();
    kms.take_methods();
    for (text, wanted, id) in unreadable() {
        app.send(&text);
        let answer = app.text();
        let parsed: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((code(&parsed), &parsed["id"]), (wanted, &id), "{text}");
        assert_eq!(parsed["jsonrpc"], "2.0");
        assert!(parsed["error"]["data"]["type"].is_string(), "{answer}");
        assert!(answer.contains(&format!(r#""id":{id}"#)), "{answer}");
    }
    assert_eq!(kms.take_methods(), [""; 0]);
    // It is the same connection with the same session.
    let params = json!({"object": pipeline, "operation": "getName"});
    assert_eq!(app.ask("invoke", &params)["result"]["sessionId"], *session);
    assert_eq!(kms.upstream.accepted(), 1);
}

#[test]
fn each_document_of_a_message_is_a_request_of_its_own() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    let ping = |id: u64| request(&json!(id), "ping", &json!({})).to_string();
    app.send(&format!("{}\n{}[]{}", ping(1), ping(2), ping(3)));
    let answers = [app.next(), app.next(), app.next(), app.next()];
    let answered = |id: Value| answers.iter().any(|answer| answer["id"] == id);
    assert!([json!(1), json!(2), json!(3), Value::Null].map(answered) == [true; 4]);
    let received = kms.received();
    assert_eq!(received, [ping(1), ping(2), ping(3)]);
}

#[test]
fn a_notification_that_is_refused_gets_no_answer_and_is_counted() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    let refused = |gateway: &TestGateway| -> u64 {
        let (_, metrics) = gateway.status("/metrics");
        let lines = metrics.lines().filter(|line| {
            line.starts_with("ianitor_messages_total") && line.contains("outcome=\"refused\"")
        });
        let counts = lines.map(|line| line.rsplit(' ').next().unwrap());
        counts.map(|count| count.parse::<u64>().unwrap()).sum()
    };
    for text in [
        r#"{"jsonrpc":"2.0","method":"release","params":{"object":"a_kurento.MediaPipeline"}}"#,
        r#"{"jsonrpc":"2.0","method":"create","params":{"type":"MediaPipeline"}}"#,
        r#"{"jsonrpc":"2.0","method":"shutdown"}"#,
    ] {
        app.send(text);
    }
    // The next frame is the answer to this, and no empty one.
    app.is_alive();
    assert_eq!(kms.take_methods(), ["ping"]);
    eventually("the notifications are counted", || refused(&gateway) == 3);
}

#[test]
fn ids_of_every_form_come_back_as_they_were() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    app.pipeline();
    let of_the_gateway = kms.received()[0].clone();
    let of_the_gateway: Value = serde_json::from_str(&of_the_gateway).unwrap();
    let next = of_the_gateway["id"].to_string().replace("-1\"", "-3\"");
    assert!(next.starts_with("\"ianitor-"), "{next}");
    for id in [
        "0",
        "-7",
        "9007199254740993",
        "123456789012345678",
        "\"\"",
        "\"7\"",
        "null",
        r#""\u0061\/""#,
        r#""ianitor-0000000000000000-1""#,
        "\"ianitor-\"",
        &next,
    ] {
        // The gateway has its own id for the first, and none for the second.
        for (method, params) in [
            ("create", r#"{"type":"MediaPipeline"}"#),
            (
                "invoke",
                r#"{"object":"manager_ServerManager","operation":"getInfo"}"#,
            ),
        ] {
            app.send(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
            ));
            let answer = app.text();
            let parsed: Value = serde_json::from_str(&answer).unwrap();
            assert!(parsed["result"].is_object(), "{method} {answer}");
            // Kurento writes texts in its own way where it has got the client's id.
            let written = match method {
                "create" => id.to_owned(),
                _ => serde_json::from_str::<Value>(id).unwrap().to_string(),
            };
            assert!(
                answer.starts_with(&format!(r#"{{"id":{written},"#)),
                "{method} {answer}"
            );
        }
    }
}

#[test]
fn answers_and_events_come_back_byte_for_byte() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    let (pipeline, session) = app.pipeline();
    let strange = concat!(
        "{ \"b\" :-1.50E+3,\t\"a\":[ 123456789012345678, 1.50 ,-0], ",
        r#""c":"\u00e4\/\ud83d\ude00ä" }"#
    );
    for text in [
        format!(r#"{{"method":"onEvent" ,"jsonrpc":"2.0","params":{{"value":{strange}}}}}"#),
        format!(" \n{{\"params\":{strange},\"method\":\"onEvent\"}}\r\n"),
        // Which the gateway cannot read.
        "{\"jsonrpc\":\"2.0\",\"method\":\"onEvent\",\"params\":{\"a\":1,\"a\":2}}".to_owned(),
        "not JSON".to_owned(),
    ] {
        kms.say(&text);
        assert_eq!(app.text(), text);
    }
    let params = format!(r#"{{"object":"{pipeline}"}}"#);
    let describe =
        format!(r#"{{"jsonrpc":"2.0","id": "\u0035" ,"method":"describe","params":{params}}}"#);
    // The second is one that the gateway cannot read.
    for value in [strange, "[1e400,12345678901234567890,\"\\u0000\"]"] {
        let result = format!("{{\"value\": {value} ,\"sessionId\":\"{session}\"}} \t");
        kms.describe_as(&result);
        app.send(&describe);
        let expected =
            format!("\n{{\"id\":\"\\u0035\" ,\"jsonrpc\":\"2.0\",\"result\":{result}}}\n");
        assert_eq!(app.text(), expected);
    }
}

#[test]
fn a_request_goes_on_as_it_was_written_but_for_its_id() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    let text = concat!(
        r#"{ "params" : {"object":"manager_ServerManager","operation":"get\u0049nfo","#,
        r#""operationParams":{"n":1.50,"m":123456789012345678}} ,"method":"invoke","#,
        "\t\"id\":\"x\",\"jsonrpc\":\"2.0\"}"
    );
    app.send(text);
    assert_eq!(app.next()["id"], "x");
    let create = concat!(
        r#"{"jsonrpc":"2.0","id":9,"method":"create","#,
        r#""params":{"type":"MediaPipeline","properties":{"n":1.50}}}"#
    );
    app.send(create);
    assert_eq!(app.next()["id"], 9);
    let received = kms.received();
    assert_eq!(received[0], text);
    let (before, after) = received[1].split_once("\"ianitor-").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    assert_eq!(format!("{before}9{after}"), create, "{received:?}");
}

#[test]
fn binary_and_large_messages_close_the_websocket_and_do_not_arrive() {
    let kms = Kms::new();
    let config = config_with(
        &kms,
        "",
        "issuers = [\"staff\"]\nmessages = [\"kurento-app\"]",
        "message_size = \"8KiB\"",
    );
    let gateway = TestGateway::start(&config);
    let ping = request(&json!(1), "ping", &json!({})).to_string();
    let mut app = App::of(&gateway, "alice");
    app.client.send(Frame::from_client(BINARY, &ping).bytes());
    assert_eq!(app.close().0, 1003);
    let mut app = App::of(&gateway, "alice");
    app.send(&request(&json!(1), "ping", &json!({"x": "x".repeat(8192)})).to_string());
    assert_eq!(app.close().0, 1009);
    let mut app = App::of(&gateway, "alice");
    app.client.send(Frame::from_client(TEXT, [0xff]).bytes());
    assert_eq!(app.close().0, 1007);
    kms.upstream.is_left_by_all();
    assert_eq!(kms.received(), [""; 0]);
    // Answers of Kurento may be larger.
    let mut app = App::of(&gateway, "alice");
    app.is_alive();
    let list = json!({"method": "onEvent", "params": "x".repeat(100_000)}).to_string();
    kms.say(&list);
    assert_eq!(app.text(), list);
}

#[test]
fn a_message_may_have_a_mebibyte_by_default() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    // The client for Java sends up to 1,000,000 bytes at once.
    let ping = |size: usize| {
        let text = request(&json!(1), "ping", &json!({"x": ""})).to_string();
        text.replace("\"\"", &format!("\"{}\"", "x".repeat(size - text.len())))
    };
    let mut app = App::of(&gateway, "alice");
    for size in [1_000_000, 1 << 20] {
        app.send(&ping(size));
        assert_eq!(app.next()["result"]["value"], "pong", "{size}");
    }
    app.send(&ping((1 << 20) + 1));
    assert_eq!(app.close().0, 1009);
}

#[test]
fn operations_of_transactions_are_judged_and_belong_to_the_client() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut app = App::of(&gateway, "alice");
    let operation = |id: u8, method: &str, params: Value| request(&json!(id), method, &params);
    let pipeline = operation(0, "create", json!({"type": "MediaPipeline"}));
    let endpoint = operation(
        1,
        "create",
        json!({"type": "WebRtcEndpoint",
        "constructorParams": {"mediaPipeline": "newref:0"}}),
    );
    let file = |id| {
        let made = json!({"mediaPipeline": "newref:0", "uri": "file:///etc/x"});
        let params = json!({"type": "RecorderEndpoint", "constructorParams": made});
        operation(id, "create", params)
    };
    let inner = operation(1, "transaction", json!({"operations": [file(0)]}));
    for last in [file(1), inner] {
        let params = json!({"operations": [pipeline, last]});
        assert_eq!(app.code("transaction", &params), -32_000);
    }
    assert_eq!(kms.take_methods(), [""; 0]);
    let params = json!({"operations": [pipeline, endpoint]});
    let values = app.value("transaction", &params);
    let endpoint = values[1]["result"]["value"].as_str().unwrap();
    app.value("subscribe", &json!({"object": endpoint, "type": "Error"}));
    kms.emit(endpoint, "Error");
    assert_eq!(app.next()["method"], "onEvent");
}

#[test]
fn a_stream_of_http_2_is_judged_as_well() {
    let kms = Kms::new();
    let gateway = TestGateway::start(&config(&kms));
    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/kurento")
        .header("sec-websocket-version", "13")
        .header(
            "authorization",
            format!("Bearer {}", staff::token("alice", 600)),
        )
        .extension(Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let (response, mut stream) = client.begin(connect, false);
    let response = client.run(response).unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let (mut alice, mut read) = (App::of(&gateway, "alice"), Vec::new());
    let (pipeline, _) = alice.pipeline();
    let mut ask = |text: &str| -> Value {
        let frame = Bytes::from(Frame::from_client(TEXT, text).bytes());
        stream.send_data(frame, false).unwrap();
        loop {
            read.extend(client.run(body.data()).unwrap().unwrap());
            // Short texts, in one frame each.
            let (head, text) = read.split_at(2);
            let (length, text) = match head[1] {
                126 => {
                    let (length, text) = text.split_at(2);
                    (usize::from(length[0]) << 8 | usize::from(length[1]), text)
                }
                length => (usize::from(length), text),
            };
            if text.len() >= length {
                let answer = serde_json::from_slice(&text[..length]).unwrap();
                read.clear();
                return answer;
            }
        }
    };
    assert_eq!(ask("[]")["error"]["code"], -32_600);
    let name = json!({"object": pipeline, "operation": "getName"});
    let answer = ask(&request(&json!("x"), "invoke", &name).to_string());
    assert_eq!(
        (&answer["id"], &answer["result"]["value"]),
        (&json!("x"), &json!("getName"))
    );
    let (other, _) = App::of(&gateway, "bob").pipeline();
    let release = request(&json!(2), "release", &json!({"object": other}));
    assert_eq!(code(&ask(&release.to_string())), 40_101);
    assert!(kms.has_object(&other));
}
