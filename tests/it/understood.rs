//! WebSockets whose messages are read: what the upstream gets was written by the gateway, on any
//! kind of connection, and a reload reaches the tunnels that are open.

use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::janus::{Caller, Janus, code};
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{BINARY, Frame, PING, TEXT};
use crate::harness::{Config, TestGateway, staff};
use crate::rest_messages::post;

/// A file with a secret.
fn secret(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    file
}

/// Everything goes to a Janus whose secret is in this file.
fn brokered(janus: &Janus, secret: &Path) -> Config {
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"\nsecret_file = \"{}\"",
            janus.url(),
            secret.display()
        ))
        .route("/", "app")
}

/// The same without a secret.
fn raw(janus: &Janus) -> Config {
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"",
            janus.url()
        ))
        .route("/", "app")
}

#[test]
fn the_upstream_gets_its_secret_and_the_client_never_does() {
    let (janus, secret) = (Janus::new(), secret("s3cret"));
    let gateway = TestGateway::start(&brokered(&janus, secret.path()));
    let mut caller = Caller::open(
        &gateway,
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    );
    let session = caller.create();
    let handle = caller.attach(session, "videoroom");
    let answer = caller.ask(
        &json!({"janus": "message", "transaction": "m", "apisecret": "guess",
        "session_id": session, "handle_id": handle, "body": {"request": "list"}}),
    );
    assert_eq!(answer["janus"], "ack");
    assert_eq!(caller.next()["janus"], "event");
    let answer = caller.request((session, handle), &json!({"request": "list"}));
    assert_eq!(answer["transaction"], "m");
    for message in janus.take_received() {
        assert_eq!(message["apisecret"], "s3cret", "{message}");
    }
    let asked = janus.upstream.heads().remove(0);
    assert_eq!(asked.get("sec-websocket-extensions"), None, "{asked}");
    assert_eq!(asked.get("sec-websocket-protocol"), Some("janus-protocol"));
}

#[test]
fn each_document_is_a_message_of_its_own_however_the_frames_are_cut() {
    let (janus, secret) = (Janus::new(), secret("s3cret"));
    let gateway = TestGateway::start(&brokered(&janus, secret.path()));
    let mut caller = Caller::open(&gateway, "/ws", "");
    let ping = |transaction: &str| format!(r#"{{"janus":"ping","transaction":"{transaction}"}}"#);
    caller.send(&format!("{} {}\n{}", ping("1"), "[]", ping("2")));
    let answers = [caller.next(), caller.next(), caller.next()];
    // The refusal is the gateway's own, so it may overtake.
    assert!(answers.iter().any(|answer| answer["error"]["code"] == 455));
    let of_janus = |transaction: &str| {
        let pong = json!({"janus": "pong", "transaction": transaction});
        answers.iter().position(|answer| *answer == pong).unwrap()
    };
    assert!(of_janus("1") < of_janus("2"));
    let text = ping("3");
    let (first, second) = text.split_at(text.len() / 2);
    caller
        .client
        .send(Frame::from_client(TEXT, first).part().bytes());
    caller
        .client
        .send(Frame::from_client(PING, "between").bytes());
    caller.client.send(Frame::from_client(0, second).bytes());
    assert_eq!(caller.frame().payload, b"between");
    assert_eq!(caller.next()["transaction"], "3");
    let received = janus.received();
    assert_eq!(received.len(), 3, "{received:?}");
}

#[test]
fn what_cannot_be_read_is_answered_in_janus_words_and_goes_no_further() {
    let (janus, secret) = (Janus::new(), secret("s3cret"));
    let gateway = TestGateway::start(&brokered(&janus, secret.path()));
    let mut caller = Caller::open(&gateway, "/ws", "");
    for (text, expected) in [
        ("not JSON", 454),
        ("\u{feff}{}", 454),
        (
            "{\"janus\":\"ping\",\"janus\":\"info\",\"transaction\":\"t\"}",
            454,
        ),
        ("1", 455),
        ("{\"transaction\":\"t\"}", 456),
        (
            "{\"janus\":\"keepalive\",\"transaction\":\"t\",\"session_id\":99}",
            458,
        ),
    ] {
        caller.send(text);
        assert_eq!(code(&caller.next()), expected, "{text}");
    }
    caller.is_alive();
    assert_eq!(janus.take_received().len(), 1);
    caller.client.send(Frame::from_client(BINARY, "{}").bytes());
    assert_eq!(caller.close().0, 1003);
}

#[test]
fn another_clients_session_does_not_exist() {
    let (janus, secret) = (Janus::new(), secret("s3cret"));
    let config = Config::new()
        .table(&staff::issuer(""))
        .table("[policies.staff]\nissuers = [\"staff\"]")
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"\nsecret_file = \"{}\"",
            janus.url(),
            secret.path().display()
        ))
        .route_with("/", "app", "policy = \"staff\"");
    let mut gateway = TestGateway::start(&config);
    let open = |gateway: &TestGateway, subject: &str| {
        let token = staff::token(subject, 600);
        Caller::open(
            gateway,
            "/ws",
            &format!("Authorization: Bearer {token}\r\n"),
        )
    };
    let mut alice = open(&gateway, "alice");
    let session = alice.create();
    let handle = alice.attach(session, "echotest");
    let mut bob = open(&gateway, "bob");
    for message in [
        json!({"janus": "claim", "transaction": "t", "session_id": session}),
        json!({"janus": "keepalive", "transaction": "t", "session_id": session}),
        json!({"janus": "destroy", "transaction": "t", "session_id": session}),
        json!({"janus": "hangup", "transaction": "t", "session_id": session, "handle_id": handle}),
        json!({"janus": "unheard", "transaction": "t", "session_id": session}),
    ] {
        let answer = bob.ask(&message);
        assert_eq!(code(&answer), 458, "{message}");
        assert_eq!(answer["transaction"], "t");
    }
    // A reload changes nothing about whose it is, and she comes back on another connection.
    drop(alice);
    gateway.reload(&config);
    let mut again = open(&gateway, "alice");
    let claim = json!({"janus": "claim", "transaction": "t", "session_id": session});
    assert_eq!(again.ask(&claim)["janus"], "success");
    assert_eq!(code(&open(&gateway, "bob").ask(&claim)), 458);
    assert_eq!(code(&bob.ask(&claim)), 458);
}

