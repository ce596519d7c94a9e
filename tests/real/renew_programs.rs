//! Programs whose connections outlive several tokens: kurento-client in front of what stands in for
//! a Kurento, janode in front of a Janus.

use serde_json::{Value, json};

use crate::support::guarded::{Guarded, now, token};
use crate::support::janus::ROOM;
use crate::support::{Folder, Gateway, Kurento};

/// When the tokens expire, in seconds after the start.
const ENDS: [u64; 4] = [15, 22, 29, 600];
/// How long before that a token is replaced by the next.
const EARLY: u64 = 5;
const SECRET: &str = "a secret of thirty-two bytes, ok";

/// What a script is given: the first token, the others with the times to renew, and how long it
/// has to last.
fn given(uri: &str, gateway: &Gateway, mint: impl Fn(Value) -> String) -> Value {
    let began = now();
    // Each program has a subject of its own: of two that had the same token, a request would renew
    // the WebSockets of both.
    let ending = |end: u64| mint(json!({ "sub": uri, "exp": began + end }));
    let renewals: Vec<_> = ENDS
        .windows(2)
        .map(|ends| json!({ "at": began + ends[0] - EARLY, "token": ending(ends[1]) }))
        .collect();
    json!({
        "uri": uri, "renew": gateway.url("/.ianitor/renew"), "token": ending(ENDS[0]),
        "renewals": renewals, "until": began + ENDS[2] + 2,
    })
}

#[test]
fn kurento_client_lives_through_its_tokens_by_requests_and_by_messages() {
    let folder = Folder::new("renew-kurento");
    let kurentos = ["request", "message"].map(|way| {
        let folder = Folder::new(&format!("renew-kurento-{way}"));
        (way, Kurento::stand_in(&folder), folder)
    });
    let upstreams = kurentos.each_ref().map(|(name, kurento, _)| {
        let port = kurento.cable.port;
        format!(
            "[upstreams.{name}]\nservers = [\"http://127.0.0.1:{port}\"]\nprotocol = \"kurento\"\n\
             [[routes]]\npath = \"/{name}\"\nupstream = \"{name}\"\npolicy = \"apps\"\n\
             rewrite = \"/kurento\"\n"
        )
    });
    let tables = format!(
        "[issuers.app]\nalgorithms = [\"HS256\"]\nsecret = \"{SECRET}\"\naudience = \"any\"\n\
         leeway = \"0s\"\nsources = [\"header\"]\n\
         [policies.apps]\nissuers = [\"app\"]\nmessages = [\"kurento-app\"]\n\
         renew_in_band = true\n{}",
        upstreams.concat()
    );
    let gateway = Gateway::start(&folder, "", &tables);
    let mint = |claims: Value| {
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    std::thread::scope(|scope| {
        for (way, kurento, _) in &kurentos {
            let (gateway, mint) = (&gateway, &mint);
            scope.spawn(move || {
                let uri = gateway.websocket_url(&format!("/{way}"));
                let mut given = given(&uri, gateway, mint);
                (given["way"], given["control"]) = ((*way).into(), kurento.control().into());
                let clients = gateway.clients();
                clients.node_with(&given.to_string(), &["renew-kurento.js"]);
                let said = kurento.said();
                assert!(!said.contains("ianitor.renew"), "{said}");
            });
        }
    });
    // Each of them, and its second connection.
    gateway.counts("ianitor_tunnels_opened_total", &[], 4);
}

#[test]
fn janode_lives_through_its_tokens_by_requests() {
    let guarded = Guarded::start("renew-janode", &[("JANUS_API_SECRET", "s3cret")]);
    guarded.janus.add_rooms(&[ROOM]);
    let gateway = &guarded.gateway;
    let mint = |mut claims: Value| {
        claims["room_ids"] = json!([ROOM]);
        token(claims)
    };
    let uri = gateway.websocket_url("/callers/janus-ws");
    let given = given(&uri, gateway, mint).to_string();
    let said = gateway.clients().node_with(&given, &["renew-janode.js"]);
    assert!(said.contains("renewed 3 times"), "{said}");
    gateway.counts("ianitor_tunnels_opened_total", &[], 1);
}
