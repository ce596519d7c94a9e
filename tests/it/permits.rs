//! Permission has an end: a tunnel is closed when its token, its policy or its issuer no longer
//! speaks for it.

use serde_json::json;

use crate::harness::token::{self, Keys, claims, hmac_without_leeway, issuer, now};
use crate::harness::websocket::{CLOSE, Frame, TEXT, handshake, switching};
use crate::harness::{Client, Config, TestGateway, Upstream, eventually};

/// Echoes frames until a close, which it answers.
fn echo() -> Upstream {
    Upstream::raw(|conn| {
        conn.head()?;
        conn.send(switching(""))?;
        loop {
            let frame = conn.wire.frame()?;
            let is_close = frame.opcode == CLOSE;
            conn.send(
                Frame {
                    mask: None,
                    ..frame
                }
                .bytes(),
            )?;
            if is_close {
                return Ok(());
            }
        }
    })
}

fn config(upstream: &Upstream, policy: &str) -> Config {
    let config = Config::new().upstream("app", &upstream.url()).route_with(
        "/ws",
        "app",
        "policy = \"callers\"",
    );
    config.table(&hmac_without_leeway()).table(&format!(
        "[policies.callers]\nissuers = [\"staff\"]\n{policy}"
    ))
}

fn try_open(gateway: &TestGateway, token: &str) -> Result<Client, u16> {
    let mut client = gateway.client();
    client.send(handshake(&format!("/ws?token={token}"), ""));
    match client.head().status() {
        101 => Ok(client),
        status => Err(status),
    }
}

#[track_caller]
fn open(gateway: &TestGateway, token: &str) -> Client {
    try_open(gateway, token).unwrap()
}

#[track_caller]
fn is_alive(client: &mut Client) {
    client.send(Frame::from_client(TEXT, "still there?").bytes());
    assert_eq!(
        client.wire.frame().unwrap(),
        Frame::from_server(TEXT, "still there?")
    );
}

#[track_caller]
fn is_closed_for(client: &mut Client, reason: &str) {
    assert_eq!(
        client.wire.frame().unwrap().close(),
        (1008, reason.to_owned())
    );
}

fn ending_in(seconds: u64) -> String {
    token::token(json!({ "exp": now() + seconds }))
}

#[test]
fn a_tunnel_ends_with_its_token() {
    let upstream = echo();
    let gateway = TestGateway::start(&config(&upstream, ""));
    let mut short = open(&gateway, &ending_in(2));
    let mut long = open(&gateway, &ending_in(60));
    is_alive(&mut short);
    is_closed_for(&mut short, "token expired");
    short.send(Frame::client_close(1008, "").bytes());
    let line = gateway.access.lines(1).remove(0);
    assert!(line.contains(" end=policy reason=token_expired "), "{line}");
    is_alive(&mut long);
}

#[test]
fn a_tunnel_may_outlive_its_token_if_the_policy_says_so() {
    let upstream = echo();
    let config = config(&upstream, "on_expiry = \"keep\"");
    let config = config.route_with("/soon", "app", "policy = \"soon\"");
    let config = config.table("[policies.soon]\nissuers = [\"staff\"]\nexpiry_grace = \"1s\"\n");
    let mut gateway = TestGateway::start(&config);
    let token = ending_in(2);
    let mut kept = open(&gateway, &token);
    let mut graced = gateway.client();
    graced.send(handshake(&format!("/soon?token={token}"), ""));
    assert_eq!(graced.head().status(), 101);
    // The second is what the first one's end is measured by.
    is_closed_for(&mut graced, "token expired");
    assert!(now() > token_end(&token));
    is_alive(&mut kept);
    // A reload asks what the policy says, and not whether the time is up.
    gateway.reload(&config);
    is_alive(&mut kept);
}

fn token_end(token: &str) -> u64 {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    serde_json::from_slice::<serde_json::Value>(&payload).unwrap()["exp"]
        .as_u64()
        .unwrap()
}

#[test]
fn the_leeway_counts_for_a_tunnel_as_it_does_for_a_request() {
    let upstream = echo();
    let config = |leeway: &str| {
        let text = config(&upstream, "").text();
        text.replace("leeway = \"0s\"", &format!("leeway = \"{leeway}\""))
    };
    let mut gateway = TestGateway::start_text(&config("1h"));
    let over = |seconds| token::token(json!({ "exp": now() - seconds }));
    let mut long = open(&gateway, &over(60));
    let (token, end) = (over(3595), now() + 5);
    let mut short = open(&gateway, &token);
    is_alive(&mut long);
    is_closed_for(&mut short, "token expired");
    assert!(now() >= end);
    assert_eq!(try_open(&gateway, &token).unwrap_err(), 401);
    is_alive(&mut long);
    // A reload that shortens it counts for both, too.
    gateway.reload_text(&config("30s"));
    is_closed_for(&mut long, "token expired");
    assert_eq!(try_open(&gateway, &over(60)).unwrap_err(), 401);
}

#[test]
fn a_reload_closes_what_the_new_policy_would_refuse() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&config(&upstream, ""));
    let mut ops = open(&gateway, &token::token(json!({ "role": "ops" })));
    let mut guest = open(&gateway, &token::token(json!({ "role": "guest" })));
    gateway.reload(&config(&upstream, "claims = { role = \"ops\" }"));
    is_closed_for(&mut guest, "no longer allowed");
    is_alive(&mut ops);
    // Another issuer of that name asks for more, and then there is none.
    let other = config(&upstream, "")
        .text()
        .replace("audience = [\"ianitor\"]", "audience = [\"other\"]");
    gateway.reload_text(&other);
    is_closed_for(&mut ops, "no longer allowed");
}

