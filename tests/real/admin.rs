//! A browser that may not see the admin API signs in, and Janus' own admin page works through the
//! gateway.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Folder, Gateway, Process, free_ports};

const ADMIN_SECRET: &str = "the admin secret of this test";
const TOKEN_SECRET: &str = "what the staff's tokens are signed by";

#[test]
fn a_browser_signs_in_and_janus_admin_page_lists_sessions() {
    let folder = Folder::new("admin");
    let ports = free_ports();
    let janus = Process::janus(&folder, ports, ADMIN_SECRET);
    let gateway = Gateway::start(&folder, "", &tables(ports[0], ports[2]));
    let session = create_session(&gateway);
    let ends = now() + 600;
    let given = json!({
        "token": token(ends), "ends": ends, "newer": token(ends + 600),
        "session": session, "secret": ADMIN_SECRET,
    });
    let clients = gateway.clients();
    let arguments = [
        "admin.js",
        &gateway.url(""),
        clients.ca.to_str().unwrap(),
        env!("CARGO_TARGET_TMPDIR"),
    ];
    clients.node_with(&given.to_string(), &arguments);

    // What it did is told, what it did it with is not.
    let said = gateway.process.said();
    for secret in ["token", "newer"].map(|name| given[name].as_str().unwrap()) {
        let signature = secret.rsplit('.').next().unwrap();
        assert!(!said.contains(signature), "a token in the log");
    }
    let refused = |reason: &str| {
        gateway
            .accesses()
            .iter()
            .filter(|line| line["reason"] == reason)
            .count()
    };
    assert_eq!(
        (refused("cross_site"), refused("token_malformed")),
        (1, 2),
        "{said}"
    );
    drop(janus);
}

/// The demo pages as the example serves them, and an admin API for staff from anywhere.
fn tables(rest: u16, admin: u16) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/janus-demos");
    format!(
        r#"
        [upstreams]
        janus = {{ servers = ["http://127.0.0.1:{rest}"], protocol = "janus" }}
        janus-admin = {{ servers = ["http://127.0.0.1:{admin}"], protocol = "janus-admin" }}
        [issuers.staff]
        algorithms = ["HS256"]
        secret = "{TOKEN_SECRET}"
        audience = ["ianitor"]
        [policies.operators]
        allow = ["192.0.2.1"]
        issuers = ["staff"]
        claims = {{ role = ["ops"] }}
        satisfy = "any"
        [[routes]]
        path = "/"
        files = "/usr/share/janus/demos"
        policy = "open"
        [[routes]]
        path = "/adminconfig.js"
        files = "{}"
        policy = "open"
        [[routes]]
        path = "/janus"
        upstream = "janus"
        policy = "open"
        [[routes]]
        path = "/admin"
        upstream = "janus-admin"
        policy = "operators"
        after_sign_in = "/admin.html"
        "#,
        example.join("adminconfig.js").display()
    )
}

fn create_session(gateway: &Gateway) -> Value {
    let create = json!({ "janus": "create", "transaction": "t" }).to_string();
    let answer = gateway
        .clients()
        .curl(&["--data-binary", &create, &gateway.url("/janus")]);
    answer.json()["data"]["id"].clone()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn token(ends: u64) -> String {
    let claims = json!({ "sub": "anna", "aud": "ianitor", "role": "ops", "exp": ends });
    jsonwebtoken::encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(TOKEN_SECRET.as_bytes()),
    )
    .unwrap()
}
