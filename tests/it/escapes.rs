//! What strangers write steers no terminal and ends no line, wherever the gateway shows it.

use std::process::{Command, Output};

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, TestGateway, Upstream, eventually, h2, staff};

/// CSI as one character, an end of a line for some readers, marks of direction, no width at all,
/// and DEL.
const STEERING: &str = "\u{9b}31m\u{2028}\u{202e}\u{2066}\u{200f}\u{200b}\u{feff}\u{7f}";

/// Whether something in a line, or in lines, would do more than show itself.
fn steers(text: &str) -> bool {
    let is_harmful = |c: char| {
        c != '\n' && (c.is_control() || STEERING.contains(c) && !c.is_ascii_alphanumeric())
    };
    text.contains(is_harmful)
}

#[track_caller]
fn is_harmless(text: &str) {
    assert!(!steers(text), "{}", text.escape_debug());
}

fn line(gateway: &TestGateway) -> String {
    let line = gateway.access.lines(1).remove(0);
    gateway.access.clear();
    line
}

#[test]
fn an_access_line_steers_nothing() {
    let upstream = Upstream::ok();
    for format in ["text", "json"] {
        let gateway =
            TestGateway::start(&Config::to(&upstream).log(&format!("format = \"{format}\"")));
        // A head with DEL in it is none.
        let steering: String = STEERING.chars().filter(|c| !c.is_ascii_control()).collect();
        for (path, host, agent) in [
            (
                format!("/a{steering}/b"),
                "localhost".to_owned(),
                "x".to_owned(),
            ),
            (
                format!("/?{steering}=1&{steering}"),
                "localhost".to_owned(),
                "x".to_owned(),
            ),
            (
                "/".to_owned(),
                format!("local{steering}host"),
                "x".to_owned(),
            ),
            (
                "/".to_owned(),
                "localhost".to_owned(),
                format!("x{steering}\"\\"),
            ),
        ] {
            gateway.client().ask(format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n"
            ));
            let line = line(&gateway);
            is_harmless(&line);
            assert!(
                line.contains("\\\\u{202e}"),
                "it is still to be seen: {line}"
            );
            if format == "json" {
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                ["path", "host", "agent"]
                    .iter()
                    .for_each(|name| is_harmless(value[name].as_str().unwrap()));
            }
        }
        let mut request = h2::get("/");
        request.headers_mut().insert(
            "user-agent",
            http::HeaderValue::from_bytes(steering.as_bytes()).unwrap(),
        );
        assert_eq!(gateway.dial().h2().send(request, b"").status, 200);
        is_harmless(&line(&gateway));
        assert!(gateway.access.now().is_empty());
    }
}

#[test]
fn a_field_of_an_access_line_is_cut_where_it_gets_long() {
    let upstream = Upstream::ok();
    for format in ["text", "json"] {
        let gateway =
            TestGateway::start(&Config::to(&upstream).log(&format!("format = \"{format}\"")));
        let mut client = gateway.client();
        for (path, agent) in [
            (format!("/{}", "a".repeat(4000)), "x".to_owned()),
            (format!("/?{}=1", "a".repeat(4000)), "x".to_owned()),
            ("/".to_owned(), "a".repeat(16_000)),
            ("/".to_owned(), "\u{202e}".repeat(4000)),
        ] {
            client.ask(format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n\r\n"
            ));
            let line = line(&gateway);
            assert!(
                (600..1200).contains(&line.len()) && line.contains('\u{2026}'),
                "{}: {line}",
                line.len()
            );
        }
        let whole = "a".repeat(512);
        client.ask(format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {whole}\r\n\r\n"
        ));
        assert!(line(&gateway).contains(&format!("{whole}\"")));
    }
}

#[test]
fn an_event_steers_nothing_whatever_is_told_in_it() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let gateway = GatewayProcess::start(&config);
    let steering = STEERING.replace('\u{7f}', "");
    gateway.hang_up(&format!(
        "{}\n[policies.other]\n\"{steering}\" = 1\n",
        config.text()
    ));
    gateway.event("not reloaded");
    eventually("the problem is told", || {
        gateway.events().iter().any(|line| line.contains("u{202e}"))
    });
    gateway.events().iter().for_each(|line| is_harmless(line));
}

fn ianitor(args: &[&str]) -> (String, Output) {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(args)
        .output()
        .unwrap();
    (
        String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap(),
        output,
    )
}

#[test]
fn a_token_that_is_inspected_steers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let upstream = Upstream::ok();
    let policy = "[policies.staff]\nissuers = [\"staff\"]\nclaims = { role = \"ops\" }";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table(policy);
    std::fs::write(
        &file,
        config.route_with("/", "app", "policy = \"staff\"").text(),
    )
    .unwrap();
    let steering = format!("x{STEERING}\n\x1b[2J");
    let claims = serde_json::json!({
        "exp": staff::now() + 60, "role": steering, "iss": steering, "aud": steering,
        "sub": steering, (&steering): 1,
    });
    let header = jsonwebtoken::Header {
        kid: Some(steering.clone()),
        ..Default::default()
    };
    let key = jsonwebtoken::EncodingKey::from_secret(staff::SECRET.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let config = file.to_str().unwrap();
    let (text, output) = ianitor(&[
        "token", "inspect", "--config", config, "--policy", "staff", &token,
    ]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("claims {") && text.contains("u{202e}") && text.contains("would be refused"),
        "{text}"
    );
    is_harmless(&text);
}

#[test]
fn a_configuration_that_is_checked_steers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let config = file.to_str().unwrap();
    for text in [
        format!("[routes{STEERING}]"),
        format!(
            "[listen]\nhttps = [\"{STEERING}\"]\n[[routes]]\npath = \"/{STEERING}\"\n\
             policy = \"{STEERING}\"\n"
        ),
        format!("[upstreams.\"{STEERING}\"]\nservers = [\"{STEERING}\"]\n\"{STEERING}\" = 1\n"),
    ] {
        std::fs::write(&file, text.replace('\u{7f}', "")).unwrap();
        let (text, output) = ianitor(&["check", "--config", config]);
        assert_eq!(output.status.code(), Some(78), "{text}");
        is_harmless(&text);
    }
}
