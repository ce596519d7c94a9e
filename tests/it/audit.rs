//! `log.audit`: which messages have a line, and the file that they go to.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::janus::{Caller, Janus, code};
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{BINARY, Frame};
use crate::harness::{Config, TestGateway, Upstream, eventually, staff};

fn audit(upstream: &Upstream, path: &Path) -> Config {
    Config::to(upstream).log(&format!("audit = \"{}\"", path.display()))
}

#[test]
fn an_audit_log_that_cannot_be_opened_prevents_a_start_and_check_says_so() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    for (path, advice) in [
        (
            folder.path().join("missing/audit.log"),
            "does not exist; create it",
        ),
        (
            folder.path().to_owned(),
            "is a folder; write the path of a file",
        ),
    ] {
        let mut gateway = GatewayProcess::spawn(&audit(&upstream, &path));
        assert_eq!(gateway.ended().code(), Some(78));
        let error = gateway.event(advice);
        assert!(error.contains("log.audit: "), "{error}");
        let mut check = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        let check = check.args(["check", "--config"]).arg(gateway.config_path());
        let output = check.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(
            stderr.contains("log.audit: ") && stderr.contains(advice),
            "{stderr}"
        );
    }
}

#[test]
fn a_reload_with_an_audit_log_that_cannot_be_opened_changes_nothing() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let config = audit(&upstream, &first);
    let gateway = GatewayProcess::start(&config);
    let mode = fs::metadata(&first).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
    gateway.hang_up(&audit(&upstream, &folder.path().join("missing/a")).text());
    gateway.event("log.audit: the folder of ");
    gateway.event("not reloaded");
    // Relative to the folder of gateway.toml.
    gateway.hang_up(&audit(&upstream, Path::new("beside")).text());
    let beside = gateway.config_path().with_file_name("beside");
    eventually("the file is created", || beside.exists());
    gateway.hang_up(&audit(&upstream, &second).text());
    eventually("the file is created", || second.exists());
}

#[test]
fn a_rotated_audit_log_is_opened_again_even_if_the_configuration_is_broken() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("audit"), folder.path().join("audit.1"));
    let gateway = GatewayProcess::start(&audit(&upstream, &path));
    fs::rename(&path, &rotated).unwrap();
    gateway.signal(Signal::HUP);
    eventually("the file is created again", || path.exists());
    fs::rename(&path, &rotated).unwrap();
    gateway.hang_up("[listen");
    gateway.event("not reloaded");
    eventually("the file is created again", || path.exists());
}

#[test]
fn a_route_never_serves_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let (site, path) = (folder.path().join("site"), folder.path().join("audit"));
    fs::create_dir(&site).unwrap();
    fs::write(&path, "{}\n").unwrap();
    std::os::unix::fs::symlink(&path, site.join("linked")).unwrap();
    let config = |audit: &Path| {
        let (site, audit) = (site.display(), audit.display());
        Config::new()
            .log(&format!("audit = \"{audit}\""))
            .table(&format!(
                "[[routes]]\npath = \"/\"\nfiles = \"{site}\"\nfollow_symlinks = true\n\
                 policy = \"open\""
            ))
    };
    let gateway = GatewayProcess::start(&config(&path));
    assert_eq!(gateway.dial().h1().get("/linked").status(), 404);
    let mut gateway = GatewayProcess::spawn(&config(&site.join("audit")));
    assert_eq!(gateway.ended().code(), Some(78));
}

/// Both APIs of a Janus for the staff, with secrets, and an audit log in a folder.
struct Audited {
    janus: Janus,
    folder: TempDir,
}

