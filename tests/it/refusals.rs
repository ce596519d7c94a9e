//! A policy's refusal is told in the handshake, in the words of the one who asks, and without its
//! reason.

use serde_json::Value;

use crate::harness::h1::Answer;
use crate::harness::websocket::handshake;
use crate::harness::{Config, TestGateway, Upstream, eventually, h2, staff};

const NAVIGATES: &str = "Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\n";

fn world() -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let policies = "[policies.staff]\nissuers = [\"staff\"]\nclaims = { role = [\"ops\"] }\n\
                    [policies.nobody]\nallow = [\"192.0.2.1\"]";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table(policies)
        .route_with(
            "/staff",
            "app",
            "policy = \"staff\"\ncors = { origins = [\"https://a.example\"] }",
        )
        .route_with(
            "/nobody",
            "app",
            "policy = \"nobody\"\nsecurity_headers = true",
        );
    (upstream, TestGateway::start(&config))
}

fn get(gateway: &TestGateway, target: &str, headers: &str) -> Answer {
    gateway.client().ask(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    ))
}

#[test]
fn a_program_gets_a_problem() {
    let (upstream, gateway) = world();
    let bearer = |token: String| format!("Authorization: Bearer {token}\r\n");
    let good_but = bearer(staff::token("anna", 60));
    for (target, headers, status, title, challenge) in [
        (
            "/staff",
            "",
            401,
            "Unauthorized",
            Some("Bearer realm=\"ianitor\""),
        ),
        (
            "/staff",
            &bearer("x".into()),
            401,
            "Unauthorized",
            Some("Bearer realm=\"ianitor\", error=\"invalid_token\""),
        ),
        (
            "/staff",
            &good_but,
            403,
            "Forbidden",
            Some("Bearer realm=\"ianitor\", error=\"insufficient_scope\""),
        ),
        (
            "/staff",
            "Cookie: ianitor=a; ianitor=b\r\n",
            400,
            "Bad Request",
            Some("Bearer realm=\"ianitor\", error=\"invalid_request\""),
        ),
        ("/nobody", "", 403, "Forbidden", None),
    ] {
        let answer = get(&gateway, target, headers);
        assert_eq!(answer.status(), status, "{target} {headers}");
        assert_eq!(
            answer.head.get("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(
            answer.head.get("www-authenticate"),
            challenge,
            "{target} {headers}"
        );
        assert_eq!(answer.head.get("cache-control"), Some("no-store"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let request = body["request"].as_str().unwrap();
        eventually("the same id in the log", || {
            gateway
                .access
                .now()
                .iter()
                .any(|line| line.contains(request))
        });
        let want = serde_json::json!({
            "type": "about:blank", "title": title, "status": status, "request": request
        });
        assert_eq!(body, want);
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_person_gets_a_page_that_needs_nothing_from_elsewhere() {
    let (_upstream, gateway) = world();
    let answer = get(&gateway, "/nobody", NAVIGATES);
    assert_eq!(answer.status(), 403);
    assert_eq!(
        answer.head.get("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    assert_eq!(answer.head.get("x-frame-options"), Some("DENY"));
    let policy = answer.head.get("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'sha256-",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let page = answer.text();
    assert!(page.contains("<h1>Not allowed</h1>"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("src=") && !page.contains("url("),
        "{page}"
    );
    assert!(!page.contains("192.0.2.1"), "{page}");
    let mut request = h2::get("/nobody");
    request
        .headers_mut()
        .insert("sec-fetch-mode", "navigate".parse().unwrap());
    assert_eq!(
        gateway.dial().h2().send(request, b"").headers["content-type"],
        "text/html; charset=utf-8"
    );
}

#[test]
fn caches_are_told_by_what_refusals_differ() {
    let (_upstream, gateway) = world();
    for headers in ["", NAVIGATES] {
        assert_eq!(
            get(&gateway, "/nobody", headers).head.all("vary"),
            ["Accept, Sec-Fetch-Mode"]
        );
        assert_eq!(
            get(&gateway, "/staff", headers).head.all("vary"),
            ["Accept, Sec-Fetch-Mode", "Origin"]
        );
    }
}

#[test]
fn a_page_of_another_origin_can_read_why_it_was_refused() {
    let (_upstream, gateway) = world();
    let answer = get(
        &gateway,
        "/staff",
        "Origin: https://a.example\r\nSec-Fetch-Mode: cors\r\n",
    );
    assert_eq!(
        answer.head.get("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        answer.head.get("access-control-allow-origin"),
        Some("https://a.example")
    );
}

#[test]
fn heads_and_handshakes_are_asked_by_programs() {
    let (upstream, gateway) = world();
    let mut client = gateway.client();
    client.send(format!(
        "HEAD /nobody HTTP/1.1\r\nHost: localhost\r\n{NAVIGATES}\r\n"
    ));
    let head = client.head();
    assert_eq!(
        (head.status(), head.get("content-type")),
        (403, Some("application/problem+json"))
    );
    let answer = gateway.client().ask(handshake("/staff", NAVIGATES));
    assert_eq!(
        (answer.status(), answer.head.get("content-type")),
        (401, Some("application/problem+json"))
    );
    assert_eq!(upstream.accepted(), 0);
}

#[test]
fn an_answer_to_head_has_no_body_but_its_length() {
    let (_upstream, gateway) = world();
    let (mut h1, mut h2) = (gateway.client(), gateway.dial().h2());
    for (target, status) in [
        ("/elsewhere", 404),
        ("/nobody", 403),
        ("/staff", 401),
        ("/.ianitor/sign-in?to=/staff", 200),
        ("/.ianitor/sign-out", 200),
        ("/.ianitor/renew", 405),
    ] {
        let length = h1.get(target).body.len().to_string();
        h1.send(format!("HEAD {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = h1.head();
        assert_eq!(
            (head.status(), head.get("content-length")),
            (status, Some(&*length)),
            "{target}"
        );
        let mut request = h2::get(target);
        *request.method_mut() = http::Method::HEAD;
        let answer = h2.send(request, b"");
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{target}");
        assert_eq!(answer.headers["content-length"], *length, "{target}");
    }
    // The next request finds nothing of a body in its way.
    assert_eq!(h1.get("/nobody").status(), 403);
}

#[test]
fn other_refusals_stay_a_few_words() {
    let (_upstream, gateway) = world();
    let answer = get(&gateway, "/elsewhere", NAVIGATES);
    assert_eq!(
        (answer.status(), answer.head.get("content-type")),
        (404, Some("text/plain; charset=utf-8"))
    );
}
