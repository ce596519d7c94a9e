//! A gateway that is stopped ends signalling in order: sessions, long polls, WebSockets and HTTP/2.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::h2_raw::RawH2;
use crate::harness::janus::{Caller, Janus};
use crate::harness::kurento::{App, Kms};
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{Frame, TEXT, echo, handshake};
use crate::harness::{Client, Config, TestGateway, Then, Upstream, eventually, h2, staff};
use crate::rest_messages::{brokered, create, post, secret};
use crate::{bosh, kurento_owners};

const STATUS: &str = "https = [\"127.0.0.1:0\"]\nworkers = 2\nstatus = \"127.0.0.1:0\"";

/// An answer of the status listener.
fn status(gateway: &GatewayProcess, path: &str) -> String {
    let mut stream = TcpStream::connect(gateway.status()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits for a line of the access log.
#[track_caller]
fn is_logged(gateway: &GatewayProcess, text: &str) {
    let has_text = |line: &String| line.contains(text);
    eventually(text, || gateway.accesses().iter().any(has_text));
}

#[test]
fn before_the_listeners_close_balancers_have_the_time_to_notice() {
    let upstream = echo();
    let config = Config::to(&upstream)
        .listen(STATUS)
        .limits("drain_delay = \"1h\"");
    let mut gateway = GatewayProcess::start(&config);
    assert!(status(&gateway, "/readyz").starts_with("HTTP/1.1 200 "));
    gateway.signal(Signal::TERM);
    gateway.event("limits.drain_delay");
    let answer = status(&gateway, "/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("draining"), "{answer}");
    // Connections are still accepted, and WebSockets open.
    let mut client = gateway.dial().h1();
    client.send(handshake("/", ""));
    assert_eq!(client.head().status(), 101);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().code(), Some(1));
}

#[test]
fn new_sessions_of_janus_are_refused_and_existing_ones_go_on() {
    let (janus, secret) = (Janus::new(), secret());
    // Refusals would soon close the WebSocket if they counted.
    let limits = "drain_delay = \"1h\"\nrefusals_per_tunnel = \"2/1h\"";
    let config = brokered(&janus.url(), &secret, "janus")
        .route("/janus", "app")
        .route("/ws", "app")
        .limits(limits);
    let gateway = GatewayProcess::start(&config);
    let mut caller = Caller::open_on(gateway.dial().h1(), "/ws", "");
    let session = caller.create();
    gateway.signal(Signal::TERM);
    gateway.event("limits.drain_delay");
    let refused = json!({"janus": "error", "transaction": "c",
        "error": {"code": 472, "reason": "Currently not accepting new sessions"}});
    let message = json!({"janus": "create", "transaction": "c"});
    for _ in 0..5 {
        assert_eq!(caller.ask(&message), refused);
    }
    assert_eq!(post(&gateway.dial(), "", "/janus", &message), refused);
    caller.attach(session, "videoroom");
    caller.is_alive();
    is_logged(&gateway, "Currently not accepting new sessions");
}

#[test]
fn new_sessions_of_kurento_and_of_bosh_are_refused_and_existing_ones_go_on() {
    let kms = Kms::new();
    let config = kurento_owners::config(&kms).limits("drain_delay = \"1h\"");
    let gateway = GatewayProcess::start(&config);
    let token = format!("Authorization: Bearer {}\r\n", staff::token("alice", 600));
    let mut app = App::open_on(gateway.dial().h1(), &token);
    let (pipeline, _) = app.pipeline();
    let mut other = App::open_on(gateway.dial().h1(), &token);
    gateway.signal(Signal::TERM);
    gateway.event("limits.drain_delay");
    other.is_alive();
    assert_eq!(
        other.code("create", &json!({"type": "MediaPipeline"})),
        40_009
    );
    app.endpoint(&pipeline);
    drop(gateway);

    let prosody = bosh::prosody();
    let config = bosh::config(&prosody).limits("drain_delay = \"1h\"");
    let gateway = GatewayProcess::start(&config);
    let open = "<body rid='1' xmlns='http://jabber.org/protocol/httpbind'/>";
    let dial = gateway.dial();
    let answer = dial.h1().post("/guests/http-bind", open.as_bytes());
    let sid = answer.text();
    let sid = sid
        .split("sid='")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    gateway.signal(Signal::TERM);
    gateway.event("limits.drain_delay");
    // With this status the client tries again, and comes to another gateway.
    let answer = dial.h1().post("/guests/http-bind", open.as_bytes());
    assert_eq!(
        (answer.status(), answer.head.get("retry-after")),
        (503, Some("1"))
    );
    let speak = open.replace("rid=", &format!("sid='{sid}' rid="));
    let answer = dial.h1().post("/guests/http-bind", speak.as_bytes());
    assert!(
        answer.text().contains(&format!("sid='{sid}'")),
        "{}",
        answer.text()
    );
    is_logged(&gateway, " reason=stopping");
}

#[test]
fn long_polls_of_janus_are_answered_as_janus_does_and_their_connections_close() {
    let (janus, secret) = (Janus::new(), secret());
    let config = brokered(&janus.url(), &secret, "janus")
        .route("/janus", "app")
        .limits("drain = \"2s\"");
    let gateway = TestGateway::start(&config);
    let dial = gateway.dial();
    let session = create(&dial, "", "/janus");
    let poll = |maxev: &str| {
        let mut client = dial.h1();
        client.send(format!(
            "GET /janus/{session}?rid=waits{maxev} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        client
    };
    let (mut one, mut several) = (poll(""), poll("&maxev=5"));
    let mut h2 = dial.h2();
    let target = format!("/janus/{session}?rid=waits&maxev=1");
    let (answer, _stream) = h2.begin(h2::get(&target), true);
    h2.run(async {
        while janus.upstream.heads().len() < 4 {
            tokio::task::yield_now().await;
        }
    });
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| gateway.drain());
        for (client, wanted) in [
            (&mut one, r#"{"janus":"keepalive"}"#),
            (&mut several, r#"[{"janus":"keepalive"}]"#),
        ] {
            let answer = client.answer();
            assert_eq!((answer.status(), &*answer.text()), (200, wanted));
            assert_eq!(answer.head.get("connection"), Some("close"));
            assert_eq!(answer.head.get("access-control-allow-origin"), Some("*"));
            client.is_closed();
        }
        let answer = h2.run(async { h2::gather(answer.await.unwrap()).await.unwrap() });
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, body), (200, json!({"janus": "keepalive"})));
        h2.until_closed();
        assert_eq!(drained.join().unwrap(), 0);
    });
    janus.answer_polls();
    let lines = gateway.access.lines(4);
    let answered = lines
        .iter()
        .filter(|line| line.contains(" reason=going_away"));
    assert_eq!(answered.count(), 3, "{lines:#?}");
}

#[test]
fn an_event_that_comes_during_a_drain_reaches_its_long_poll() {
    let (janus, secret) = (Janus::new(), secret());
    let config = brokered(&janus.url(), &secret, "janus")
        .route("/janus", "app")
        .limits("drain = \"1h\"");
    let mut gateway = GatewayProcess::start(&config);
    let dial = gateway.dial();
    let session = create(&dial, "", "/janus");
    let mut client = dial.h1();
    client.send(format!(
        "GET /janus/{session}?rid=waits HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ));
    eventually("the poll waits", || janus.upstream.heads().len() == 2);
    gateway.signal(Signal::TERM);
    gateway.event("draining");
    janus.answer_polls();
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.head.get("connection")),
        (200, Some("close"))
    );
    assert_eq!(gateway.ended().code(), Some(0));
    let lines = gateway.accesses();
    assert!(
        lines.iter().all(|line| !line.contains("going_away")),
        "{lines:?}"
    );
}

#[test]
fn websockets_are_closed_at_different_moments() {
    let upstream = echo();
    let gateway = TestGateway::start(&Config::to(&upstream).limits("drain = \"20s\""));
    let mut clients: Vec<_> = (0..40).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.send(handshake("/", ""));
        assert_eq!(client.head().status(), 101);
    }
    let is_open = |client: &mut Client| {
        let message = Frame::from_client(TEXT, "still there?");
        // It may have been closed already.
        let _ = client.wire.send(message.bytes());
        let frame = client.wire.frame().unwrap();
        if frame.opcode != TEXT {
            assert_eq!(frame.close(), (1001, "going away".to_owned()));
        }
        frame.opcode == TEXT
    };
    std::thread::scope(|scope| {
        scope.spawn(|| gateway.drain());
        eventually("a WebSocket is closed", || {
            clients.retain_mut(is_open);
            clients.len() < 40
        });
        // The first one has been closed; this would find the others closed too.
        clients.retain_mut(is_open);
        let open = clients.len();
        // The drain ends with them.
        clients.clear();
        assert!(
            open > 20,
            "only {open} are open once the first one is closed"
        );
    });
}