#[test]
fn a_new_secret_reaches_open_tunnels() {
    let (janus, file) = (Janus::new(), secret("first"));
    let mut gateway = TestGateway::start(&brokered(&janus, file.path()));
    let mut caller = Caller::open(&gateway, "/ws", "");
    caller.is_alive();
    std::fs::write(file.path(), "second").unwrap();
    gateway.follow_files();
    let is_second = |message: &Value| message["apisecret"] == "second";
    crate::harness::eventually("the second secret", || {
        caller.is_alive();
        janus.take_received().iter().any(is_second)
    });
}

#[test]
fn a_tunnel_whose_messages_are_to_be_read_from_now_on_is_closed() {
    let (janus, secret) = (Janus::new(), secret("s3cret"));
    let mut gateway = TestGateway::start(&raw(&janus));
    let mut caller = Caller::open(&gateway, "/ws", "");
    caller.is_alive();
    gateway.reload(&brokered(&janus, secret.path()));
    let closed = (1008, "message checks changed".to_owned());
    assert_eq!(caller.close(), closed);
    let mut caller = Caller::open(&gateway, "/ws", "");
    caller.is_alive();
    gateway.reload(&raw(&janus));
    assert_eq!(caller.close(), closed);
}

#[test]
fn a_stream_of_http_2_is_read_as_well() {
    let (janus, secret) = (Janus::new(), secret("s3cret"));
    let gateway = TestGateway::start(&brokered(&janus, secret.path()));
    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/ws")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "janus-protocol")
        .header("sec-websocket-extensions", "permessage-deflate")
        .extension(Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let (response, mut stream) = client.begin(request, false);
    let response = client.run(response).unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let ping = r#"{"janus":"ping","transaction":"h2"}"#;
    stream
        .send_data(Bytes::from(Frame::from_client(TEXT, ping).bytes()), false)
        .unwrap();
    let frame = client.run(body.data()).unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&frame[2..]).unwrap();
    assert_eq!(answer, json!({"janus": "pong", "transaction": "h2"}));
    assert_eq!(janus.take_received()[0]["apisecret"], "s3cret");
    let asked = janus.upstream.heads().remove(0);
    assert_eq!(asked.get("sec-websocket-extensions"), None, "{asked}");
}

#[test]
fn a_secret_that_janus_rejects_is_a_warning_that_names_the_key() {
    let (janus, secret) = (Janus::new(), secret("wrong"));
    janus.set_secret("right");
    let create = json!({"janus": "create", "transaction": "t"});
    for by_websocket in [true, false] {
        let gateway = GatewayProcess::start(&brokered(&janus, secret.path()));
        let answer = if by_websocket {
            Caller::open_on(gateway.dial().h1(), "/ws", "").ask(&create)
        } else {
            post(&gateway.dial(), "", "/janus", &create)
        };
        assert_eq!(code(&answer), 403);
        let warning = gateway.event("rejects the gateway's secret");
        let advice = "write api_secret of Janus into the file of upstreams.app.secret_file";
        assert!(
            warning.contains(advice) && !warning.contains("wrong"),
            "{warning}"
        );
    }
}

#[test]
fn each_file_that_cannot_be_used_any_more_has_an_event_of_its_own() {
    let (janus, first, second) = (Janus::new(), secret("first"), secret("second"));
    let config = Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"\nsecret_file = \"{}\"\n\
             token_auth_secret_file = \"{}\"",
            janus.url(),
            first.path().display(),
            second.path().display()
        ))
        .route("/", "app");
    let gateway = GatewayProcess::start(&config);
    std::fs::remove_file(first.path()).unwrap();
    std::fs::remove_file(second.path()).unwrap();
    let (one, other) = ("app.secret_file: ", "app.token_auth_secret_file: ");
    let event = gateway.event(other);
    assert!(!event.contains(one), "{event}");
    let event = gateway.event(one);
    assert!(!event.contains(other), "{event}");
}
