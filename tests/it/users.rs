//! The log says who a request was from, in one schema for everything.

use serde_json::{Value, json};

use crate::harness::process::GatewayProcess;
use crate::harness::staff::{self, SECRET};
use crate::harness::websocket::{handshake, switching};
use crate::harness::{Config, TestGateway, Upstream, eventually};

fn upstream() -> Upstream {
    Upstream::raw(|conn| {
        let head = conn.head()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        if head.get("upgrade").is_some() {
            conn.send(switching(""))?;
            return conn.wait_for_end();
        }
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    })
}

fn config(upstream: &Upstream) -> Config {
    Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table("[policies.staff]\nissuers = [\"staff\"]\nclaims = { role = \"ops\" }")
        .table("[policies.here]\nallow = [\"127.0.0.1\"]\nissuers = [\"staff\"]\nsatisfy = \"any\"")
        .route("/open", "app")
        .route_with("/here", "app", "policy = \"here\"")
        .route_with("/staff", "app", "policy = \"staff\"")
}

fn token(subject: &str, role: &str) -> String {
    let claims = json!({ "sub": subject, "role": role, "exp": staff::now() + 600 });
    staff::mint(SECRET, &claims)
}

fn get(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[test]
fn a_line_names_the_subject_of_a_token_with_a_good_signature() {
    let upstream = upstream();
    let gateway = TestGateway::start(&config(&upstream));
    let stranger = staff::mint(
        "another secret of thirty-two bytes",
        &json!({ "sub": "eve", "role": "ops", "exp": staff::now() + 600 }),
    );
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("token", &*token("anna", "ops")), ("to", "/staff")])
        .finish();
    let sign_in = format!(
        "POST /.ianitor/sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let tunnel = handshake(
        "/staff/ws",
        &format!("Authorization: Bearer {}\r\n", token("anna", "ops")),
    );
    let steering = token("a\" user=\"root\r\n\u{1b}[31m\u{202e}", "ops");
    let long = "x".repeat(5000);
    for (request, status, user) in [
        (
            get("/staff", &token("anna", "ops")),
            200,
            Some("staff:anna"),
        ),
        // A token that was verified before.
        (
            get("/staff", &token("anna", "ops")),
            200,
            Some("staff:anna"),
        ),
        (
            get("/staff", &token("carla", "guest")),
            403,
            Some("staff:carla"),
        ),
        (tunnel, 101, Some("staff:anna")),
        (sign_in, 303, Some("staff:anna")),
        (
            get("/staff", &steering),
            200,
            Some(r#"staff:a\" user=\"root\\r\\n\\u{1b}[31m\\u{202e}"#),
        ),
        (
            get("/staff", &token(&long, "ops")),
            200,
            Some(&format!("staff:{}…", &long[..506])),
        ),
        (get("/staff", &stranger), 401, None),
        (get("/open", &token("anna", "ops")), 200, None),
        (get("/here", &token("anna", "ops")), 200, None),
    ] {
        gateway.access.clear();
        let mut client = gateway.client();
        client.send(&request);
        assert_eq!(client.head().status(), status, "{user:?}");
        drop(client);
        let line = gateway.access.lines(1).remove(0);
        match user {
            Some(user) => assert!(line.contains(&format!(" user=\"{user}\" in=")), "{line}"),
            None => assert!(!line.contains(" user="), "{line}"),
        }
    }
}

#[test]
fn events_and_accesses_have_one_schema() {
    let upstream = upstream();
    let config = config(&upstream).log("format = \"json\"");
    let gateway = GatewayProcess::spawn(&config);
    let address = || {
        gateway.events().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["listener"] == "https").then(|| line["address"].as_str().unwrap().to_owned())
        })
    };
    eventually("it listens", || address().is_some());
    let mut client = gateway.dial_at(address().unwrap().parse().unwrap()).h1();
    client.send(get("/staff", &token("anna", "ops")));
    assert_eq!(client.head().status(), 200);
    drop(client);
    eventually("an access line", || !gateway.accesses().is_empty());
    let parsed = |lines: Vec<String>| -> Vec<Value> {
        let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    };
    let (events, accesses) = (parsed(gateway.events()), parsed(gateway.accesses()));
    assert_eq!(accesses[0]["user"], "staff:anna");
    for (lines, kind) in [(events, "event"), (accesses, "request")] {
        for line in lines {
            let time = line["time"].as_str().unwrap();
            assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
            assert_eq!(line["kind"], kind, "{line}");
            let level = line["level"].as_str().unwrap();
            assert!(matches!(level, "INFO" | "WARN"), "{line}");
        }
    }
}
