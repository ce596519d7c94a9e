//! By a message on the WebSocket itself, which never reaches Kurento.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{OTHER, ask, bearer, ending, has_renewed, renew};
use crate::harness::issuer::Signer;
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{CLOSE, Frame, TEXT, handshake, switching};
use crate::harness::{Client, Config, TestGateway, Upstream, eventually, staff};
use crate::message_tokens::Keys;

/// What answers each request as Kurento does a ping, and how it is guarded.
struct World {
    upstream: Upstream,
    received: Arc<Mutex<Vec<Value>>>,
}

impl World {
    fn new() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        let upstream = Upstream::raw(move |conn| {
            conn.head()?;
            conn.send(switching(""))?;
            loop {
                let frame = conn.wire.frame()?;
                if frame.opcode == CLOSE {
                    return Ok(());
                }
                let request: Value = serde_json::from_slice(&frame.payload).unwrap();
                let answer = json!({ "id": request["id"], "jsonrpc": "2.0",
                    "result": { "value": "pong" } });
                shared.lock().unwrap().push(request);
                conn.send(Frame::from_server(TEXT, answer.to_string()).bytes())?;
            }
        });
        Self { upstream, received }
    }

    fn config(&self, policy: &str) -> Config {
        let issuers = format!(
            "{}\n{}",
            staff::issuer("leeway = \"0s\""),
            staff::issuer_named("other", OTHER, "leeway = \"0s\"")
        );
        self.with(
            &issuers,
            &format!("issuers = [\"staff\", \"other\"]\n{policy}"),
        )
    }

    fn with(&self, issuers: &str, policy: &str) -> Config {
        Config::new()
            .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2")
            .table(issuers)
            .table(&format!(
                "[policies.apps]\nmessages = [\"kurento-app\"]\n{policy}"
            ))
            .table(&format!(
                "[upstreams.kms]\nservers = [\"{}\"]\nprotocol = \"kurento\"",
                self.upstream.url()
            ))
            .route_with("/kurento", "kms", "policy = \"apps\"")
    }

    fn start(&self, policy: &str) -> TestGateway {
        TestGateway::start(&self.config(&format!("renew_in_band = true\n{policy}")))
    }

    /// The ids of the pings that have come; nothing else may have.
    fn pings(&self) -> Vec<Value> {
        let received = std::mem::take(&mut *self.received.lock().unwrap());
        let id = |request: &Value| {
            assert_eq!(request["method"], "ping", "{request}");
            request["id"].clone()
        };
        received.iter().map(id).collect()
    }
}

/// A program's WebSocket.
struct Program(Client);

impl Program {
    #[track_caller]
    fn open(gateway: &TestGateway, token: &str) -> Self {
        Self::open_on(gateway.client(), &bearer(token))
    }

    #[track_caller]
    fn open_on(mut client: Client, headers: &str) -> Self {
        client.send(handshake("/kurento", headers));
        assert_eq!(client.head().status(), 101);
        Self(client)
    }

    fn send(&mut self, message: &Value) {
        let frame = Frame::from_client(TEXT, message.to_string());
        self.0.send(frame.bytes());
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        let frame = self.0.wire.frame().unwrap();
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).unwrap()
    }

    #[track_caller]
    fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.next()
    }

    #[track_caller]
    fn pongs(&mut self, id: &str) {
        let pong = json!({ "id": id, "jsonrpc": "2.0", "result": { "value": "pong" } });
        assert_eq!(self.next(), pong);
    }

    #[track_caller]
    fn is_alive(&mut self) {
        self.send(&ping("alive"));
        self.pongs("alive");
    }

    #[track_caller]
    fn renews(&mut self, token: &str, expires: i64) {
        let answer = self.ask(&renewal(token));
        let expected = json!({ "id": 5, "jsonrpc": "2.0", "result": { "expires": expires } });
        assert_eq!(answer, expected);
    }

    #[track_caller]
    fn does_not_renew(&mut self, token: &str, message: &str) {
        let answer = self.ask(&renewal(token));
        let error = json!({ "code": -32000, "message": message,
            "data": { "type": "NOT_RENEWED" } });
        assert_eq!(answer, json!({ "id": 5, "jsonrpc": "2.0", "error": error }));
    }
}

fn ping(id: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping", "params": {} })
}

fn renewal(token: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 5, "method": "ianitor.renew", "params": { "token": token } })
}

