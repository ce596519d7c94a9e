//! Tokens in messages, as janus.js sends them: a newer one renews the WebSocket's permission, and
//! none reaches Janus.

mod rules;

use std::io::Write as _;
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::issuer::{Signer, set};
use crate::harness::janus::{Caller, Janus, code};
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{Frame, TEXT};
use crate::harness::{Client, Config, TestGateway, Then, Upstream, eventually, staff};

const WRONG: &str = "not the secret of thirty-two bytes";
const OTHER: &str = "another secret of thirty-two bytes";

/// A Janus behind a policy, and the file with its secret.
struct World {
    janus: Janus,
    secret: NamedTempFile,
}

impl World {
    fn new() -> Self {
        let mut secret = NamedTempFile::new().unwrap();
        writeln!(secret, "s3cret").unwrap();
        Self {
            janus: Janus::new(),
            secret,
        }
    }

    /// Tokens of `staff` and of `other` are accepted, the policy has more lines.
    fn config(&self, issuer: &str, policy: &str) -> Config {
        self.with(
            &format!(
                "{}\n{}",
                staff::issuer(issuer),
                staff::issuer_named("other", OTHER, "leeway = \"0s\"")
            ),
            &format!("issuers = [\"staff\", \"other\"]\n{policy}"),
        )
    }

    fn with(&self, issuers: &str, policy: &str) -> Config {
        Config::new()
            .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2")
            .table(issuers)
            .table(&format!("[policies.staff]\n{policy}"))
            .table(&format!(
                "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"\nsecret_file = \"{}\"",
                self.janus.url(),
                self.secret.path().display()
            ))
            .route_with("/", "app", "policy = \"staff\"")
    }

    fn start(&self, policy: &str) -> TestGateway {
        TestGateway::start(&self.config("leeway = \"0s\"", policy))
    }

    /// What has reached Janus, none of which has a token.
    fn transactions(&self) -> Vec<String> {
        let received = self.janus.take_received();
        let transaction = |message: &Value| {
            assert_eq!(message.get("token"), None, "{message}");
            message["transaction"].as_str().unwrap().to_owned()
        };
        received.iter().map(transaction).collect()
    }
}

#[track_caller]
fn open(gateway: &TestGateway, token: &str) -> Caller {
    open_on(gateway.client(), token)
}

#[track_caller]
fn open_on(client: Client, token: &str) -> Caller {
    let header = format!("Authorization: Bearer {token}\r\n");
    Caller::open_on(client, "/ws", &header)
}

fn ping(transaction: &str) -> Value {
    json!({"janus": "ping", "transaction": transaction})
}

fn ping_with(transaction: &str, token: &str) -> Value {
    json!({"janus": "ping", "transaction": transaction, "token": token})
}

#[track_caller]
fn pongs(caller: &mut Caller, transaction: &str) {
    let pong = json!({"janus": "pong", "transaction": transaction});
    assert_eq!(caller.next(), pong);
}

#[track_caller]
fn is_refused(caller: &mut Caller, message: &Value, reason: &str) {
    let answer = caller.ask(message);
    let expected = json!({"janus": "error", "transaction": message["transaction"],
        "error": {"code": 403, "reason": reason}});
    assert_eq!(answer, expected, "{message}");
}

const REJECTED: &str = "The token is not accepted";
const EXPIRED: &str = "The token has expired";

#[test]
fn a_newer_token_in_a_message_renews_the_websocket_past_the_end_of_the_first() {
    let world = World::new();
    let gateway = world.start("");
    let (first, second) = (staff::token("anna", 6), staff::token("anna", 600));
    let mut witness = open(&gateway, &staff::token("berta", 6));
    let mut caller = open(&gateway, &first);
    caller.send(&ping_with("1", &first).to_string());
    pongs(&mut caller, "1");
    caller.send(&ping_with("2", &second).to_string());
    pongs(&mut caller, "2");
    assert_eq!(witness.close(), (1008, "token expired".to_owned()));
    // janus.js sends it with each message.
    for transaction in ["3", "4"] {
        caller.send(&ping_with(transaction, &second).to_string());
        pongs(&mut caller, transaction);
    }
    assert_eq!(world.transactions(), ["1", "2", "3", "4"]);
    let (_, metrics) = gateway.status("/metrics");
    let renewals = "ianitor_message_token_renewals_total{upstream=\"app\"} 1\n";
    assert!(metrics.contains(renewals), "{metrics}");
}

