//! Clients that know no secret, in front of a Janus that wants to see one. What reaches them, and
//! what the gateway writes, is searched for it.

use std::fs;

use serde_json::{Value, json};

use crate::support::guarded::{AUDIT, Guarded, now, pages, token};
use crate::support::ianitor;
use crate::support::janus::{ADMIN_SECRET, ROOM};
use crate::support::talk::{Api, Talk, Way};

const API_SECRET: &str = "the-api-secret-of-janus";
const TOKEN_SECRET: &str = "what-signs-the-tokens-of-janus";

/// What has reached the clients.
struct World {
    guarded: Guarded,
    seen: String,
}

impl World {
    fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let guarded = Guarded::start_with(name, variables, &pages());
        guarded.janus.add_rooms(&[ROOM]);
        // Who comes past the gateway has to show one.
        let bare = json!({"janus": "create", "transaction": "c"});
        assert_eq!(guarded.janus.api(&bare)["error"]["code"], 403);
        let bare = json!({"janus": "create", "transaction": "c", "apisecret": "a guess"});
        assert_eq!(guarded.janus.api(&bare)["error"]["code"], 403);
        let seen = String::new();
        Self { guarded, seen }
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        let token = token(json!({"sub": "ada", "room_ids": [ROOM]}));
        let port = self.guarded.gateway.https;
        format!("{scheme}://localhost:{port}{path}?token={token}")
    }

    /// janode with its VideoRoom, and as an administrator.
    fn janode(&mut self) {
        for (script, path) in [
            ("janode.js", "/callers/janus-ws"),
            ("janode-admin.js", "/observe/admin-ws"),
        ] {
            let arguments = [
                "--import",
                "./show-frames.js",
                script,
                &self.url("wss", path),
            ];
            let said = self.guarded.gateway.clients().node(&arguments);
            assert!(said.contains("frame: {"), "{said}");
            self.seen += &said;
        }
    }

    /// A call of janus.js.
    fn call(&mut self, server: &str) {
        let gateway = &self.guarded.gateway;
        let given = json!({"server": server, "keepalive": 500, "until": now(), "renewals": []});
        let (page, ca) = (gateway.url("/call.html"), gateway.ca.to_str().unwrap());
        let clients = gateway.clients();
        let said = clients.node_with(&given.to_string(), &["call.js", &page, ca]);
        assert!(said.contains("\"success\""), "{said}");
        self.seen += &said;
    }

    /// Clients that send secrets of their own, which count for nothing.
    fn guesses(&mut self) {
        for way in [Way::Http1, Way::Http2] {
            let mut caller = self.guarded.client(way, "callers", "ada");
            let own = json!({"apisecret": "a guess", "admin_secret": "another"});
            let with = |mut message: Value| {
                for (name, value) in own.as_object().unwrap() {
                    message[name] = value.clone();
                }
                message
            };
            let created = caller.ask(with(json!({"janus": "create"})));
            assert_eq!(created["janus"], "success", "{created}");
            let session = &created["data"]["id"];
            let destroy = with(json!({"janus": "destroy", "session_id": session}));
            assert_eq!(caller.ask(destroy)["janus"], "success");
            for message in [json!({"janus": "info"}), json!({"janus": "nothing"})] {
                caller.ask(with(message));
            }
            self.seen += &caller.seen;
            let mut admin = self.guarded.admin(way, "observe");
            let listed = admin.ask(with(json!({"janus": "list_sessions"})));
            assert_eq!(listed["janus"], "success", "{listed}");
            self.seen += &admin.seen;
        }
        // Without a token, and with nothing in the way of the secret.
        let dial = self.guarded.gateway.dial();
        let mut house = Talk::open(&dial, Way::Rest, Api::Janus, "house", "");
        house.create();
        let handle = house.attach("echotest");
        let answer = house.request(handle, json!({"audio": true}));
        assert_eq!(answer["janus"], "ack", "{answer}");
        assert_eq!(house.event()["result"], "ok");
        self.seen += &house.seen;
    }

    /// Neither clients nor logs have seen a secret, nor a token that the gateway has signed.
    fn nothing_is_known(&self) {
        let folder = &self.guarded.folder;
        let check = ianitor(folder, &["check"]);
        assert!(check.status.success(), "{check:?}");
        let mut texts = vec![
            ("clients", self.seen.clone()),
            ("log", self.guarded.gateway.process.said()),
            ("check", format!("{check:?}")),
            ("status", self.guarded.gateway.asks("/metrics").1),
        ];
        let audit = fs::read_to_string(folder.join(AUDIT)).unwrap();
        assert!(audit.contains("list_sessions"), "{audit}");
        texts.push(("audit", audit));
        for (which, text) in &texts {
            let signed = [",janus,janus.plugin", ",janus:"];
            for secret in [API_SECRET, TOKEN_SECRET, ADMIN_SECRET]
                .iter()
                .chain(&signed)
            {
                let at = text.find(secret);
                assert!(
                    at.is_none(),
                    "{secret} in {which}: {}",
                    &text[at.unwrap()..]
                );
            }
        }
        let log = &texts[1].1;
        assert!(log.lines().count() > 10, "{log}");
    }
}

#[test]
fn clients_without_secrets_use_a_janus_with_an_api_secret() {
    let mut world = World::start("api-secret", &[("JANUS_API_SECRET", API_SECRET)]);
    world.janode();
    world.call(&world.url("wss", "/callers/janus-ws"));
    world.guesses();
    world.call(&world.guarded.gateway.url("/house/janus"));
    world.nothing_is_known();
}

#[test]
fn clients_without_secrets_use_a_janus_with_signed_tokens() {
    let mut world = World::start("token-secret", &[("JANUS_TOKEN_AUTH_SECRET", TOKEN_SECRET)]);
    world.janode();
    world.call(&world.url("wss", "/callers/janus-ws"));
    world.guesses();
    world.call(&world.guarded.gateway.url("/house/janus"));
    world.nothing_is_known();
}

#[test]
fn clients_without_secrets_use_a_janus_with_both() {
    let both = [
        ("JANUS_API_SECRET", API_SECRET),
        ("JANUS_TOKEN_AUTH_SECRET", TOKEN_SECRET),
    ];
    let mut world = World::start("both-secrets", &both);
    world.janode();
    world.guesses();
    world.nothing_is_known();
}