#[test]
fn a_websocket_continues_with_the_token_of_a_message_that_kurento_never_sees() {
    let (world, now) = (World::new(), staff::now());
    let gateway = world.start("");
    let mut witness = Program::open(&gateway, &ending("another", now + 6));
    let mut program = Program::open(&gateway, &ending("program", now + 6));
    program.renews(&ending("program", now + 7), now + 7);
    let third = ending("program", now + 600);
    program.renews(&third, now + 600);
    let closed = (1008, "token expired".to_owned());
    assert_eq!(witness.0.wire.frame().unwrap().close(), closed);
    program.send(&ping("1"));
    program.pongs("1");
    // Sent once more, because the answer was lost.
    program.renews(&third, now + 600);
    // Without an id there is no answer.
    let mut notification = renewal(&ending("program", now + 700));
    notification.as_object_mut().unwrap().remove("id");
    program.send(&notification);
    program.renews(&ending("program", now + 700), now + 700);
    program.send(&ping("2"));
    program.pongs("2");
    assert_eq!(world.pings(), ["1", "2"]);
    let (_, metrics) = gateway.status("/metrics");
    let renewals = "ianitor_message_token_renewals_total{upstream=\"kms\"} 3\n";
    assert!(metrics.contains(renewals), "{metrics}");
}

#[test]
fn only_a_later_token_of_the_same_issuer_and_subject_renews_a_websocket() {
    let (world, now) = (World::new(), staff::now());
    let mut revoked = NamedTempFile::new().unwrap();
    writeln!(revoked, "jti gone").unwrap();
    let issuer = format!("leeway = \"0s\"\nrevoked_file = {:?}", revoked.path());
    let issuers = format!(
        "{}\n{}",
        staff::issuer(&issuer),
        staff::issuer_named("other", OTHER, "")
    );
    let policy = "issuers = [\"staff\", \"other\"]\nclaims = { role = [\"app\"] }\n\
                  renew_in_band = true";
    let gateway = TestGateway::start(&world.with(&issuers, policy));
    let with = |secret: &str, more: Value| {
        let mut claims = json!({ "sub": "program", "exp": now + 600, "role": "app" });
        claims
            .as_object_mut()
            .unwrap()
            .append(&mut more.as_object().unwrap().clone());
        staff::mint(secret, &claims)
    };
    let token = |more| with(staff::SECRET, more);
    let own = token(json!({ "exp": now + 300 }));
    let mut program = Program::open(&gateway, &own);
    let (head, _) = own.rsplit_once('.').unwrap();
    for (token, message) in [
        (
            token(json!({ "sub": "another" })),
            "The token has another subject",
        ),
        (with(OTHER, json!({})), "The token is from another issuer"),
        (
            token(json!({ "iss": "another" })),
            "The token is from another issuer",
        ),
        (
            token(json!({ "context": { "user": { "id": "another" } } })),
            "The token has another subject",
        ),
        (
            token(json!({ "exp": now + 200 })),
            "The token does not expire later",
        ),
        (token(json!({ "jti": "gone" })), "The token is not accepted"),
        (
            token(json!({ "role": "guest" })),
            "The token is not accepted",
        ),
        (format!("{head}.c2ln"), "The token is not accepted"),
        ("rubbish".to_owned(), "The token is not accepted"),
        (String::new(), "The token is not accepted"),
    ] {
        program.does_not_renew(&token, message);
        program.is_alive();
    }
    program.renews(&own, now + 300);
    let good = token(json!({}));
    program.renews(&good, now + 600);
    // The one that it was opened with.
    program.does_not_renew(&own, "The token does not expire later");
    program.renews(&good, now + 600);
    assert!(world.pings().iter().all(|id| id == "alive"));
}

#[test]
fn while_a_key_is_fetched_what_is_behind_a_renewal_waits() {
    let world = World::new();
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let keys = Keys::new(&one, &two);
    let issuer = format!(
        "[issuers.staff]\nalgorithms = [\"ES256\"]\naudience = \"ianitor\"\n\
         jwks_url = \"{}/jwks.json\"",
        keys.server.url()
    );
    let config = world.with(&issuer, "issuers = [\"staff\"]\nrenew_in_band = true");
    let gateway = GatewayProcess::start(&config);
    let token = one.token_for(100);
    let mut program = Program::open_on(gateway.dial().h1(), &bearer(&token));
    let (release, fetches) = (keys.hold(), keys.server.requests().len());
    program.send(&ping("1"));
    program.send(&renewal(&two.token_for(200)));
    program.send(&ping("2"));
    program.pongs("1");
    keys.is_asked(fetches);
    assert_eq!(world.pings(), ["1"]);
    drop(release);
    let answer = program.next();
    assert!(answer["result"]["expires"].is_i64(), "{answer}");
    program.pongs("2");
    assert_eq!(world.pings(), ["2"]);
}

#[test]
fn tokens_that_are_guessed_in_renewals_count_as_bad_tokens() {
    let (world, now) = (World::new(), staff::now());
    let config = world
        .config("renew_in_band = true")
        .limits("bad_tokens_per_client = \"2/h\"\nexempt = []");
    let gateway = TestGateway::start(&config);
    let mut program = Program::open(&gateway, &ending("program", now + 300));
    let guess = |at| {
        let wrong = "not the secret of thirty-two bytes";
        staff::mint(wrong, &json!({ "sub": "program", "exp": now + 400 + at }))
    };
    program.does_not_renew(&guess(1), "The token is not accepted");
    program.does_not_renew(
        &ending("another", now + 400),
        "The token has another subject",
    );
    program.does_not_renew(&guess(2), "Too many bad tokens");
    // A good one is not held back.
    program.renews(&ending("program", now + 600), now + 600);
}

