//! Programs renew what they have opened: by a request with both tokens, without a cookie or a page.

mod in_band;

use std::io::Write as _;

use http::HeaderValue;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::h1::Answer;
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, Then, Upstream, eventually, h2, staff};

const OTHER: &str = "another secret of thirty-two bytes";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// Routes whose tokens stand in the query: no issuer takes a cookie.
fn config(upstream: &Upstream, issuer: &str) -> Config {
    let sources = "leeway = \"0s\"\nsources = [\"query:token\"]\n";
    Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(&format!("{sources}{issuer}")))
        .table(&staff::issuer_named("other", OTHER, sources))
        .table(
            "[policies.staff]\nissuers = [\"staff\", \"other\"]\n\
             [policies.ops]\nissuers = [\"staff\"]\nclaims = { role = [\"ops\"] }",
        )
        .route_with("/ws", "app", "policy = \"staff\"")
        .route_with("/ops", "app", "policy = \"ops\"")
}

fn open(gateway: &TestGateway, path: &str, token: &str) -> Client {
    let mut client = gateway.client();
    client.send(handshake(&format!("{path}?token={token}"), ""));
    assert_eq!(client.head().status(), 101);
    client
}

#[track_caller]
fn expires(client: &mut Client) {
    let closed = (1008, "token expired".to_owned());
    assert_eq!(client.wire.frame().unwrap().close(), closed);
}

fn request(headers: &str, body: &str) -> String {
    format!(
        "POST /.ianitor/renew HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n\
         {body}",
        body.len()
    )
}

