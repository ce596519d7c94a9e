//! WebSockets and long polls of one client, and WebSockets of one subject: how many may be open.

use serde_json::json;

use crate::bosh;
use crate::harness::janus::{Caller, Janus};
use crate::harness::message::Head;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, eventually, staff};
use crate::rest_messages::create;

const PROTOCOL: &str = "Sec-WebSocket-Protocol: janus-protocol\r\n";

/// A handshake, and what it is answered by.
fn open(mut client: Client, target: &str, more: &str) -> (Head, Client) {
    client.send(handshake(target, more));
    (client.head(), client)
}

/// A WebSocket of an address.
fn open_from(gateway: &TestGateway, source: &str) -> (Head, Client) {
    open(gateway.dial().from(source).h1(), "/ws", PROTOCOL)
}

#[track_caller]
fn is_open((head, client): (Head, Client)) -> Client {
    assert_eq!(head.status(), 101, "{head}");
    client
}

/// The answer says to come later, and the log says why.
#[track_caller]
fn is_refused(gateway: &TestGateway, (head, mut client): (Head, Client), reason: &str) {
    assert_eq!(head.status(), 429, "{head}");
    assert_eq!(head.get("retry-after"), Some("10"), "{head}");
    // The handshake is answered as any other request: the connection goes on.
    client
        .wire
        .exactly(head.get("content-length").unwrap().parse().unwrap())
        .unwrap();
    assert_eq!(client.get("/.ianitor/nothing").status(), 404);
    eventually("the access line", || {
        let lines = gateway.access.now();
        lines
            .iter()
            .any(|line| line.contains(&format!("reason={reason}")))
    });
}

#[test]
fn a_client_has_as_many_websockets_as_it_may_over_both_versions() {
    let janus = Janus::new();
    let config = |limits: &str| Config::to(&janus.upstream).limits(limits);
    let limits = "tunnels_per_client = 2\nexempt = [\"127.0.0.9\"]";
    let mut gateway = TestGateway::start(&config(limits));
    let client = is_open(open_from(&gateway, "127.0.0.1"));
    let mut first = Caller { client };
    let mut by_h2 = gateway.dial().h2();
    assert!(by_h2.takes_extended_connect());
    let (answer, mut stream) = by_h2.begin(connect(), false);
    assert_eq!(by_h2.run(answer).unwrap().status(), 200);
    is_refused(
        &gateway,
        open_from(&gateway, "127.0.0.1"),
        "tunnels_per_client",
    );
    let (answer, _third) = by_h2.begin(connect(), false);
    assert_eq!(by_h2.run(answer).unwrap().status(), 429);
    assert_eq!(janus.upstream.heads().len(), 2);
    // Other clients, exempt ones and other requests are not concerned.
    is_open(open_from(&gateway, "127.0.0.2"));
    let held = [(); 3].map(|()| is_open(open_from(&gateway, "127.0.0.9")));
    first.is_alive();
    // A reload holds for new handshakes at once, and closes nothing.
    gateway.reload(&config("tunnels_per_client = 1\nexempt = []"));
    drop(held);
    is_refused(
        &gateway,
        open_from(&gateway, "127.0.0.1"),
        "tunnels_per_client",
    );
    first.is_alive();
    gateway.reload(&config("tunnels_per_client = 3\nexempt = []"));
    is_open(open_from(&gateway, "127.0.0.1"));
    // What is closed is given back, whichever way it was opened.
    gateway.reload(&config("tunnels_per_client = 1\nexempt = []"));
    stream.send_reset(h2::Reason::CANCEL);
    drop((first, stream, by_h2));
    eventually("a WebSocket may be opened again", || {
        open_from(&gateway, "127.0.0.1").0.status() == 101
    });
}

fn connect() -> http::Request<()> {
    http::Request::builder()
        .method(http::Method::CONNECT)
        .uri("https://localhost/ws")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "janus-protocol")
        .extension(h2::ext::Protocol::from_static("websocket"))
        .body(())
        .unwrap()
}

#[test]
fn a_handshake_that_the_server_refuses_gives_its_place_back() {
    let upstream = crate::harness::Upstream::ok();
    let limits = "tunnels_per_client = 1\nexempt = []";
    let gateway = TestGateway::start(&Config::to(&upstream).limits(limits));
    for _ in 0..3 {
        let (head, _) = open_from(&gateway, "127.0.0.1");
        assert_eq!(head.status(), 200, "{head}");
    }
}

fn of_subjects(limits: &str) -> (crate::harness::Upstream, Config) {
    let upstream = echo();
    let config = Config::new()
        .limits(limits)
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table(&staff::issuer_named(
            "other",
            "another secret of 32 bytes......",
            "",
        ))
        .table(
            "[policies.users]\nallow = [\"127.0.0.5\"]\nissuers = [\"staff\", \"other\"]\n\
             satisfy = \"any\"",
        )
        .route_with("/", "app", "policy = \"users\"");
    (upstream, config)
}

fn bearer(secret: &str, claims: &serde_json::Value) -> String {
    let mut claims = claims.clone();
    claims["exp"] = json!(staff::now() + 600);
    format!("Authorization: Bearer {}\r\n", staff::mint(secret, &claims))
}