#[test]
fn http2_gets_two_goaways_and_streams_in_flight_are_answered() {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::http(move |_, conn| {
        wait.lock().unwrap().recv().map_err(std::io::Error::other)?;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        Ok(Then::Keep)
    });
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits("drain = \"1h\""));
    let mut client = RawH2::open(&gateway.dial());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/"),
    ];
    client.begin(&fields, None);
    eventually("the request is at the server", || {
        upstream.heads().len() == 1
    });
    gateway.signal(Signal::TERM);
    // First that no new streams are accepted, once the client has heard that: which is the last.
    assert_eq!(client.go_away(), (1 << 31) - 1);
    assert_eq!(client.go_away(), 1);
    go.send(()).unwrap();
    assert_eq!(client.status(), 200);
    drop(client);
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_request_that_is_not_answered_in_time_is_told_to_try_again() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::http(move |_, _| {
        let _ = wait.lock().unwrap().recv();
        Ok(Then::Close)
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("drain = \"1s\""));
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("the request is at the server", || {
        upstream.heads().len() == 1
    });
    std::thread::scope(|scope| {
        scope.spawn(|| gateway.drain());
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.head.get("retry-after")),
            (503, Some("1"))
        );
        client.is_closed();
    });
    drop(go);
    let line = gateway.access.lines(1).remove(0);
    assert!(line.contains(" reason=going_away"), "{line}");
}