#[test]
fn only_a_newer_token_of_the_same_issuer_and_subject_renews() {
    let world = World::new();
    let mut revoked = NamedTempFile::new().unwrap();
    writeln!(revoked, "jti gone").unwrap();
    let issuer = format!("leeway = \"0s\"\nrevoked_file = {:?}", revoked.path());
    let policy = "claims = { role = [\"staff\"] }";
    let gateway = TestGateway::start(&world.config(&issuer, policy));
    let claims = |subject: &str, seconds: i64| {
        let exp = staff::now() + seconds;
        json!({ "sub": subject, "exp": exp, "role": "staff" })
    };
    let token = |subject, seconds| staff::mint(staff::SECRET, &claims(subject, seconds));
    let with = |name: &str, value: &str| {
        let mut claims = claims("anna", 600);
        claims[name] = json!(value);
        staff::mint(staff::SECRET, &claims)
    };
    let (own, good) = (token("anna", 300), token("anna", 400));
    let mut caller = open(&gateway, &own);
    let (head, _) = good.rsplit_once('.').unwrap();
    for (why, token) in [
        ("older", token("anna", 200)),
        ("expired", token("anna", -60)),
        ("another's", token("berta", 600)),
        ("another issuer's", staff::mint(OTHER, &claims("anna", 600))),
        ("wrongly signed", format!("{head}.c2ln")),
        ("not signed", format!("{head}.")),
        ("revoked", with("jti", "gone")),
        ("without the claim", with("role", "guest")),
    ] {
        is_refused(&mut caller, &ping_with(why, &token), REJECTED);
        caller.is_alive();
    }
    // What was refused has changed nothing.
    caller.send(&ping_with("own", &own).to_string());
    pongs(&mut caller, "own");
    caller.send(&ping_with("good", &good).to_string());
    pongs(&mut caller, "good");
    // janus.js goes on to send the one that it was made with. It renews nothing.
    caller.send(&ping_with("first", &own).to_string());
    pongs(&mut caller, "first");
    is_refused(
        &mut caller,
        &ping_with("older", &token("anna", 350)),
        REJECTED,
    );
    let transactions = world.transactions();
    let are_good = |it: &String| ["alive", "own", "good", "first"].contains(&&**it);
    assert!(transactions.iter().all(are_good), "{transactions:?}");
}

#[test]
fn each_document_has_its_own_token() {
    let world = World::new();
    let gateway = world.start("");
    let own = staff::token("anna", 100);
    let (second, third) = (staff::token("anna", 200), staff::token("anna", 300));
    let mut caller = open(&gateway, &own);
    let sixty: String = (0..60)
        .map(|at| ping_with(&at.to_string(), &own).to_string())
        .collect();
    caller.send(&sixty);
    for at in 0..60 {
        pongs(&mut caller, &at.to_string());
    }
    let documents = [
        ping_with("a", &second),
        ping_with("b", &staff::token("berta", 600)),
        ping_with("c", &third),
        ping_with("d", &staff::token("anna", 250)),
        ping("e"),
    ];
    caller.send(&documents.each_ref().map(Value::to_string).concat());
    let mut refused = Vec::new();
    let mut passed = Vec::new();
    for _ in 0..documents.len() {
        let answer = caller.next();
        let transaction = answer["transaction"].as_str().unwrap().to_owned();
        if answer["janus"] == "pong" {
            passed.push(transaction);
        } else {
            assert_eq!(code(&answer), 403);
            refused.push(transaction);
        }
    }
    assert_eq!(
        (passed, refused),
        (
            vec!["a".into(), "c".into(), "e".into()],
            vec!["b".into(), "d".into()]
        )
    );
    assert_eq!(world.transactions().len(), 63);
}

/// A server of an issuer's keys.
pub(crate) struct Keys {
    pub(crate) server: Upstream,
    /// From when on it has the second key, and each answer waits.
    gate: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Keys {
    pub(crate) fn new(first: &Signer, second: &Signer) -> Self {
        let (before, after) = (set(&[first]), set(&[first, second]));
        let gate = Arc::new(Mutex::new(None::<mpsc::Receiver<()>>));
        let shared = Arc::clone(&gate);
        let server = Upstream::http(move |_, conn| {
            let body = match &*shared.lock().unwrap() {
                None => &before,
                Some(release) => {
                    // Without a sender it has been opened.
                    let _ = release.recv();
                    &after
                }
            };
            let length = body.len();
            conn.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
            ))?;
            Ok(Then::Keep)
        });
        Self { server, gate }
    }

    /// Publishes the second key, once the returned sender is dropped.
    pub(crate) fn hold(&self) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel();
        *self.gate.lock().unwrap() = Some(released);
        release
    }

    /// Waits until it has been asked once more.
    #[track_caller]
    pub(crate) fn is_asked(&self, before: usize) {
        eventually("another fetch", || self.server.requests().len() > before);
    }
}