impl Audited {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut secret = fs::File::create(folder.path().join("secret")).unwrap();
        writeln!(secret, "s3cret").unwrap();
        Self {
            janus: Janus::new(),
            folder,
        }
    }

    fn config(&self) -> Config {
        let folder = self.folder.path().display();
        let upstream = |name: &str, protocol: &str| {
            format!(
                "[upstreams.{name}]\nservers = [\"{}\"]\nprotocol = \"{protocol}\"\n\
                 secret_file = \"{folder}/secret\"",
                self.janus.url()
            )
        };
        Config::new()
            .log(&format!("audit = \"{folder}/audit\""))
            .table(&staff::issuer(""))
            .table("[policies.staff]\nissuers = [\"staff\"]")
            .table(&upstream("calls", "janus"))
            .table(&upstream("admin", "janus-admin"))
            .route_with("/janus", "calls", "policy = \"staff\"")
            .route_with("/admin", "admin", "policy = \"staff\"")
    }

    /// A WebSocket of a subject.
    fn open(gateway: &TestGateway, target: &str, subject: &str) -> Caller {
        let token = staff::token(subject, 600);
        let header = format!("Authorization: Bearer {token}\r\n");
        Caller::open(gateway, target, &header)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The lines of the audit log, once there are this many.
    fn lines(&self, count: usize) -> Vec<Value> {
        let text = || self.text("audit");
        eventually("the lines of the audit log", || {
            text().lines().count() >= count
        });
        let parse = |line: &str| serde_json::from_str(line).unwrap();
        let lines: Vec<Value> = text().lines().map(parse).collect();
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }
}

#[test]
fn what_is_refused_has_a_line_and_what_is_ordinary_has_none() {
    let audited = Audited::new();
    let gateway = TestGateway::start(&audited.config());
    let mut alice = Audited::open(&gateway, "/janus", "alice");
    let session = alice.create();
    let handle = alice.attach(session, "videoroom");
    alice.request((session, handle), &json!({"request": "list"}));
    alice.next();
    let mut bob = Audited::open(&gateway, "/janus", "bob");
    let claim = json!({"janus": "claim", "transaction": "t", "session_id": session,
        "apisecret": "guess"});
    assert_eq!(code(&bob.ask(&claim)), 458);
    bob.send("not JSON");
    assert_eq!(code(&bob.next()), 454);
    drop((alice, bob));
    // `list` is not for callers, but without rules everybody may.
    let lines = audited.lines(3);
    let [listed, claimed, unreadable] = &lines[..] else {
        unreachable!()
    };
    assert_eq!(listed["outcome"], "allowed");
    assert_eq!(
        (&listed["request"], &listed["sub"]),
        (&json!("list"), &json!("alice"))
    );
    let access = gateway.access.lines(2);
    for (name, value) in [
        ("kind", json!("message")),
        ("outcome", json!("refused")),
        ("reason", json!("unknown_session")),
        ("client", json!("127.0.0.1")),
        ("user", json!("staff:bob")),
        ("sub", json!("bob")),
        ("host", json!("localhost")),
        ("route", json!("/janus")),
        ("upstream", json!("calls")),
        ("transport", json!("ws")),
        ("protocol", json!("janus")),
        ("verb", json!("claim")),
    ] {
        assert_eq!(claimed[name], value, "{claimed}");
    }
    let id = format!(" id={}", claimed["id"].as_str().unwrap());
    assert!(
        access.iter().any(|line| line.contains(&id)),
        "{id}: {access:#?}"
    );
    assert_eq!(claimed["session"], listed["session"]);
    assert_eq!(claimed["session"].as_str().unwrap().len(), 16);
    assert_eq!(unreadable["reason"], "unreadable");
    let text = audited.text("audit");
    for word in ["s3cret", "guess", &session.to_string(), &handle.to_string()] {
        assert!(!text.contains(&format!("\"{word}\"")) && !text.contains(&format!(":{word},")));
    }
}