#[test]
fn a_subject_has_as_many_websockets_as_it_may_wherever_they_come_from() {
    let (upstream, config) = of_subjects("tunnels_per_subject = 2");
    let mut gateway = TestGateway::start(&config);
    let dial = gateway.dial();
    let open_as = |source: &str, secret: &str, claims: &serde_json::Value| {
        let client = dial.clone().from(source).h1();
        open(client, "/ws", &bearer(secret, claims))
    };
    let alice = json!({ "sub": "alice" });
    // The limits per client do not apply to loopback; this one does.
    let mut held = vec![
        is_open(open_as("127.0.0.1", staff::SECRET, &alice)),
        is_open(open_as("127.0.0.2", staff::SECRET, &alice)),
    ];
    let refused = open_as("127.0.0.3", staff::SECRET, &alice);
    is_refused(&gateway, refused, "tunnels_per_subject");
    assert_eq!(upstream.heads().len(), 2);
    // Others: another subject, the same of another issuer, users that share one, and those without.
    for claims in [
        json!({ "sub": "bob" }),
        json!({ "sub": "alice", "context": { "user": { "id": "a" } } }),
        json!({ "sub": "alice", "iss": "x" }),
        json!({}),
    ] {
        for _ in 0..2 {
            held.push(is_open(open_as("127.0.0.1", staff::SECRET, &claims)));
        }
    }
    let other = "another secret of 32 bytes......";
    held.push(is_open(open_as("127.0.0.1", other, &alice)));
    for _ in 0..3 {
        held.push(is_open(open_from(&gateway, "127.0.0.5")));
        held.push(is_open(open_as("127.0.0.1", staff::SECRET, &json!({}))));
    }
    held.iter_mut().for_each(is_alive);
    drop(held);
    eventually("alice may open one again", || {
        open_as("127.0.0.1", staff::SECRET, &alice).0.status() == 101
    });
    // Without the limit, any number.
    gateway.reload(&config.limits(""));
    let held = [(); 3].map(|()| is_open(open_as("127.0.0.1", staff::SECRET, &alice)));
    drop(held);
}

/// Two sessions of a Janus by REST, at a route that judges messages and at one that does not.
fn sessions(gateway: &TestGateway) -> [String; 2] {
    ["/judged/janus", "/janus"].map(|base| {
        let session = create(&gateway.dial(), "", base);
        format!("{base}/{session}?rid=waits")
    })
}

#[test]
fn a_client_has_as_many_long_polls_of_janus_as_it_may() {
    let janus = Janus::new();
    let upstream = |name: &str| {
        let url = janus.url();
        format!("[upstreams.{name}]\nservers = [\"{url}\"]\nprotocol = \"janus\"")
    };
    let config = Config::new()
        .limits("polls_per_client = 2\nexempt = []")
        .table(&upstream("app"))
        .table("[policies.callers]\nallow = [\"127.0.0.0/8\"]\nmessages = [\"janus-caller\"]")
        .route("/janus", "app")
        .route_with(
            "/judged",
            "app",
            "policy = \"callers\"\nstrip_prefix = \"/judged\"",
        );
    let gateway = TestGateway::start(&config);
    let targets = sessions(&gateway);
    let begin = |target: &str| {
        let mut client = gateway.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        client
    };
    let before = janus.upstream.heads().len();
    let mut waiting: Vec<_> = targets.iter().map(|target| begin(target)).collect();
    eventually("both wait", || janus.upstream.heads().len() == before + 2);
    for target in &targets {
        let answer = gateway.client().get(target);
        assert_eq!(
            (answer.status(), answer.head.get("retry-after")),
            (429, Some("1")),
            "{}",
            answer.head
        );
        assert_eq!(gateway.dial().h2().get(target).status, 429);
    }
    eventually("the access lines", || {
        let lines = gateway.access.now();
        lines
            .iter()
            .filter(|line| line.contains("reason=polls_per_client"))
            .count()
            == 4
    });
    // What does not wait is none, and another client has its own.
    assert_eq!(gateway.client().get("/janus/info").status(), 200);
    create(&gateway.dial(), "", "/judged/janus");
    assert_eq!(janus.upstream.heads().len(), before + 4);
    janus.answer_polls();
    for client in &mut waiting {
        assert_eq!(client.answer().text(), r#"{"janus":"keepalive"}"#);
    }
    for target in &targets {
        eventually("a poll may wait again", || {
            gateway.client().get(target).status() == 200
        });
    }
    Caller::open(&gateway, "/janus", "").is_alive();
}

#[test]
fn a_client_has_as_many_bosh_requests_that_wait_as_it_may() {
    let prosody = bosh::prosody();
    let limits = "polls_per_client = 1\nexempt = []";
    let gateway = TestGateway::start(&bosh::config(&prosody).limits(limits));
    let anna = bosh::Client::new(&gateway, "/http-bind?room=aula", "anna");
    let sid = anna.open();
    let mut waiting = gateway.client();
    let before = prosody.requests().len();
    let hang = format!("sid='{sid}' hang='1'");
    waiting.send(anna.head(&bosh::body(&hang), ""));
    eventually("it waits", || prosody.requests().len() == before + 1);
    let speak = || {
        let head = anna.head(&bosh::body(&format!("sid='{sid}'")), "");
        gateway.client().ask(head).status()
    };
    assert_eq!(speak(), 429);
    // A session may be opened, and ended, all the same.
    anna.open();
    let end = format!("sid='{sid}' type='terminate'");
    assert_eq!(
        gateway
            .client()
            .ask(anna.head(&bosh::body(&end), ""))
            .status(),
        200
    );
    drop(waiting);
    eventually("it may speak again", || speak() == 200);
}