impl World {
    fn by_keys_of(&self, keys: &Keys) -> Config {
        let issuer = format!(
            "[issuers.staff]\nalgorithms = [\"ES256\"]\naudience = \"ianitor\"\n\
             jwks_url = \"{}/jwks.json\"",
            keys.server.url()
        );
        self.with(&issuer, "issuers = [\"staff\"]")
    }
}

#[test]
fn while_a_key_is_fetched_later_messages_wait_in_order() {
    let world = World::new();
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let keys = Keys::new(&one, &two);
    let gateway = GatewayProcess::start(&world.by_keys_of(&keys));
    let mut caller = open_on(gateway.dial().h1(), &one.token_for(100));
    let (release, fetches) = (keys.hold(), keys.server.requests().len());
    let newer = two.token_for(200);
    caller.send(&(ping("1").to_string() + &ping_with("2", &newer).to_string()));
    caller.send(&ping("3").to_string());
    caller.send(&ping_with("4", &newer).to_string());
    pongs(&mut caller, "1");
    keys.is_asked(fetches);
    assert_eq!(world.transactions(), ["1"]);
    // Other clients go on.
    open_on(gateway.dial().h1(), &one.token_for(150)).is_alive();
    world.transactions();
    drop(release);
    for transaction in ["2", "3", "4"] {
        pongs(&mut caller, transaction);
    }
    assert_eq!(world.transactions(), ["2", "3", "4"]);
}

#[test]
fn a_reload_while_a_key_is_fetched_decides_by_the_new_configuration() {
    let world = World::new();
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let keys = Keys::new(&one, &two);
    let config = world.by_keys_of(&keys);
    let gateway = GatewayProcess::start(&config);
    let mut caller = open_on(gateway.dial().h1(), &one.token_for(100));
    let (release, fetches) = (keys.hold(), keys.server.requests().len());
    caller.send(&ping_with("1", &two.token_for(200)).to_string());
    caller.send(&ping("2").to_string());
    keys.is_asked(fetches);
    gateway.hang_up(&config.route("/other", "app").text());
    gateway.event("reloaded config=");
    drop(release);
    pongs(&mut caller, "1");
    pongs(&mut caller, "2");
}