#[test]
fn each_request_of_the_admin_api_has_a_line_in_the_file_of_that_moment() {
    let audited = Audited::new();
    let mut gateway = TestGateway::start(&audited.config());
    let mut admin = Audited::open(&gateway, "/admin", "carol");
    let ask = |admin: &mut Caller, verb: &str| {
        let answer = admin.ask(&json!({"janus": verb, "transaction": "t"}));
        assert_eq!(answer["transaction"], "t", "{answer}");
    };
    ask(&mut admin, "ping");
    audited.lines(1);
    let (file, rotated) = ("audit", "audit.1");
    let path = |name: &str| audited.folder.path().join(name);
    fs::rename(path(file), path(rotated)).unwrap();
    ask(&mut admin, "info");
    eventually("the renamed file goes on", || {
        audited.text(rotated).lines().count() == 2
    });
    gateway.reload(&audited.config());
    ask(&mut admin, "list_sessions");
    let lines = audited.lines(1);
    assert_eq!(lines[0]["verb"], "list_sessions");
    assert_eq!(
        (&lines[0]["protocol"], &lines[0]["rule"]),
        (&json!("janus-admin"), &Value::Null)
    );
    // Off is off for tunnels that are open, too.
    gateway.reload(&audited.config().log(""));
    ask(&mut admin, "ping");
    gateway.reload(&audited.config());
    ask(&mut admin, "loops_info");
    let verbs: Vec<Value> = audited
        .lines(2)
        .iter()
        .map(|line| line["verb"].clone())
        .collect();
    assert_eq!(verbs, ["list_sessions", "loops_info"]);
}

#[test]
fn an_audit_log_on_a_full_disk_holds_up_no_message() {
    let audited = Audited::new();
    let config = audited.config().log("audit = \"/dev/full\"");
    let gateway = TestGateway::start(&config);
    let mut admin = Audited::open(&gateway, "/admin", "carol");
    for number in 0..200 {
        let transaction = number.to_string();
        let answer = admin.ask(&json!({"janus": "ping", "transaction": transaction}));
        assert_eq!(answer["transaction"], transaction, "{answer}");
    }
}

#[test]
fn a_websocket_that_was_closed_for_its_messages_says_why_in_the_access_log() {
    let audited = Audited::new();
    let gateway = TestGateway::start(&audited.config());
    let mut alice = Audited::open(&gateway, "/janus", "alice");
    alice.client.send(Frame::from_client(BINARY, "{}").bytes());
    assert_eq!(alice.close().0, 1003);
    let mut bob = Audited::open(&gateway, "/janus", "bob");
    for _ in 0..21 {
        bob.send("[]");
    }
    let mut frame = bob.frame();
    while frame.opcode != crate::harness::websocket::CLOSE {
        frame = bob.frame();
    }
    assert_eq!(
        frame.close(),
        (1008, "too many messages were refused".to_owned())
    );
    drop((alice, bob));
    let lines = gateway.access.lines(2);
    let has = |words: &[&str]| {
        assert!(
            lines
                .iter()
                .any(|line| words.iter().all(|word| line.contains(word))),
            "{words:?}: {lines:#?}"
        );
    };
    has(&["end=client", "reason=messages_cannot_be_read", "detail="]);
    has(&["end=policy", "reason=too_many_messages_were_refused"]);
}