fn ask(gateway: &TestGateway, headers: &str, body: &str) -> Answer {
    gateway.client().ask(request(headers, body))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// As curl sends it.
fn renew(gateway: &TestGateway, old: &str, new: &str) -> Answer {
    let headers = format!("{FORM}{}", bearer(new));
    ask(gateway, &headers, &format!("old={old}"))
}

#[track_caller]
fn has_renewed(answer: &Answer, count: u64, expires: i64) {
    assert_eq!(answer.status(), 200, "{answer:?}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body, json!({ "renewed": count, "expires": expires }));
    assert_eq!(answer.head.get("content-type"), Some("application/json"));
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    assert_eq!(answer.head.all("set-cookie"), [""; 0]);
}

fn ending(subject: &str, end: i64) -> String {
    staff::mint(staff::SECRET, &json!({ "sub": subject, "exp": end }))
}

#[test]
fn what_a_program_has_opened_continues_with_the_newer_token_on_all_workers() {
    let (upstream, now) = (echo(), staff::now());
    let gateway = TestGateway::start(&config(&upstream, ""));
    let tokens = [6, 600, 700, 800, 900].map(|seconds| ending("program", now + seconds));
    let mut sockets: Vec<Client> = (0..12).map(|_| open(&gateway, "/ws", &tokens[0])).collect();
    let mut witness = open(&gateway, "/ws", &ending("another", now + 6));
    has_renewed(&renew(&gateway, &tokens[0], &tokens[1]), 12, now + 600);
    expires(&mut witness);
    sockets.iter_mut().for_each(is_alive);
    // By JSON, from a page of another site, and with the newer token in the body.
    let body = json!({ "old": tokens[1] }).to_string();
    let answer = ask(&gateway, &format!("{JSON}{}", bearer(&tokens[2])), &body);
    has_renewed(&answer, 12, now + 700);
    let headers =
        format!("Origin: https://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\n{FORM}");
    let body = format!("old={}&token={}", tokens[2], tokens[3]);
    has_renewed(&ask(&gateway, &headers, &body), 12, now + 800);
    // The first token, which has expired, names no socket any more.
    has_renewed(&renew(&gateway, &tokens[0], &tokens[4]), 0, now + 900);
    sockets.iter_mut().for_each(is_alive);
}

#[test]
fn a_program_renews_over_http2() {
    let (upstream, now) = (echo(), staff::now());
    let gateway = TestGateway::start(&config(&upstream, ""));
    let (old, new) = (ending("program", now + 60), ending("program", now + 600));
    let _socket = open(&gateway, "/ws", &old);
    let mut request = h2::post("/.ianitor/renew");
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("authorization", format!("Bearer {new}").parse().unwrap());
    let body = json!({ "old": old }).to_string();
    let answer = h2::Client::open(&gateway.dial(), 1 << 16).send(request, body.as_bytes());
    let renewed: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(renewed, json!({ "renewed": 1, "expires": now + 600 }));
}

#[test]
fn a_long_response_continues_with_the_newer_token() {
    let upstream = Upstream::http(|_, conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        while conn.send("8\r\ndata: 1\n\r\n").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(Then::Close)
    });
    let gateway = TestGateway::start(&config(&upstream, ""));
    let now = staff::now();
    let follow = |subject: &str| {
        let mut client = gateway.client();
        let token = ending(subject, now + 6);
        client.send(format!(
            "GET /ws?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        assert_eq!(client.head().status(), 200);
        (client, token)
    };
    let ((mut client, old), (mut witness, _)) = (follow("program"), follow("another"));
    // It is no WebSocket, and these are counted.
    has_renewed(
        &renew(&gateway, &old, &ending("program", now + 600)),
        0,
        now + 600,
    );
    eventually("the witness is cut", || witness.wire.exactly(13).is_err());
    client.wire.exactly(13 * 20).unwrap();
}

#[test]
fn a_websocket_whose_policy_rejects_the_newer_token_keeps_its_end() {
    let (upstream, now) = (echo(), staff::now());
    let gateway = TestGateway::start(&config(&upstream, ""));
    let claims = json!({ "sub": "program", "exp": now + 6, "role": "ops" });
    let old = staff::mint(staff::SECRET, &claims);
    let (mut staff, mut ops) = (open(&gateway, "/ws", &old), open(&gateway, "/ops", &old));
    has_renewed(
        &renew(&gateway, &old, &ending("program", now + 600)),
        1,
        now + 600,
    );
    expires(&mut ops);
    is_alive(&mut staff);
}

#[test]
fn only_a_later_token_of_the_same_issuer_and_subject_continues_the_old_one() {
    let mut revoked = NamedTempFile::new().unwrap();
    writeln!(revoked, "jti gone").unwrap();
    let (upstream, now) = (echo(), staff::now());
    let lines = format!("revoked_file = {:?}\n", revoked.path());
    let gateway = TestGateway::start(&config(&upstream, &lines));
    let (old, good) = (ending("program", now + 300), ending("program", now + 600));
    let mut socket = open(&gateway, "/ws", &old);
    let with = |secret: &str, claims: Value| staff::mint(secret, &claims);
    let nameless = |seconds| with(staff::SECRET, json!({ "exp": now + seconds }));
    let gone = with(
        staff::SECRET,
        json!({ "sub": "program", "exp": now + 60, "jti": "gone" }),
    );
    let of_other = with(OTHER, json!({ "sub": "program", "exp": now + 60 }));
    let claims = json!({ "iss": "another", "sub": "program", "exp": now + 600 });
    let of_iss = with(staff::SECRET, claims);
    let context = json!({ "user": { "id": "another" } });
    let claims = json!({ "sub": "program", "context": context, "exp": now + 600 });
    let of_user = with(staff::SECRET, claims);
    let (signed, _) = old.rsplit_once('.').unwrap();
    for (old, new, status, reason) in [
        (
            &*old,
            &*ending("another", now + 600),
            403,
            "renewal_subject",
        ),
        (&*ending("another", now + 60), &good, 403, "renewal_subject"),
        (&nameless(60), &nameless(600), 403, "renewal_subject"),
        (&old, &of_iss, 403, "renewal_subject"),
        (&of_iss, &good, 403, "renewal_subject"),
        (&old, &of_user, 403, "renewal_subject"),
        (&of_user, &good, 403, "renewal_subject"),
        (&of_other, &good, 401, "token_signature"),
        (&good, &old, 409, "renewal_not_later"),
        (&old, &old, 409, "renewal_not_later"),
        (&old, &ending("program", now - 60), 401, "token_expired"),
        (&old, "rubbish", 401, "token_malformed"),
        ("rubbish", &good, 401, "token_malformed"),
        (&format!("{signed}.c2ln"), &good, 401, "token_signature"),
        (&gone, &good, 401, "token_revoked"),
        ("", &good, 401, "no_token"),
    ] {
        gateway.access.clear();
        let answer = renew(&gateway, old, new);
        assert_eq!(answer.status(), status, "{reason}");
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(&format!("reason={reason} ")), "{line}");
    }
    has_renewed(&renew(&gateway, &old, &good), 1, now + 600);
    is_alive(&mut socket);
}

#[test]
fn a_request_that_can_be_read_in_two_ways_renews_nothing() {
    let (upstream, now) = (echo(), staff::now());
    let sources = "leeway = \"0s\"\nsources = [\"cookie:ianitor\", \"query:token\"]";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(sources))
        .table("[policies.staff]\nissuers = [\"staff\"]")
        .route_with("/ws", "app", "policy = \"staff\"");
    let gateway = TestGateway::start(&config);
    let [old, other, new] = [60, 90, 600].map(|seconds| ending("program", now + seconds));
    let mut socket = open(&gateway, "/ws", &old);
    let (own, header) = ("Origin: https://localhost\r\n", bearer(&new));
    let cookie = |token: &str| format!("Cookie: ianitor={token}\r\n");
    let of_old = format!("old={old}");
    #[rustfmt::skip]
    let cases = [
        // Two old tokens, or a cookie that a page of another site may have had sent.
        (format!("{own}{}{header}{FORM}", cookie(&other)), of_old.clone(), 400, "two_tokens"),
        (format!("{}{header}{FORM}", cookie(&old)), of_old.clone(), 403, "cross_site"),
        (format!("Cookie: ianitor={old}; ianitor={other}\r\n{own}{header}{FORM}"), of_old.clone(),
         400, "two_tokens"),
        (format!("{header}{FORM}"), format!("old={old}&old={other}"), 400, "form"),
        (format!("{header}{JSON}"), format!("{{\"old\":\"{old}\",\"old\":\"{other}\"}}"), 400,
         "form"),
        (format!("{header}{JSON}"), format!("{{\"old\":[\"{old}\"]}}"), 400, "form"),
        (format!("{header}{header}{FORM}"), of_old.clone(), 400, "two_tokens"),
        (format!("{header}{FORM}"), format!("{of_old}&token={other}"), 400, "two_tokens"),
        (FORM.to_owned(), of_old.clone(), 400, "form"),
        (header.clone(), of_old.clone(), 415, "media_type"),
        // What a page asks for its cookies.
        (format!("{header}{FORM}"), format!("{of_old}&to=/ws"), 400, "form"),
    ];
    for (headers, body, status, reason) in cases {
        gateway.access.clear();
        let answer = ask(&gateway, &headers, &body);
        assert_eq!(answer.status(), status, "{headers}{body}");
        assert_eq!(answer.head.all("set-cookie"), [""; 0], "{headers}{body}");
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(&format!("reason={reason} ")), "{line}");
    }
    // A page of the gateway's own host may name the token of its cookie, and gets a newer cookie.
    let answer = ask(
        &gateway,
        &format!("{own}{}{header}{FORM}", cookie(&old)),
        &of_old,
    );
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(answer.head.all("set-cookie")[0].starts_with(&format!("ianitor={new};")));
    is_alive(&mut socket);
}