#[test]
fn guesses_in_messages_are_counted_with_those_of_requests() {
    let world = World::new();
    let config = world
        .config("leeway = \"0s\"", "")
        .limits("bad_tokens_per_client = \"4/h\"\nexempt = []");
    let gateway = TestGateway::start(&config);
    let own = staff::token("anna", 300);
    let mut caller = open(&gateway, &own);
    let forged = |seconds: i64| {
        let exp = staff::now() + seconds;
        staff::mint(WRONG, &json!({ "sub": "anna", "exp": exp }))
    };
    let status = |token: &str| {
        let request =
            format!("GET /x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        gateway.client().ask(request).status()
    };
    assert_eq!(status(&forged(400)), 401);
    is_refused(&mut caller, &ping_with("1", &forged(401)), REJECTED);
    is_refused(
        &mut caller,
        &ping_with("2", &staff::token("anna", 200)),
        REJECTED,
    );
    is_refused(
        &mut caller,
        &ping_with("3", &staff::token("berta", 600)),
        REJECTED,
    );
    assert_eq!(status(&forged(402)), 429);
    for at in 0..5 {
        is_refused(&mut caller, &ping_with("4", &forged(410 + at)), REJECTED);
    }
    // A good one is accepted all the same.
    caller.send(&ping_with("5", &staff::token("anna", 600)).to_string());
    pongs(&mut caller, "5");
}

#[test]
fn after_expiry_a_client_may_end_its_call_or_renew() {
    let world = World::new();
    let gateway = world.start("expiry_grace = \"600s\"");
    let mut caller = open(&gateway, &staff::token("anna", 5));
    let session = caller.create();
    let handle = caller.attach(session, "videoroom");
    eventually("expiry", || {
        caller.send(&ping("p").to_string());
        caller.next()["janus"] == "error"
    });
    is_refused(&mut caller, &ping("expired"), EXPIRED);
    is_refused(
        &mut caller,
        &json!({"janus": "create", "transaction": "c"}),
        EXPIRED,
    );
    let keepalive = json!({"janus": "keepalive", "transaction": "k", "session_id": session});
    assert_eq!(caller.ask(&keepalive)["janus"], "ack");
    assert_eq!(
        caller.request((session, handle), &json!({"request": "leave"}))["janus"],
        "ack"
    );
    assert_eq!(caller.next()["janus"], "event");
    assert_eq!(
        code(&caller.request((session, handle), &json!({"request": "list"}))),
        403
    );
    let hangup = json!({"janus": "hangup", "transaction": "h", "session_id": session,
        "handle_id": handle});
    assert_eq!(caller.ask(&hangup)["janus"], "success");
    // The expired token itself is no guess, and a newer one ends the grace period.
    caller.send(&ping_with("renewed", &staff::token("anna", 600)).to_string());
    pongs(&mut caller, "renewed");
    caller.attach(session, "echotest");
}

#[test]
fn leeway_counts_before_the_grace_and_keep_has_none() {
    let world = World::new();
    // Within the leeway of 30 seconds.
    let gateway = TestGateway::start(&world.config("", "expiry_grace = \"600s\""));
    open(&gateway, &staff::token("anna", -5)).is_alive();
    let gateway = world.start("on_expiry = \"keep\"");
    let mut caller = open(&gateway, &staff::token("anna", 5));
    let end = staff::now() + 5;
    eventually("expiry", || staff::now() > end);
    caller.is_alive();
}

#[test]
fn where_no_token_is_needed_one_in_a_message_is_taken_out_and_not_looked_at() {
    let world = World::new();
    let config = world
        .config("", "")
        .text()
        .replace("policy = \"staff\"", "policy = \"open\"");
    let gateway = TestGateway::start_text(&config);
    let mut caller = Caller::open(&gateway, "/ws", "");
    let token = staff::token("anna", 60);
    let (head, _) = token.rsplit_once('.').unwrap();
    for token in [&token, &format!("{head}.c2ln")] {
        caller.send(&ping_with("t", token).to_string());
        pongs(&mut caller, "t");
    }
    assert_eq!(world.transactions(), ["t", "t"]);
}

#[test]
fn a_websocket_renewed_by_a_message_is_renewed_by_the_cookie_after_it() {
    let world = World::new();
    let issuer = "leeway = \"0s\"\nsources = [\"header\", \"cookie:ianitor\"]";
    let gateway = TestGateway::start(&world.config(issuer, ""));
    let (first, second) = (staff::token("anna", 100), staff::token("anna", 200));
    let mut caller = open(&gateway, &first);
    caller.send(&ping_with("1", &second).to_string());
    pongs(&mut caller, "1");
    let renewed = |old: &str, seconds| {
        let new = staff::token("anna", seconds);
        let answer = gateway.client().ask(format!(
            "POST /.ianitor/renew HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
             Cookie: ianitor={old}\r\nAuthorization: Bearer {new}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(answer.status(), 200);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        body["renewed"].as_u64().unwrap()
    };
    assert_eq!(renewed(&first, 300), 0);
    assert_eq!(renewed(&second, 300), 1);
}

#[test]
fn a_stream_of_http_2_is_renewed_as_well() {
    let world = World::new();
    let gateway = world.start("expiry_grace = \"600s\"");
    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let first = staff::token("anna", 5);
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/ws")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "janus-protocol")
        .header("authorization", format!("Bearer {first}"))
        .extension(Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let (response, mut stream) = client.begin(request, false);
    let response = client.run(response).unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut ask = |message: &Value| -> Value {
        let frame = Frame::from_client(TEXT, message.to_string()).bytes();
        stream.send_data(Bytes::from(frame), false).unwrap();
        let frame = client.run(body.data()).unwrap().unwrap();
        let start = frame.iter().position(|byte| *byte == b'{').unwrap();
        serde_json::from_slice(&frame[start..]).unwrap()
    };
    eventually("expiry", || ask(&ping("p"))["janus"] != "pong");
    let second = staff::token("anna", 600);
    assert_eq!(ask(&ping_with("1", &second))["janus"], "pong");
    assert_eq!(ask(&ping("2"))["janus"], "pong");
    world.transactions();
}
