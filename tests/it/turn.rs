//! TURN credentials: who gets one, what is in it, and what Janus is never told.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::h1::Answer;
use crate::harness::h2;
use crate::harness::process::GatewayProcess;
use crate::harness::{Config, TestGateway, eventually};

const SECRET: &str = "the secret of coturn and the gateway";
const SIGNING: &str = "the secret of the one who signs tokens";
const KEY: &str = "any key&1";
const URIS: [&str; 5] = [
    "stun:localhost:3478",
    "turn:localhost:3478?transport=udp",
    "turns:192.0.2.1:5349?transport=tcp",
    "turn:nowhere.invalid:3478",
    "turn:[::1]:3478",
];
/// What of them Janus can be given.
const FOR_JANUS: [&str; 2] = [URIS[1], URIS[2]];

/// A gateway with one route, `/turn`, for tokens and for two API keys.
struct World {
    gateway: TestGateway,
    keys: PathBuf,
    _folder: TempDir,
}

fn config(keys: &std::path::Path, uris: &[&str], route: &str) -> Config {
    Config::new().table(&format!(
        "[issuers.app]\nalgorithms = [\"HS256\"]\nsecret = \"{SIGNING}\"\naudience = \"any\"\n\
         sources = [\"header\", \"query:token\"]\n\
         [policies.callers]\nissuers = [\"app\"]\n\
         [turn.coturn]\nsecret = \"{SECRET}\"\nuris = {uris:?}\nttl = \"10m\"\n\
         api_keys_file = {keys:?}\n\
         [[routes]]\npath = \"/turn\"\nturn = \"coturn\"\n{route}"
    ))
}

impl World {
    fn start() -> Self {
        Self::with(&URIS, "policy = \"callers\"")
    }

    fn with(uris: &[&str], route: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        std::fs::write(&keys, format!("# of Janus\n\nan older key\n  {KEY}\n")).unwrap();
        let gateway = TestGateway::start(&config(&keys, uris, route));
        Self {
            gateway,
            keys,
            _folder: folder,
        }
    }

    #[track_caller]
    fn get(&self, target: &str) -> Answer {
        self.gateway.client().get(target)
    }

    /// What Janus asks, with the key as it stands in a query.
    #[track_caller]
    fn as_janus(&self, key: &str) -> Answer {
        self.get(&format!(
            "/turn?service=turn&api={key}&key={key}&username=2006891190800311"
        ))
    }

    #[track_caller]
    fn as_browser(&self, token: &str) -> Answer {
        self.get(&format!("/turn?token={token}"))
    }

    #[track_caller]
    fn post(&self, query: &str, kind: &str, body: &str) -> Answer {
        self.gateway.client().ask(format!(
            "POST /turn{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A token of the issuer that expires in this many seconds.
fn token(seconds: i64, subject: &str) -> String {
    let claims = json!({ "sub": subject, "exp": now().saturating_add_signed(seconds) });
    jsonwebtoken::encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SIGNING.as_bytes()),
    )
    .unwrap()
}

/// A key as Janus writes it into a query.
const KEY_IN_QUERY: &str = "any%20key%261";

/// A good credential's subject and lifetime in seconds.
#[track_caller]
fn credential(answer: &Answer, uris: &[&str]) -> (String, u64) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.get("content-type"), Some("application/json"));
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let (username, password) = (
        body["username"].as_str().unwrap(),
        body["password"].as_str().unwrap(),
    );
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    assert_eq!(
        password,
        STANDARD.encode(hmac::sign(&key, username.as_bytes()))
    );
    let server = json!({ "urls": uris, "username": username, "credential": password });
    assert_eq!(
        (&body["uris"], &body["iceServers"]),
        (&json!(uris), &json!([server]))
    );
    let (expiry, subject) = username.split_once(':').unwrap();
    let ttl = body["ttl"].as_u64().unwrap();
    let left = expiry.parse::<u64>().unwrap() - now();
    assert!(
        (ttl.saturating_sub(30)..=ttl).contains(&left),
        "{left} of {ttl}"
    );
    (subject.to_owned(), ttl)
}

/// Refused, with nothing in the body that Janus could take for a credential: it does not look at
/// the status.
#[track_caller]
fn refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status, "{}", answer.text());
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    for word in ["username", "password", "credential", "turn:", KEY] {
        assert!(!answer.text().contains(word), "{}", answer.text());
    }
}

