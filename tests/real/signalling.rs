//! What the rules let pass, and what it makes of a real Janus: the messages go through
//! `ianitor::signalling` and to Janus by curl. Janus' own lists say what has happened.

use std::time::Instant;

use ianitor::clock::UnixTime;
use ianitor::secret::Secret;
use ianitor::signalling::janus::{AdminApi, Api, Credentials, TokenSigner};
use ianitor::signalling::owners::{Limits, Owner, Owners};
use ianitor::signalling::rules::MessageRules;
use ianitor::signalling::{
    Backend, Context, Direction, Ids, Inspector, MessageToken, Protocol, Verdict, judge, presets,
};
use ianitor::token::claims::Claims;
use serde_json::{Value, json};

use crate::support::{Clients, Folder, Process, free_ports};

const ADMIN_SECRET: &str = "a secret of this test";

/// A Janus that wants to see a secret.
struct World {
    rest: u16,
    admin: u16,
    backend: Backend,
    _janus: Process,
    folder: Folder,
}

impl World {
    fn new(name: &str, variable: &str, secret: &str) -> Self {
        let folder = Folder::new(name);
        let [rest, websocket, admin, admin_websocket] = free_ports();
        let janus = Process::janus_with(
            &folder,
            [rest, websocket, admin, admin_websocket],
            |command| {
                command
                    .env("JANUS_ADMIN_SECRET", ADMIN_SECRET)
                    .env(variable, secret);
            },
        );
        Self {
            rest,
            admin,
            backend: Backend::new(Protocol::Janus, Owners::new(Limits::default())),
            _janus: janus,
            folder,
        }
    }

    fn post(&self, url: &str, body: &str) -> String {
        let ca = self.folder.join("no-ca");
        let clients = Clients { ca: &ca };
        let url = format!("http://127.0.0.1:{url}");
        clients.curl(&["--data-binary", body, &url]).body
    }

    /// Passes each document of a message on to Janus, and each answer back.
    fn send(&self, api: &mut impl Inspector, client: &Client, message: &Value) -> Vec<Value> {
        let message = message.to_string();
        let context = client.context(&self.backend);
        let verdicts: Vec<_> = judge(api, Direction::ToServer, &message, &context).collect();
        let mut answers = Vec::new();
        for verdict in verdicts {
            let answer = match verdict {
                Verdict::Forward(text) => {
                    let answer = self.post(&format!("{}/{}", client.port, client.path), &text);
                    let back = judge(api, Direction::ToClient, &answer, &context);
                    back.map(said).collect::<String>()
                }
                other => said(other),
            };
            assert!(!answer.contains("s3cret"), "{answer}");
            answers.push(serde_json::from_str(&answer).unwrap());
        }
        answers
    }

    /// The only answer.
    fn one(&self, api: &mut impl Inspector, client: &Client, message: Value) -> Value {
        let mut answers = self.send(api, client, &message);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    /// The sessions that Janus has.
    fn sessions(&self) -> Value {
        let client = Client::admin("janus-admin-observe", self.admin);
        let list = json!({"janus": "list_sessions", "transaction": "l",
            "admin_secret": ADMIN_SECRET});
        self.one(&mut AdminApi, &client, list)["sessions"].take()
    }
}

fn said(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Forward(text) => text.into_owned(),
        Verdict::Answer { text, .. } => text,
        Verdict::Close(why) => panic!("closed: {why}"),
    }
}

struct Client {
    rules: MessageRules,
    claims: Claims,
    owner: Owner,
    port: u16,
    path: &'static str,
}

impl Client {
    fn new(subject: &str, preset: &str, port: u16, path: &'static str) -> Self {
        let claims = br#"{"exp":4000000000,"room_ids":[1234]}"#;
        Self {
            rules: MessageRules::new(presets::find(preset).unwrap().rules()),
            claims: Claims::parse(claims).unwrap(),
            owner: Owner::of_subject("test", subject),
            port,
            path,
        }
    }

    fn admin(preset: &str, port: u16) -> Self {
        Self::new("operator", preset, port, "admin")
    }

    fn context<'c>(&'c self, backend: &'c Backend) -> Context<'c> {
        Context {
            backend,
            ids: Ids::default(),
            rules: Some(&self.rules),
            claims: Some(&self.claims),
            owner: self.owner,
            time: UnixTime::now(),
            now: Instant::now(),
            is_in_grace: false,
            token: MessageToken::Absent,
            observer: &(),
        }
    }
}