#[test]
fn after_expiry_a_renewal_passes() {
    let (world, now) = (World::new(), staff::now());
    let gateway = world.start("expiry_grace = \"600s\"");
    let mut program = Program::open(&gateway, &ending("program", now + 5));
    let create = json!({ "jsonrpc": "2.0", "id": 1, "method": "create",
        "params": { "type": "MediaPipeline" } });
    eventually("expiry", || staff::now() > now + 6);
    let answer = program.ask(&create);
    assert_eq!(answer["error"]["message"], "The token has expired");
    // Later than the one in force, but over.
    program.does_not_renew(&ending("program", now + 6), "The token has expired");
    program.renews(&ending("program", now + 600), now + 600);
    assert_eq!(program.ask(&create)["result"], json!({ "value": "pong" }));
}

#[test]
fn a_program_that_its_address_admits_needs_no_renewal() {
    let (world, now) = (World::new(), staff::now());
    let policy = "allow = [\"127.0.0.1\"]\nsatisfy = \"any\"";
    let gateway = world.start(policy);
    let mut program = Program::open_on(gateway.client(), "");
    let answer = program.ask(&renewal(&ending("program", now + 600)));
    assert_eq!(answer["result"], json!({ "expires": null }));
    assert!(world.pings().is_empty());
}

#[test]
fn without_the_key_the_method_is_unknown_until_a_reload_adds_it() {
    let (world, now) = (World::new(), staff::now());
    let mut gateway = TestGateway::start(&world.config(""));
    let mut program = Program::open(&gateway, &ending("program", now + 300));
    let renewal = renewal(&ending("program", now + 600));
    let answer = program.ask(&renewal);
    assert_eq!(
        answer["error"]["data"]["type"], "METHOD_NOT_FOUND",
        "{answer}"
    );
    gateway.reload(&world.config("renew_in_band = true"));
    let answer = program.ask(&renewal);
    assert_eq!(answer["result"]["expires"], now + 600, "{answer}");
    assert!(world.pings().is_empty());
}

#[test]
fn a_renewal_in_a_batch_or_a_transaction_is_refused() {
    let (world, now) = (World::new(), staff::now());
    let gateway = world.start("");
    let mut program = Program::open(&gateway, &ending("program", now + 300));
    let renewal = renewal(&ending("program", now + 600));
    let answer = program.ask(&json!([renewal]));
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    let mut operation = renewal;
    operation["id"] = json!(0);
    let transaction = json!({ "jsonrpc": "2.0", "id": 6, "method": "transaction",
        "params": { "operations": [operation] } });
    let answer = program.ask(&transaction);
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(6), &json!(-32601))
    );
    assert!(world.pings().is_empty());
}

#[test]
fn both_ways_of_renewing_take_turns() {
    let (world, now) = (World::new(), staff::now());
    let gateway = world.start("");
    let tokens = [60, 100, 200, 300, 400].map(|seconds| ending("program", now + seconds));
    let mut program = Program::open(&gateway, &tokens[0]);
    program.renews(&tokens[1], now + 100);
    has_renewed(&renew(&gateway, &tokens[1], &tokens[2]), 1, now + 200);
    program.renews(&tokens[2], now + 200);
    program.does_not_renew(&tokens[1], "The token does not expire later");
    program.renews(&tokens[3], now + 300);
    // An older one names no WebSocket.
    has_renewed(&renew(&gateway, &tokens[2], &tokens[4]), 0, now + 400);
    assert_eq!(ask(&gateway, "", "").status(), 401);
    program.is_alive();
}

#[test]
fn no_token_of_a_message_is_logged() {
    let (world, now) = (World::new(), staff::now());
    let audit = NamedTempFile::new().unwrap();
    let log = format!("audit = {:?}", audit.path());
    let config = world.config("renew_in_band = true").log(&log);
    let gateway = GatewayProcess::start_with_rust_log("trace", &config);
    let own = ending("program", now + 300);
    let mut program = Program::open_on(gateway.dial().h1(), &bearer(&own));
    let (good, another) = (ending("program", now + 600), ending("another", now + 700));
    program.renews(&good, now + 600);
    program.does_not_renew(&another, "The token has another subject");
    program.0.send(Frame::client_close(1000, "").bytes());
    eventually("it is logged", || gateway.accesses().len() == 1);
    let audited = std::fs::read_to_string(audit.path()).unwrap();
    assert!(audited.contains("\"verb\":\"ianitor.renew\""), "{audited}");
    assert!(audited.contains("\"reason\":\"bad_token\""), "{audited}");
    let logged = [gateway.events(), gateway.accesses()].concat().join("\n") + &audited;
    for part in [&own, &good, &another]
        .into_iter()
        .flat_map(|token| token.split('.').skip(1))
    {
        assert!(!logged.contains(part), "{part} is in\n{logged}");
    }
}