#[test]
fn a_browser_gets_both_shapes_in_one_object() {
    let world = World::start();
    let (subject, ttl) = credential(&world.as_browser(&token(3600, "alice@example.com")), &URIS);
    assert_eq!((subject.as_str(), ttl), ("alice@example.com", 600));
    let target = format!("/turn?token={}", token(3600, "a b\"c"));
    let posted = world.gateway.client().post(&target, b"");
    assert_eq!(credential(&posted, &URIS).0, "a_b_c");
    let answer = world.gateway.dial().h2().get(&target);
    assert_eq!(
        (
            answer.status,
            answer.headers["cache-control"].to_str().unwrap()
        ),
        (200, "no-store")
    );
}

#[test]
fn a_credential_ends_with_the_token_it_was_given_for() {
    let world = World::start();
    for (seconds, most) in [(3600, 600), (300, 300), (60, 60)] {
        let (_, ttl) = credential(&world.as_browser(&token(seconds, "alice")), &URIS);
        assert!(
            (most - 30..=most).contains(&ttl),
            "{ttl} for a token of {seconds} s"
        );
    }
    // Its leeway still lets it in elsewhere.
    refused(&world.as_browser(&token(-1, "alice")), 401);
    refused(&world.as_browser(&token(-60, "alice")), 401);
    refused(&world.get("/turn"), 401);
}

#[test]
fn an_address_is_let_in_as_client() {
    let world = World::with(&URIS, "policy = \"open\"");
    assert_eq!(
        credential(&world.get("/turn"), &URIS),
        ("client".to_owned(), 600)
    );
}

#[test]
fn janus_gets_what_does_not_end_it() {
    let world = World::start();
    let (subject, ttl) = credential(&world.as_janus(KEY_IN_QUERY), &FOR_JANUS);
    assert_eq!((subject.as_str(), ttl), ("2006891190800311", 600));
    // Browsers can do something with the rest.
    credential(&world.as_browser(&token(3600, "alice")), &URIS);
}

#[test]
fn without_a_uri_that_is_safe_janus_gets_no_credential() {
    let world = World::with(
        &["turn:nowhere.invalid", "turn:[::1]"],
        "policy = \"callers\"",
    );
    refused(&world.as_janus(KEY_IN_QUERY), 503);
    credential(
        &world.as_browser(&token(3600, "alice")),
        &["turn:nowhere.invalid:3478", "turn:[::1]:3478"],
    );
    // Of two connections, whose lines come in either order.
    let lines = world.gateway.access.lines(2);
    assert!(
        lines.iter().any(|line| line.contains("reason=turn_no_uri")),
        "{lines:?}"
    );
}

#[test]
fn the_name_that_janus_brings_was_chosen_by_a_stranger() {
    let world = World::start();
    let ask = |name: &str| world.get(&format!("/turn?key=an+older+key&username={name}"));
    for (name, want) in [
        ("alice", "alice"),
        ("%0d%0aX%3a%20y", "__X:_y"),
        ("%22%2c%22ttl%22%3a9", "___ttl_:9"),
        ("%ff", "_"),
        ("", "janus"),
        (&"x".repeat(4000), &"x".repeat(128)),
    ] {
        assert_eq!(credential(&ask(name), &FOR_JANUS).0, want, "{name}");
    }
    assert_eq!(
        credential(&world.get("/turn?api=an+older+key"), &FOR_JANUS).0,
        "janus"
    );
}

