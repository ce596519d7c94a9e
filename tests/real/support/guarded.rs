//! A Janus behind a gateway that judges each message: routes for several roles, each with a policy
//! of its own.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::janus::{Janus, ROOM};
use super::talk::{Api, Talk, Way};
use super::{Folder, Gateway};

/// Its audit log, in the test's folder.
pub(crate) const AUDIT: &str = "audit.log";
pub(crate) const TOKEN_SECRET: &str = "what tokens of callers are signed with";

/// Roles of the API for clients, with their presets.
const ROLES: [(&str, &str); 3] = [
    ("callers", r#""janus-caller""#),
    ("moderators", r#""janus-caller", "janus-moderator""#),
    (
        "room-admins",
        r#""janus-caller", "janus-moderator", "janus-room-admin""#,
    ),
];

/// Roles of the admin API, each with one preset.
pub(crate) const ADMIN_ROLES: [&str; 5] =
    ["observe", "operate", "debug", "secrets", "message-plugin"];

/// The server with its gateway.
pub(crate) struct Guarded {
    pub(crate) gateway: Gateway,
    pub(crate) janus: Janus,
    pub(crate) folder: Folder,
}

impl Guarded {
    /// Starts both. Janus gets these variables of `scripts/janus.sh`; secrets among them go to the
    /// gateway as well.
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_with(name, variables, "")
    }

    /// The same with more tables.
    pub(crate) fn start_with(name: &str, variables: &[(&str, &str)], more: &str) -> Self {
        let folder = Folder::new(name);
        let janus = Janus::start(&folder, variables);
        let tables = tables(&folder, &janus, variables) + more;
        let log = format!("level = \"trace\"\naudit = {:?}", folder.join(AUDIT));
        let gateway = Gateway::start_with_log(&folder, &log, &tables);
        Self {
            gateway,
            janus,
            folder,
        }
    }

    /// A client with a token for the room of callers.
    #[track_caller]
    pub(crate) fn client(&self, way: Way, role: &str, subject: &str) -> Talk {
        let token = token(json!({"sub": subject, "room_ids": [ROOM]}));
        Talk::open(&self.gateway.dial(), way, Api::Janus, role, &token)
    }

    /// A client of the admin API.
    #[track_caller]
    pub(crate) fn admin(&self, way: Way, role: &str) -> Talk {
        let token = token(json!({"sub": "operator"}));
        Talk::open(&self.gateway.dial(), way, Api::Admin, role, &token)
    }
}

/// Upstreams, issuer, policies and routes.
pub(crate) fn tables(folder: &Folder, janus: &Janus, variables: &[(&str, &str)]) -> String {
    let file = |name: &str, secret: &str| folder.write(name, &format!("{secret}\n"));
    let mut secrets = String::new();
    for (variable, secret) in variables {
        let key = match *variable {
            "JANUS_API_SECRET" => "secret_file",
            "JANUS_TOKEN_AUTH_SECRET" => "token_auth_secret_file",
            _ => continue,
        };
        let file = file(key, secret);
        let _ = write!(secrets, ", {key} = \"{}\"", file.display());
    }
    let admin = file("admin_secret_file", super::janus::ADMIN_SECRET);
    let admin = format!(", secret_file = \"{}\"", admin.display());
    let mut text = String::from("[limits]\nrefusals_per_tunnel = \"10000/10s\"\n[upstreams]\n");
    for (name, port, protocol, secrets) in [
        ("janus", janus.rest, "janus", &secrets),
        ("janus-ws", janus.websocket, "janus", &secrets),
        ("admin", janus.admin, "janus-admin", &admin),
        ("admin-ws", janus.admin_websocket, "janus-admin", &admin),
    ] {
        let server = format!("http://127.0.0.1:{port}");
        let _ = writeln!(
            text,
            "{name} = {{ servers = [\"{server}\"], protocol = \"{protocol}\"{secrets} }}"
        );
    }
    let _ = writeln!(
        text,
        "[issuers.app]\nalgorithms = [\"HS256\"]\nsecret = \"{TOKEN_SECRET}\"\naudience = \"any\"\n\
         leeway = \"0s\"\nsources = [\"query:token\"]"
    );
    for (role, presets) in ROLES {
        let _ = writeln!(
            text,
            "[policies.{role}]\nissuers = [\"app\"]\nmessages = [{presets}]"
        );
        text.push_str(&routes(role, ["janus", "janus-ws"]));
    }
    // Without a token: a machine of the house.
    text.push_str("[policies.house]\nallow = [\"127.0.0.0/8\"]\nmessages = [\"janus-caller\"]\n");
    text.push_str(&routes("house", ["janus", "janus-ws"]));
    for role in ADMIN_ROLES {
        let _ = writeln!(
            text,
            "[policies.{role}]\nissuers = [\"app\"]\nmessages = [\"janus-admin-{role}\"]"
        );
        text.push_str(&routes(role, ["admin", "admin-ws"]));
    }
    text
}

/// Both ways to an API, under the name of a role.
fn routes(role: &str, upstreams: [&str; 2]) -> String {
    upstreams
        .map(|upstream| {
            format!(
                "[[routes]]\npath = \"/{role}/{upstream}\"\nstrip_prefix = \"/{role}\"\n\
                 upstream = \"{upstream}\"\npolicy = \"{role}\"\n"
            )
        })
        .concat()
}

/// The page of a call, on the host of the server.
pub(crate) fn pages() -> String {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real");
    [
        ("call.html", "call.html"),
        ("adapter.js", "node_modules/webrtc-adapter/out/adapter.js"),
        (
            "janus.js",
            "node_modules/janus-gateway/npm/dist/janus.es.js",
        ),
    ]
    .map(|(path, file)| {
        format!("[[routes]]\npath = \"/{path}\"\nfiles = \"{here}/{file}\"\npolicy = \"open\"\n")
    })
    .concat()
}

/// A token of the issuer, for ten minutes unless its claims say otherwise.
pub(crate) fn token(mut claims: Value) -> String {
    if claims["exp"].is_null() {
        claims["exp"] = (now() + 600).into();
    }
    let key = jsonwebtoken::EncodingKey::from_secret(TOKEN_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// In seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