#[test]
fn a_client_without_secrets_has_a_call_on_a_janus_with_an_api_secret() {
    let world = World::new("api-secret", "JANUS_API_SECRET", "s3cret");
    let credentials = Credentials {
        secret: Some(Secret::new("s3cret".into())),
        signer: None,
    };
    calls_in_its_room(world, credentials);
}

#[test]
fn a_client_without_secrets_has_a_call_on_a_janus_with_signed_tokens() {
    let world = World::new("signed-tokens", "JANUS_TOKEN_AUTH_SECRET", "s3cret");
    let credentials = Credentials {
        secret: None,
        signer: Some(TokenSigner::new(&Secret::new("s3cret".into()))),
    };
    calls_in_its_room(world, credentials);
}

fn calls_in_its_room(mut world: World, credentials: Credentials) {
    world.backend.credentials = credentials;
    // Janus does want to see a secret.
    let create = json!({"janus": "create", "transaction": "c", "token": "mine"});
    let bare = world.post(&format!("{}/janus", world.rest), &create.to_string());
    assert!(bare.contains("403"), "{bare}");

    let alice = Client::new("alice", "janus-caller", world.rest, "janus");
    let bob = Client::new("bob", "janus-caller", world.rest, "janus");
    let api = || Api::new(7);
    let (mut hers, mut his) = (api(), api());
    let created = world.one(&mut hers, &alice, create);
    assert_eq!(created["transaction"], "c");
    let session = &created["data"]["id"];
    assert_eq!(world.sessions(), json!([session]));

    let attach = |plugin| {
        json!({"janus": "attach", "transaction": "a", "session_id": session,
            "plugin": plugin})
    };
    let attached = world.one(&mut hers, &alice, attach("janus.plugin.videoroom"));
    let handle = &attached["data"]["id"];
    let to_room = |body| {
        json!({"janus": "message", "transaction": "m", "session_id": session,
            "handle_id": handle, "body": body})
    };
    let in_room = json!({"request": "exists", "room": 1234});
    let answer = world.one(&mut hers, &alice, to_room(in_room.clone()));
    assert_eq!(answer["plugindata"]["data"]["exists"], true, "{answer}");
    let join = json!({"request": "JOIN", "ptype": "publisher", "room": 1234});
    assert_eq!(world.one(&mut hers, &alice, to_room(join))["janus"], "ack");
    for body in [
        json!({"request": "exists", "room": 4321}),
        json!({"request": "kick", "room": 1234, "id": 1}),
        json!({"request": "create", "room": 1234}),
        json!({"request": "configure", "record": true, "filename": "/tmp/x"}),
    ] {
        assert_eq!(
            world.one(&mut hers, &alice, to_room(body))["error"]["code"],
            403
        );
    }

    // Of Bob's messages none reaches the session, and Alice's goes on.
    for message in [
        to_room(in_room),
        attach("janus.plugin.echotest"),
        json!({"janus": "claim", "transaction": "x", "session_id": session}),
        json!({"janus": "destroy", "transaction": "x", "session_id": session}),
    ] {
        assert_eq!(world.one(&mut his, &bob, message)["error"]["code"], 458);
    }
    assert_eq!(world.sessions(), json!([session]));
    // On another connection she is the same.
    let destroy = json!({"janus": "destroy", "transaction": "d", "session_id": session});
    let destroyed = world.one(&mut api(), &alice, destroy);
    assert_eq!(destroyed["janus"], "success");
    assert_eq!(world.sessions(), json!([]));
    assert_eq!(world.backend.owners.sessions(), 0);
}

#[test]
fn textroom_takes_a_second_request_for_the_first() {
    let world = World::new("textroom", "JANUS_DEBUG_LEVEL", "4");
    let post = |body: Value| -> Value {
        let answer = world.post(&format!("{}/janus", world.rest), &body.to_string());
        serde_json::from_str(&answer).unwrap()
    };
    let session = post(json!({"janus": "create", "transaction": "c"}))["data"]["id"].take();
    let attach = json!({"janus": "attach", "transaction": "a", "session_id": session,
        "plugin": "janus.plugin.textroom"});
    let handle = post(attach)["data"]["id"].take();
    let answer = post(
        json!({"janus": "message", "transaction": "m", "session_id": session,
        "handle_id": handle, "body": {"request": "list", "textroom": "create", "room": 99}}),
    );
    // That is why a message with both is refused.
    assert_eq!(
        answer["plugindata"]["data"]["textroom"], "created",
        "{answer}"
    );
}