#[test]
fn a_wrong_key_is_refused_whatever_else_is_right() {
    let world = World::start();
    let good = token(3600, "alice");
    for query in [
        "api=wrong&key=wrong".to_owned(),
        format!("api={KEY_IN_QUERY}&key=wrong"),
        format!("api=wrong&key={KEY_IN_QUERY}"),
        format!("api={KEY_IN_QUERY}&key=an%20older%20key"),
        format!("key={KEY_IN_QUERY}&key=wrong"),
        format!("key=&api={KEY_IN_QUERY}"),
        "key=".to_owned(),
        "key=%23%20of%20Janus".to_owned(),
        format!("key=wrong&token={good}"),
    ] {
        refused(&world.get(&format!("/turn?service=turn&{query}")), 403);
    }
    let lines = world.gateway.access.lines(9);
    assert!(
        lines.iter().all(|line| line.contains("reason=api_key")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .all(|line| !line.contains("wrong") && !line.contains("any%20")),
        "{lines:?}"
    );
}

#[test]
fn janus_may_post_what_it_says() {
    let world = World::start();
    let form = format!("service=turn&api={KEY_IN_QUERY}&key={KEY_IN_QUERY}&username=7");
    let kind = "application/x-www-form-urlencoded";
    // As Janus does: the same in both.
    let both = world.post(&format!("?{form}"), kind, &form);
    assert_eq!(credential(&both, &FOR_JANUS).0, "7");
    let body_alone = world.post(
        "",
        "Application/X-WWW-Form-URLEncoded; charset=utf-8",
        &form,
    );
    assert_eq!(credential(&body_alone, &FOR_JANUS).0, "7");
    let query_alone = world.post(&format!("?{form}"), kind, "");
    assert_eq!(credential(&query_alone, &FOR_JANUS).0, "7");

    refused(&world.post(&format!("?{form}"), kind, "key=wrong"), 403);
    refused(&world.post("?key=wrong", kind, &form), 403);
    refused(&world.post("", "application/json", &form), 401);
    refused(&world.post("", kind, "a=b"), 401);
    let token = token(3600, "alice");
    assert_eq!(
        credential(&world.post(&format!("?token={token}"), kind, "a=b"), &URIS).0,
        "alice"
    );
    let mut request = h2::post("/turn");
    request
        .headers_mut()
        .insert("content-type", kind.parse().unwrap());
    assert_eq!(
        world
            .gateway
            .dial()
            .h2()
            .send(request, form.as_bytes())
            .status,
        200
    );
}

#[test]
fn a_form_is_small_and_comes_in_time() {
    let world = World::start();
    let kind = "application/x-www-form-urlencoded";
    refused(
        &world.post(&format!("?key={KEY_IN_QUERY}"), kind, &"x".repeat(8193)),
        413,
    );
    let mut client = world.gateway.client();
    let head = format!("POST /turn HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    client.send(format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}1\r\nx\r\n"
    ));
    refused(&client.answer(), 413);
    let mut client = world.gateway.client();
    client.send(format!("{head}Content-Length: 1000\r\n\r\nkey="));
    // Each byte comes in time, and all of them would not.
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(500));
        client.send("x");
    }
    refused(&client.answer(), 408);
}

