//! The log and the metrics name the rule by which something is rejected, and no secret.

use std::io::{Read as _, Write as _};

use jsonwebtoken::Algorithm;
use rustls::version::TLS12;
use serde_json::json;

use crate::harness::process::GatewayProcess;
use crate::harness::token::{self, HMAC, Keys, claims};
use crate::harness::{Config, TestGateway, Upstream, eventually};

fn bearer(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[test]
fn each_rule_about_paths_and_heads_has_its_reason() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let head = |target: &str, rest: &str| format!("GET {target} {rest}\r\n\r\n");
    let normal = "HTTP/1.1\r\nHost: localhost";
    for (request, reason) in [
        (head("/a/../b", normal), "path_dot_segment"),
        (head("/a//b", normal), "path_empty_segment"),
        (head("/a%2fb", normal), "path_encoded_slash"),
        (head("/a%252fb", normal), "path_doubly_encoded"),
        (head("/a%zz", normal), "path_bad_escape"),
        (head("/a%00", normal), "path_control"),
        (head("*", normal), "path_not_absolute"),
        (head("/<b>", normal), "broken_target"),
        (head("/", "HTTP/7.3\r\nHost: localhost"), "broken_version"),
        (
            head("/", "HTTP/1.1\r\nHost: localhost\r\nContent-Length: x"),
            "broken_length",
        ),
        (
            head("/", "HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x"),
            "broken_coding",
        ),
        (head("/", "HTTP/1.1\r\nHost localhost"), "broken_head"),
        (head("/", "HTTP/1.1"), "host detail=\"missing\""),
        (
            head("/", "HTTP/1.1\r\nHost: a\r\nHost: a"),
            "host detail=\"twice\"",
        ),
        (
            head("/", "HTTP/1.1\r\nHost: a b"),
            "host detail=\"invalid\"",
        ),
    ] {
        gateway.access.clear();
        assert_eq!(gateway.client().ask(&request).status(), 400, "{request}");
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(&format!(" reason={reason} ")), "{line}");
    }
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_missing_claim_and_an_unknown_key_are_named_in_the_log_alone() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::rsa();
    let jwks = json!({ "keys": [keys.jwk("r")] }).to_string();
    let partners = token::issuer(folder.path(), &["RS256"], jwks);
    let partners = partners.replace("[issuers.staff]", "[issuers.partners]");
    let config = Config::new()
        .upstream("app", &upstream.url())
        .route_with("/ops", "app", "policy = \"operators\"")
        .route_with("/partners", "app", "policy = \"partners\"")
        .table(HMAC)
        .table(&partners)
        .table(
            "[policies.operators]\nissuers = [\"staff\"]\nclaims = { sub = \"*\", role = \"ops\" }",
        )
        .table("[policies.partners]\nissuers = [\"partners\"]");
    let gateway = TestGateway::start(&config);
    let unknown = |kid: &str| keys.sign(Algorithm::RS256, Some(kid), &claims(json!({})));
    let long = "k".repeat(200);
    for (path, token, status, ending) in [
        (
            "/ops",
            token::token(json!({ "role": "guest" })),
            403,
            "reason=claim detail=\"role\"",
        ),
        (
            "/ops",
            token::token(json!({ "role": "ops", "sub": null })),
            403,
            "reason=claim detail=\"sub\"",
        ),
        (
            "/partners",
            unknown("x\" status=200\n\u{1b}"),
            401,
            "reason=token_key detail=\"x\\\" status=200\\\\n\\\\u{1b}\"",
        ),
        (
            "/partners",
            unknown(&long),
            401,
            &format!("reason=token_key detail=\"{}\"", &long[..64]),
        ),
        ("/ops", "rubbish".to_owned(), 401, "reason=token_malformed"),
    ] {
        gateway.access.clear();
        let answer = gateway.client().ask(bearer(path, &token));
        assert_eq!(answer.status(), status, "{ending}");
        assert!(!answer.text().contains("role") && !answer.text().contains("kkk"));
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(&format!(" {ending} agent=")), "{line}");
        let signature = token.rsplit('.').next().unwrap();
        assert!(!line.contains(signature), "{line}");
    }
}

/// A ClientHello of a version, with one cipher suite and these extensions.
fn hello(version: u8, cipher: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, version];
    body.extend([7; 32]);
    body.extend([0, 0, 2]);
    body.extend(cipher);
    body.extend([1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 3, 1];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

#[test]
fn each_failed_handshake_has_its_reason_in_the_metrics_and_a_warning_if_clients_cannot_connect() {
    const SIGNATURES: [u8; 8] = [0, 13, 0, 4, 0, 2, 4, 3];
    const P256: [u8; 8] = [0, 10, 0, 4, 0, 2, 0, 0x17];
    const SECT163K1: [u8; 8] = [0, 10, 0, 4, 0, 2, 0, 1];
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"";
    let gateway = GatewayProcess::start(&Config::to(&upstream).listen(listen));
    let dial = gateway.dial();
    // TLS 1.0 without extensions, as old devices send it.
    let outdated = hello(1, [0, 0x2f], &[]);
    let no_cipher = hello(3, [0, 0x2f], &[SIGNATURES, P256].concat());
    let no_group = hello(3, [0xc0, 0x2b], &[SIGNATURES, SECT163K1].concat());
    for (bytes, alert) in [(&outdated, 70), (&no_cipher, 40), (&no_group, 40)] {
        let mut stream = dial.tcp();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!((answer[0], answer.last()), (0x15, Some(&alert)));
    }
    assert!(dial.tls(&["spdy/3"]).is_err());
    assert!(gateway.dial().name("other.test").tls(&[]).is_err());
    assert!(gateway.dial().versions(&[&TLS12]).tls(&[]).is_ok());
    dial.tcp()
        .write_all(b"\x80\x2e\x01\x03\x01garbage")
        .unwrap();
    let reasons = [
        ("old_version", true),
        ("no_common_cipher", true),
        ("no_common_group", true),
        ("no_common_protocol", true),
        ("unknown_name", true),
        ("malformed", false),
    ];
    for (reason, warns) in reasons {
        let sample = format!("\nianitor_tls_handshake_failures_total{{reason=\"{reason}\"}} 1\n");
        eventually(&sample, || gateway.metrics().contains(&sample));
        if warns {
            gateway.event(&format!("reason=\"{reason}\""));
        }
    }
    let events = gateway.events();
    assert!(
        !events.iter().any(|line| line.contains("malformed")),
        "{events:#?}"
    );
}