#[test]
fn old_tokens_that_are_guessed_count_as_bad_tokens_of_the_client() {
    let (upstream, now) = (echo(), staff::now());
    let config = config(&upstream, "").limits("bad_tokens_per_client = \"2/h\"\nexempt = []");
    let gateway = TestGateway::start(&config);
    let new = ending("program", now + 600);
    let guess = |at| {
        let wrong = "not the secret of thirty-two bytes";
        staff::mint(wrong, &json!({ "sub": "program", "exp": now + at }))
    };
    let statuses = [1, 2, 3].map(|at| renew(&gateway, &guess(at), &new).status());
    assert_eq!(statuses, [401, 401, 429]);
    // A good one is not held back.
    has_renewed(
        &renew(&gateway, &ending("program", now + 60), &new),
        0,
        now + 600,
    );
}

#[test]
fn no_token_of_a_renewal_is_logged() {
    let (upstream, now) = (echo(), staff::now());
    let gateway = GatewayProcess::start_with_rust_log("trace", &config(&upstream, ""));
    let renew = |old: &str, new: &str| {
        let headers = format!("{FORM}{}", bearer(new));
        let mut client = gateway.dial().h1();
        client
            .ask(request(&headers, &format!("old={old}")))
            .status()
    };
    let (old, new) = (ending("program", now + 60), ending("program", now + 600));
    let forged = format!("{}.Zm9yZ2VkLXNpZ25hdHVyZQ", old.rsplit_once('.').unwrap().0);
    assert_eq!(renew(&old, &new), 200);
    assert_eq!(renew(&forged, &new), 401);
    assert_eq!(renew(&new, &old), 409);
    eventually("the requests are logged", || gateway.accesses().len() == 3);
    let logged = [gateway.events(), gateway.accesses()].concat().join("\n");
    let parts = [&old, &new, &forged]
        .into_iter()
        .flat_map(|token| token.split('.').skip(1));
    for part in parts {
        assert!(!logged.contains(part), "{part} is in\n{logged}");
    }
}