#[test]
fn other_services_and_methods_are_not_served() {
    let world = World::with(&URIS, "policy = \"open\"");
    refused(
        &world.get(&format!("/turn?service=stun&key={KEY_IN_QUERY}")),
        400,
    );
    refused(&world.get("/turn?service=turn&service=x"), 400);
    refused(&world.get("/turn?service="), 400);
    credential(&world.get("/turn?service=turn"), &URIS);
    for method in ["PUT", "DELETE", "PATCH", "PROPFIND"] {
        let answer = world.gateway.client().ask(format!(
            "{method} /turn HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        refused(&answer, 405);
        assert_eq!(answer.head.get("allow"), Some("GET, HEAD, POST, OPTIONS"));
    }
    let options = world
        .gateway
        .client()
        .ask("OPTIONS /turn HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(
        (options.status(), options.head.get("allow")),
        (204, Some("GET, HEAD, POST, OPTIONS"))
    );
}

#[test]
fn head_is_get_without_a_body() {
    let world = World::with(&URIS, "policy = \"open\"");
    let length = world.get("/turn").body.len().to_string();
    let mut client = world.gateway.client();
    client.send("HEAD /turn HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.head();
    assert_eq!(
        (head.status(), head.get("content-length")),
        (200, Some(length.as_str()))
    );
    assert_eq!(head.get("cache-control"), Some("no-store"));
    // The next answer follows at once.
    credential(&client.get("/turn"), &URIS);
    let mut request = h2::get("/turn");
    *request.method_mut() = http::Method::HEAD;
    let answer = world.gateway.dial().h2().send(request, b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-length"].to_str().unwrap(), length);
}

#[test]
fn pages_of_listed_origins_may_ask() {
    let route = "policy = \"callers\"\ncors = { origins = [\"https://app.example\"] }";
    let world = World::with(&URIS, route);
    let preflight = world.gateway.client().ask(
        "OPTIONS /turn HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
         Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n\
         \r\n",
    );
    assert_eq!(preflight.status(), 204);
    assert_eq!(
        preflight.head.get("access-control-allow-origin"),
        Some("https://app.example")
    );
    let ask = |origin: &str| {
        let token = token(3600, "alice");
        let head = format!("GET /turn HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n");
        world
            .gateway
            .client()
            .ask(format!("{head}Authorization: Bearer {token}\r\n\r\n"))
    };
    let answer = ask("https://app.example");
    credential(&answer, &URIS);
    assert_eq!(
        answer.head.get("access-control-allow-origin"),
        Some("https://app.example")
    );
    // Which its browser then keeps to itself.
    let other = ask("https://evil.example");
    assert_eq!(other.head.get("access-control-allow-origin"), None);
}

#[test]
fn new_keys_are_taken_up_from_disk() {
    let mut world = World::start();
    credential(&world.as_janus(KEY_IN_QUERY), &FOR_JANUS);
    std::fs::write(&world.keys, "the new key\n").unwrap();
    world.gateway.follow_files();
    eventually("the new key", || {
        world.as_janus("the%20new%20key").status() == 200
    });
    refused(&world.as_janus(KEY_IN_QUERY), 403);
    // A file that cannot be used changes nothing.
    std::fs::write(&world.keys, "# none\n").unwrap();
    world.gateway.follow_files();
    credential(&world.as_janus("the%20new%20key"), &FOR_JANUS);
}

#[test]
fn of_two_secrets_the_first_signs() {
    let folder = tempfile::tempdir().unwrap();
    let [new, old] = [("new", SECRET), ("old", "what it was before")].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path
    });
    let gateway = TestGateway::start(&Config::new().table(&format!(
        "[turn.coturn]\nsecret_file = [{new:?}, {old:?}]\nuris = [\"turn:192.0.2.1\"]\n\
         [[routes]]\npath = \"/turn\"\nturn = \"coturn\"\npolicy = \"open\""
    )));
    // Without keys in the configuration, one in the request is nothing.
    credential(
        &gateway.client().get("/turn?api=x&key=x"),
        &["turn:192.0.2.1:3478"],
    );
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("secret", "a secret that is long enough\n");
    write("empty", "\n");
    write("comments", "# nothing\n");
    write("long", &format!("ok\n{}\n", "x".repeat(200)));
    for (secret, keys, want) in [
        ("none", "long", "turn.coturn.secret_file: "),
        ("empty", "long", "empty is empty"),
        ("secret", "none", "turn.coturn.api_keys_file: "),
        ("secret", "empty", "empty has no key"),
        ("secret", "comments", "comments has no key"),
        ("secret", "long", "long:2 is a key of 200 bytes"),
    ] {
        let text = Config::new().table(&format!(
            "[turn.coturn]\nsecret_file = \"{secret}\"\napi_keys_file = \"{keys}\"\n\
             uris = [\"turn:192.0.2.1\"]\n\
             [[routes]]\npath = \"/turn\"\nturn = \"coturn\"\npolicy = \"open\""
        ));
        let config = ianitor::config::parse(&folder.path().join("gateway.toml"), &text.text())
            .unwrap()
            .config;
        let error = ianitor::gateway::Gateway::bind(config).unwrap_err();
        assert!(
            error.is_config() && error.to_string().contains(want),
            "{error}"
        );
    }
}

#[test]
fn guessing_a_key_is_guessing() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, KEY).unwrap();
    let limits = "bad_tokens_per_client = \"3/h\"\nexempt = []";
    let gateway = TestGateway::start(&config(&keys, &URIS, "policy = \"callers\"").limits(limits));
    let ask = |key: &str| {
        gateway
            .client()
            .get(&format!("/turn?service=turn&api={key}&key={key}"))
    };
    credential(&ask(KEY_IN_QUERY), &FOR_JANUS);
    for at in 0..2 {
        refused(&ask(&format!("wrong{at}")), 403);
    }
    let form = "api=wrong&key=wrong";
    let posted = gateway.client().ask(format!(
        "POST /turn HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
         application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    ));
    refused(&posted, 403);
    // Also the right one, which is so short that it could be found by trying: it would stand out.
    for key in ["wrong", KEY_IN_QUERY] {
        let answer = ask(key);
        refused(&answer, 429);
        assert!(answer.head.get("retry-after").is_some());
    }
    let lines = gateway.access.lines(6);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("reason=bad_tokens"))
            .count(),
        2,
        "{lines:#?}"
    );
}

#[test]
fn a_short_key_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "a key of sixteen\n# short\nshort key\n").unwrap();
    let gateway = GatewayProcess::start(&config(&keys, &URIS, "policy = \"callers\""));
    let warning = gateway.event("is a key of 9 bytes");
    assert!(
        warning.contains("api_keys_file: ") && warning.contains("keys:3 is a key"),
        "{warning}"
    );
    assert!(!warning.contains("short key"), "{warning}");
    assert_eq!(
        gateway
            .events()
            .iter()
            .filter(|line| line.contains("is a key of"))
            .count(),
        1
    );
}