#[test]
fn requests_over_http_are_audited_like_websockets_and_their_ids_are_in_no_log() {
    let audited = Audited::new();
    let gateway = TestGateway::start(&audited.config());
    let mut client = gateway.client();
    let mut post = |subject: &str, path: &str, message: &Value| -> Value {
        let (token, body) = (staff::token(subject, 600), message.to_string());
        let answer = client.ask(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        serde_json::from_slice(&answer.body).unwrap()
    };
    let created = post(
        "alice",
        "/janus",
        &json!({"janus": "create", "transaction": "t"}),
    );
    let session = created["data"]["id"].as_i64().unwrap();
    let attach = json!({"janus": "attach", "transaction": "t", "plugin": "janus.plugin.echotest"});
    let path = format!("/janus/{session}");
    assert_eq!(code(&post("bob", &path, &attach)), 458);
    post(
        "carol",
        "/admin",
        &json!({"janus": "ping", "transaction": "t"}),
    );
    let lines = audited.lines(2);
    for (line, outcome, protocol, user) in [
        (&lines[0], "refused", "janus", "staff:bob"),
        (&lines[1], "allowed", "janus-admin", "staff:carol"),
    ] {
        assert_eq!(line["transport"], "rest");
        assert_eq!(line["outcome"], outcome);
        assert_eq!(line["protocol"], protocol);
        assert_eq!(line["user"], user);
    }
    let access = gateway.access.lines(3);
    let refused = access
        .iter()
        .find(|line| line.contains("message_refused"))
        .unwrap();
    assert!(refused.contains("detail=\"No such session\""), "{refused}");
    assert!(
        refused.contains(lines[0]["id"].as_str().unwrap()),
        "{refused}"
    );
}

#[test]
fn what_moderators_do_has_a_line_with_its_rule_and_whom_it_was_about() {
    let audited = Audited::new();
    let rules = "messages = [\"janus-moderator\", \"janus-caller\"]\n\
                 [[policies.staff.rules]]\nname = \"no-backstage\"\neffect = \"deny\"\n\
                 room = \"backstage\"\n\
                 [policies.operators]\nissuers = [\"staff\"]";
    let text = audited.config().text();
    let policy = "[policies.staff]\nissuers = [\"staff\"]";
    let text = text.replace(policy, &format!("{policy}\n{rules}"));
    let (calls, admin) = text.rsplit_once("policy = \"staff\"").unwrap();
    let gateway = TestGateway::start_text(&format!("{calls}policy = \"operators\"{admin}"));
    let claims = json!({"sub": "ada", "exp": staff::now() + 600, "room_ids": [1234, "backstage"],
        "iss": "https://login.example.com", "jti": "7f3a"});
    let token = staff::mint(staff::SECRET, &claims);
    let header = format!("Authorization: Bearer {token}\r\n");
    let mut ada = Caller::open(&gateway, "/janus", &header);
    let session = ada.create();
    let handle = ada.attach(session, "videoroom");
    let mut request = |body: Value| {
        let answer = ada.request((session, handle), &body);
        if answer["janus"] == "ack" {
            ada.next();
        }
        answer
    };
    let join = json!({"request": "join", "room": 1234, "ptype": "publisher"});
    assert_eq!(request(join)["janus"], "ack");
    let kick = json!({"request": "Kick", "room": 1234, "id": 5678, "secret": "adminpwd"});
    assert_eq!(request(kick)["janus"], "ack");
    assert_eq!(
        code(&request(json!({"request": "kick", "room": 4321, "id": 1}))),
        403
    );
    assert_eq!(
        code(&request(json!({"request": "join", "room": "backstage"}))),
        403
    );
    let lines = audited.lines(3);
    for (line, outcome, rule, reason, room) in [
        (
            &lines[0],
            "allowed",
            json!("janus-moderator.1"),
            Value::Null,
            json!(1234),
        ),
        (
            &lines[1],
            "refused",
            Value::Null,
            json!("unmatched"),
            json!(4321),
        ),
        (
            &lines[2],
            "refused",
            json!("no-backstage"),
            json!("denied"),
            json!("backstage"),
        ),
    ] {
        assert_eq!(line["outcome"], outcome);
        assert_eq!(
            (&line["rule"], &line["reason"], &line["room"]),
            (&rule, &reason, &room)
        );
        assert_eq!(
            (&line["jti"], &line["iss"]),
            (&claims["jti"], &claims["iss"])
        );
    }
    assert_eq!(lines[0]["request"], "kick");
    assert_eq!(lines[0]["target"], json!({"id": 5678}));
    let detail = "the room is another, and the token's room_ids is [1234,\"backstage\"]";
    assert_eq!(lines[1]["detail"], detail);
    assert!(!audited.text("audit").contains("adminpwd"));
}