#[test]
fn a_reload_may_shorten_what_is_left() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&config(&upstream, "on_expiry = \"keep\""));
    let mut client = open(&gateway, &ending_in(2));
    gateway.reload(&config(&upstream, ""));
    is_closed_for(&mut client, "token expired");
}

#[test]
fn a_revoked_token_opens_nothing_and_closes_what_is_open() {
    let upstream = echo();
    let config = config(&upstream, "");
    let config = config
        .text()
        .replace("sources = [", "revoked_file = \"revoked\"\nsources = [");
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("revoked");
    std::fs::write(&list, "# nobody yet\n").unwrap();
    let config = config.replace("\"revoked\"", &format!("{list:?}"));
    let mut gateway = TestGateway::start_text(&config);
    let by_id = token::token(json!({ "jti": "7f3" }));
    let by_subject = token::token(json!({ "sub": "mallory" }));
    let mut one = open(&gateway, &by_id);
    let mut other = open(&gateway, &by_subject);
    let mut third = open(&gateway, &ending_in(60));
    std::fs::write(&list, "jti 7f3\nsub mallory\n").unwrap();
    gateway.follow_files();
    is_closed_for(&mut one, "token revoked");
    is_closed_for(&mut other, "token revoked");
    is_alive(&mut third);
    assert_eq!(try_open(&gateway, &by_id).unwrap_err(), 401);
    assert_eq!(try_open(&gateway, &by_subject).unwrap_err(), 401);
    // What cannot be read changes nothing: the list in force stays.
    std::fs::write(&list, "7f3\n").unwrap();
    gateway.follow_files();
    assert_eq!(try_open(&gateway, &by_id).unwrap_err(), 401);
    assert!(try_open(&gateway, &ending_in(60)).is_ok());
}

#[test]
fn what_a_key_signed_is_good_until_the_key_is_gone() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Keys::ec(256), Keys::ec(256));
    let config = Config::new().upstream("app", &upstream.url()).route_with(
        "/",
        "app",
        "policy = \"callers\"",
    );
    let config = config.table(&issuer(folder.path(), &["ES256"], old.pem()));
    let mut gateway =
        TestGateway::start(&config.table("[policies.callers]\nissuers = [\"staff\"]\n"));
    let sign = |keys: &Keys| keys.sign(jsonwebtoken::Algorithm::ES256, None, &claims(json!({})));
    let (by_old, by_new) = (sign(&old), sign(&new));
    let mut client = gateway.client();
    let mut ask = |token: &str| {
        client
            .ask(format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            ))
            .status()
    };
    assert_eq!((ask(&by_old), ask(&by_old), ask(&by_new)), (200, 200, 401));
    std::fs::write(folder.path().join("staff.key"), new.pem()).unwrap();
    gateway.follow_files();
    assert_eq!((ask(&by_old), ask(&by_new)), (401, 200));
    eventually("logged", || gateway.access.now().len() == 5);
}

#[test]
fn a_broken_file_keeps_no_other_from_being_taken_up() {
    let upstream = echo();
    let folder = tempfile::tempdir().unwrap();
    let (list, key) = (
        folder.path().join("revoked"),
        folder.path().join("staff.key"),
    );
    let keys = Keys::ec(256);
    std::fs::write(&list, "").unwrap();
    let staff = issuer(folder.path(), &["ES256"], keys.pem())
        + &format!("revoked_file = {list:?}\nsources = [\"query:token\"]\n");
    let config = Config::new().upstream("app", &upstream.url()).route_with(
        "/ws",
        "app",
        "policy = \"callers\"",
    );
    let mut gateway = TestGateway::start(
        &config
            .table(&staff)
            .table("[policies.callers]\nissuers = [\"staff\"]\n"),
    );
    let sign = |jti: &str| {
        keys.sign(
            jsonwebtoken::Algorithm::ES256,
            None,
            &claims(json!({ "jti": jti })),
        )
    };
    let (gone, good) = (sign("gone"), sign("good"));
    let mut open_socket = open(&gateway, &gone);
    // The key is damaged, and stays what it was; the revocation is in force all the same.
    std::fs::write(
        &key,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    std::fs::write(&list, "jti gone\n").unwrap();
    gateway.follow_files();
    is_closed_for(&mut open_socket, "token revoked");
    assert_eq!(try_open(&gateway, &gone).unwrap_err(), 401);
    assert!(try_open(&gateway, &good).is_ok());
    // And the other way round. What was opened by the key that is gone is closed.
    let mut by_older = open(&gateway, &good);
    let newer = Keys::ec(256);
    std::fs::write(&list, "gone\n").unwrap();
    std::fs::write(&key, newer.pem()).unwrap();
    gateway.follow_files();
    is_closed_for(&mut by_older, "no longer allowed");
    assert_eq!(try_open(&gateway, &good).unwrap_err(), 401);
    let by_newer = |jti: &str| {
        newer.sign(
            jsonwebtoken::Algorithm::ES256,
            None,
            &claims(json!({ "jti": jti })),
        )
    };
    assert_eq!(try_open(&gateway, &by_newer("gone")).unwrap_err(), 401);
    assert!(try_open(&gateway, &by_newer("good")).is_ok());
}
