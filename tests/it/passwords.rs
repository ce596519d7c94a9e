//! Names and passwords in a file that htpasswd has written (`basic`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::h1::Answer;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Config, TestGateway, Upstream, staff};

/// A line as htpasswd writes it.
fn line(option: &str, name: &str, password: &str) -> String {
    let mut command = Command::new("htpasswd");
    command.args(["-nb", option]);
    if option == "-B" {
        command.args(["-C", "4"]);
    }
    let output = command.args([name, password]).output();
    let output = output.expect("htpasswd: scripts/test-deps.sh installs apache2-utils");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(file: &Path, lines: &[String]) {
    fs::write(file, lines.join("\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A folder with a file of passwords.
fn file(lines: &[String]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    write(&file, lines);
    (folder, file)
}

fn config(app: &Upstream, file: &Path, more: &str) -> Config {
    let file = file.display();
    let policy = format!(
        "[policies.team]\nbasic = {{ file = \"{file}\", realm = \"Media server\" }}\n{more}"
    );
    Config::new()
        .upstream("app", &app.url())
        .route_with("/", "app", "policy = \"team\"")
        .route_with("/with", "app", "policy = \"team\"\nforward_token = true")
        .table(&policy)
}

fn credentials(name: &str, password: &str) -> String {
    let coded = STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {coded}\r\n")
}

fn get(gateway: &TestGateway, target: &str, headers: &str) -> Answer {
    gateway.client().ask(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    ))
}

#[test]
fn users_of_each_good_kind_of_hash_pass_and_the_server_sees_no_password() {
    let argon2 = "zoe:$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$\
                  fhEGyfK8cVO5Jp1d/hIPk0OiVqxyhkSbJxlZ+1M+bHY";
    let (_folder, file) = file(&[
        line("-B", "ada", "pass: wörd"),
        line("-2", "bob", "two"),
        line("-5", "eve", "five"),
        argon2.to_owned(),
    ]);
    let app = Upstream::ok();
    let gateway = TestGateway::start(&config(&app, &file, ""));
    for (name, password) in [("ada", "pass: wörd"), ("bob", "two"), ("eve", "five")] {
        let right = credentials(name, password);
        assert_eq!(get(&gateway, "/", &right).status(), 200, "{name}");
        assert_eq!(get(&gateway, "/", &right).status(), 200, "{name}");
    }
    for head in app.heads() {
        assert_eq!(head.get("authorization"), None);
    }
    let lines = gateway.access.lines(6);
    assert!(lines[0].contains("user=\"basic.team:ada\""), "{lines:?}");
    let right = credentials("ada", "pass: wörd");
    assert_eq!(get(&gateway, "/with", &right).status(), 200);
    assert!(app.heads().last().unwrap().get("authorization").is_some());
    let seen = app.heads().len();
    for wrong in [
        String::new(),
        credentials("ada", "other"),
        credentials("nobody", "two"),
        credentials("eve", "two"),
        credentials("zoe", ""),
        "Authorization: Basic !\r\n".to_owned(),
        "Authorization: Basic YWRh\r\n".to_owned(),
        "Authorization: Bearer x\r\n".to_owned(),
    ] {
        let answer = get(&gateway, "/", &wrong);
        let challenge = answer.head.get("www-authenticate");
        assert_eq!(answer.status(), 401, "{wrong}");
        let want = "Basic realm=\"Media server\", charset=\"UTF-8\"";
        assert_eq!(challenge, Some(want), "{wrong}");
    }
    let twice = right.repeat(2);
    assert_eq!(get(&gateway, "/", &twice).status(), 400);
    assert_eq!(app.heads().len(), seen);
    for line in gateway.access.now() {
        assert!(!line.contains("Basic") && !line.contains("wörd"), "{line}");
    }
}

#[test]
fn a_page_of_another_host_has_no_use_of_a_password() {
    let (_folder, file) = file(&[line("-B", "ada", "pass")]);
    let app = Upstream::ok();
    let gateway = TestGateway::start(&config(&app, &file, ""));
    let right = credentials("ada", "pass");
    for page in [
        "Origin: https://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(get(&gateway, "/", &(right.clone() + page)).status(), 403);
    }
    let own = right + "Origin: https://localhost\r\n";
    assert_eq!(get(&gateway, "/", &own).status(), 200);
    assert_eq!(app.heads().len(), 1);
}

#[test]
fn guesses_are_counted_and_a_password_that_was_right_still_passes() {
    let (_folder, file) = file(&[line("-B", "ada", "pass"), line("-B", "bob", "word")]);
    let app = Upstream::ok();
    let limits = "bad_tokens_per_client = \"2/h\"\nexempt = []";
    let gateway = TestGateway::start(&config(&app, &file, "").limits(limits));
    let ask = |name, password| get(&gateway, "/", &credentials(name, password)).status();
    assert_eq!(ask("ada", "pass"), 200);
    assert_eq!((ask("ada", "a"), ask("nobody", "b")), (401, 401));
    assert_eq!((ask("ada", "c"), ask("bob", "word")), (429, 429));
    assert_eq!(ask("ada", "pass"), 200);
}

#[test]
fn a_user_who_is_removed_or_has_another_password_loses_what_is_open() {
    let (ada, bob) = (line("-B", "ada", "pass"), line("-B", "bob", "word"));
    let (_folder, file) = file(&[ada.clone(), bob.clone()]);
    let app = echo();
    let mut gateway = TestGateway::start(&config(&app, &file, ""));
    let open = |name, password| {
        let mut client = gateway.client();
        client.send(handshake("/ws", &credentials(name, password)));
        assert_eq!(client.head().status(), 101);
        is_alive(&mut client);
        client
    };
    let (mut of_ada, mut of_bob) = (open("ada", "pass"), open("bob", "word"));
    write(&file, &[ada, line("-B", "bob", "other")]);
    gateway.follow_files();
    let close = of_bob.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "no longer logged in".to_owned()));
    is_alive(&mut of_ada);
    let ask =
        |gateway: &TestGateway, password| get(gateway, "/", &credentials("bob", password)).status();
    assert_eq!(ask(&gateway, "word"), 401, "nor is it remembered");
    // A file that cannot be used changes nothing.
    write(&file, &["ada:plain".to_owned()]);
    gateway.follow_files();
    is_alive(&mut of_ada);
    write(&file, &[bob]);
    gateway.follow_files();
    assert_eq!(of_ada.wire.frame().unwrap().close().0, 1008);
}

#[test]
fn a_password_stands_beside_addresses_and_tokens() {
    let (_folder, file) = file(&[line("-B", "ada", "pass")]);
    let token = format!("Authorization: Bearer {}\r\n", staff::token("anna", 600));
    let right = credentials("ada", "pass");
    for (conditions, anonymous, good, with_token) in [
        ("allow = [\"127.0.0.1\"]\nsatisfy = \"any\"", 200, 200, 200),
        ("allow = [\"127.0.0.1\"]\nsatisfy = \"all\"", 401, 200, 401),
        ("allow = [\"192.0.2.1\"]\nsatisfy = \"all\"", 403, 403, 403),
        ("issuers = [\"staff\"]\nsatisfy = \"any\"", 401, 200, 200),
        ("claims = { sub = [\"bob\"] }", 401, 403, 401),
    ] {
        let app = Upstream::ok();
        let config = config(&app, &file, conditions).table(&staff::issuer(""));
        let gateway = TestGateway::start(&config);
        let got = ["", &right, &token].map(|headers| get(&gateway, "/", headers).status());
        assert_eq!(got, [anonymous, good, with_token], "{conditions}");
        if conditions.contains("issuers") {
            let answer = get(&gateway, "/", "");
            assert_eq!(answer.head.all("www-authenticate").len(), 2);
        }
        for head in app.heads() {
            assert!(!head.to_string().contains("Basic"), "{conditions}");
        }
    }
}
