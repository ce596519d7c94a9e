//! `ianitor check --explain`: which rule decides about a message, and why.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Config, staff};

/// A folder with a configuration, tokens and messages.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let config = Config::new()
            .table(
                "[upstreams]\napp = { servers = [\"http://127.0.0.1:8188\"], \
                 protocol = \"janus\" }\ncontrol = { servers = [\"http://127.0.0.1:7188\"], \
                 protocol = \"janus-admin\" }",
            )
            .table(&staff::issuer(""))
            .table(
                "[policies.callers]\nissuers = [\"staff\"]\nmessages = [\"janus-moderator\"]\n\
                 [[policies.callers.rules]]\nname = \"no-backstage\"\neffect = \"deny\"\n\
                 room = [\"backstage\"]\n\
                 [policies.operators]\nallow = [\"127.0.0.1\"]\n\
                 messages = [\"janus-admin-observe\"]\n\
                 [policies.others]\nallow = [\"127.0.0.1\"]",
            )
            .route_with("/janus", "app", "policy = \"callers\"")
            .route_with("/admin", "control", "policy = \"operators\"");
        folder.write("gateway.toml", &config.text());
        let claims = |exp: i64| json!({"sub": "ada", "exp": exp, "room_ids": [1234]});
        let hour = staff::now() + 3600;
        folder.write("token", &staff::mint(staff::SECRET, &claims(hour)));
        folder.write("expired", &staff::mint(staff::SECRET, &claims(1)));
        let secret = "another secret that has at least 32 bytes";
        folder.write("foreign", &staff::mint(secret, &claims(hour)));
        folder.write(
            "kick",
            &plugin_message(&json!({"request": "kick", "room": 1234})),
        );
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// What the command answers, and its status.
    fn explain(&self, arguments: &str, input: &str) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        let mut child = command
            .args(["check", "--explain"])
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (output.status.code().unwrap(), text)
    }
}

fn plugin_message(body: &serde_json::Value) -> String {
    json!({"janus": "message", "transaction": "t", "body": body}).to_string()
}

#[test]
fn what_passes_is_explained_up_to_the_rule_that_allows_it() {
    let (status, text) = Folder::new().explain(
        "--policy callers --token token --plugin janus.plugin.audiobridge kick",
        "",
    );
    let want = "\
token: signed by staff, and valid
a message to Janus
  verb message
  plugin janus.plugin.audiobridge
  request kick
  room 1234
  no-backstage: no match, the room is another
  janus-moderator.1: no match, the plugin is another
  janus-moderator.2: allowed
would pass, by janus-moderator.2
";
    assert_eq!((status, &*text), (0, want));
}

#[test]
fn of_several_messages_one_that_is_refused_decides_about_the_status() {
    let messages = [
        plugin_message(&json!({"request": "announcement", "room": "backstage"})),
        plugin_message(&json!({"request": "announcement", "room": 5})),
        "{\"janus\":\"list_sessions\",\"transaction\":\"t\"}".to_owned(),
    ];
    let folder = Folder::new();
    let (status, text) = folder.explain(
        "--policy callers --token token --plugin textroom -",
        &messages.join("\n"),
    );
    let want = "\
token: signed by staff, and valid
a message to Janus
  verb message
  plugin janus.plugin.textroom
  request announcement
  room \"backstage\"
  no-backstage: denied
would be refused: no-backstage denies it
a message to Janus
  verb message
  plugin janus.plugin.textroom
  request announcement
  room 5
  no-backstage: no match, the room is another
  janus-moderator.1: no match, the plugin is another
  janus-moderator.2: no match, the plugin is another
  janus-moderator.3: no match, the room is another, and the token's room_ids is [1234]
would be refused: no rule matches; janus-moderator.3 comes closest: the room is another, and the \
token's room_ids is [1234]
a message to Janus
  verb list_sessions (unknown)
  no-backstage: no match, the message names no room
  janus-moderator.1: no match, the verb is another
  janus-moderator.2: no match, the verb is another
  janus-moderator.3: no match, the verb is another
would be refused: no rule matches; janus-moderator.1 comes closest: the verb is another
";
    assert_eq!((status, &*text), (1, want));
    let (status, text) = folder.explain("--policy operators -", &messages[2]);
    let want = "\
a message to Janus' admin API
  verb list_sessions
  janus-admin-observe.1: allowed
would pass, by janus-admin-observe.1
";
    assert_eq!((status, &*text), (0, want));
}

#[test]
fn a_request_to_kurento_is_explained_with_its_uris_and_what_is_assumed() {
    let folder = Folder::new();
    let config = Config::new()
        .table(
            "[upstreams]\nkms = { servers = [\"http://127.0.0.1:8888\"], protocol = \"kurento\" }",
        )
        .table(
            "[policies.apps]\nallow = [\"127.0.0.1\"]\nmessages = [\"kurento-observe\"]\n\
             uris = [\"https://media.example.com/vod/\"]\n\
             [[policies.apps.rules]]\nname = \"players\"\neffect = \"allow\"\n\
             method = \"create\"\ntype = \"PlayerEndpoint\"",
        )
        .route_with("/kurento", "kms", "policy = \"apps\"");
    folder.write("media.toml", &config.text());
    let pipeline = "0a1b2c3d-0000-4000-8000-000000000001_kurento.MediaPipeline";
    let player = |uri: &str| {
        let parameters = json!({"mediaPipeline": pipeline, "uri": uri});
        json!({"jsonrpc": "2.0", "id": 1, "method": "create",
            "params": {"type": "PlayerEndpoint", "constructorParams": parameters}})
    };
    let arguments = "--config media.toml --policy apps -";
    let message = player("https://media.example.com/vod/a.webm").to_string();
    let want = "\
a request to Kurento
  method create
  type PlayerEndpoint
  uri \"https://media.example.com/vod/a.webm\"
  its session and objects are taken to be the client's
  players: allowed
would pass, by players
";
    assert_eq!(folder.explain(arguments, &message), (0, want.to_owned()));
    let message = player("http://169.254.169.254/").to_string();
    let (status, text) = folder.explain(arguments, &message);
    let want =
        "no rule matches; players comes closest: the member uri is not below an allowed prefix\n";
    assert!(status == 1 && text.ends_with(want), "{text}");
    let arguments = format!("--plugin videoroom {arguments}");
    let (status, text) = folder.explain(&arguments, &message);
    assert!(
        status == 64 && text.contains("--plugin is about messages to Janus"),
        "{text}"
    );
}

#[test]
fn a_token_that_is_not_accepted_is_explained_all_the_same() {
    let folder = Folder::new();
    for (token, note) in [
        (
            "expired",
            "the handshake would be refused: expired; the claims are taken as they are\n",
        ),
        (
            "foreign",
            "the handshake would be refused: the signature is wrong; the claims are taken as they \
             are\n",
        ),
    ] {
        let arguments = format!("--policy callers --token {token} --plugin videoroom kick");
        let (status, text) = folder.explain(&arguments, "");
        assert_eq!(status, 1, "{text}");
        assert!(text.starts_with(note), "{text}");
        assert!(
            text.ends_with("would pass, by janus-moderator.1\n"),
            "{text}"
        );
    }
    // Without a token no room is the client's.
    let (status, text) = folder.explain("--policy callers --plugin videoroom kick", "");
    assert_eq!(status, 1);
    let note = "the handshake would be refused: the policy admits clients by a token; write \
                --token FILE\n";
    assert!(text.starts_with(note), "{text}");
    assert!(
        text.ends_with("comes closest: the client has no token with a claim room_ids or room\n"),
        "{text}"
    );
}

#[test]
fn a_token_that_the_policy_does_not_admit_is_refused_before_its_messages() {
    let folder = Folder::new();
    let hour = staff::now() + 3600;
    let claims = json!({"exp": hour, "room_ids": [1234]});
    folder.write("nameless", &staff::mint(staff::SECRET, &claims));
    let config = fs::read_to_string(folder.0.path().join("gateway.toml")).unwrap();
    let wanted = "[policies.callers]\nclaims = { role = \"caller\" }\n";
    folder.write(
        "strict.toml",
        &config.replace("[policies.callers]\n", wanted),
    );
    let arguments = "--policy callers --token nameless --plugin videoroom kick";
    let (status, text) = folder.explain(arguments, "");
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("token: it has no subject, so that "),
        "{text}"
    );
    let (status, text) = folder.explain(&format!("--config strict.toml {arguments}"), "");
    assert_eq!(status, 1, "{text}");
    assert!(
        text.starts_with("the handshake would be refused: it has no claim role"),
        "{text}"
    );
    assert!(
        text.ends_with("would pass, by janus-moderator.1\n"),
        "{text}"
    );
}

#[test]
fn the_example_in_the_documentation_is_what_the_command_prints() {
    let docs = include_str!("../../docs/messages.md");
    let blocks = docs.split("```").skip(1).step_by(2);
    let blocks: Vec<&str> = blocks.collect();
    let begins = |start: &str| {
        let found = blocks.iter().find_map(|block| block.strip_prefix(start));
        found.unwrap().to_owned()
    };
    let want = begins("text\n$ ianitor check --explain --policy callers --token alice.jwt ");
    let (arguments, want) = want.split_once('\n').unwrap();
    let policy =
        begins("toml\n[policies.callers]\nissuers = [\"app\"]\nmessages = [\"janus-caller\", ");
    let folder = Folder::new();
    let config = Config::new()
        .table("[upstreams]\napp = { servers = [\"http://127.0.0.1:8188\"], protocol = \"janus\" }")
        .table(&staff::issuer_named("app", staff::SECRET, ""))
        .table(&format!(
            "[policies.callers]\nissuers = [\"app\"]\nmessages = [\"janus-caller\", {policy}"
        ))
        .route_with("/janus", "app", "policy = \"callers\"");
    folder.write("gateway.toml", &config.text());
    let claims = json!({"sub": "alice", "exp": staff::now() + 3600, "room_ids": [1234]});
    folder.write("alice.jwt", &staff::mint(staff::SECRET, &claims));
    let join = json!({"request": "join", "ptype": "publisher", "room": 4321});
    folder.write("join.json", &plugin_message(&join));
    let arguments = format!("--policy callers --token alice.jwt {arguments}");
    assert_eq!(folder.explain(&arguments, ""), (1, want.to_owned()));
}

#[test]
fn what_is_missing_on_the_command_line_or_in_the_configuration_is_said() {
    let folder = Folder::new();
    folder.write("broken.toml", "[listen]\nhttps = 1\n");
    for (arguments, status, said) in [
        (
            "--policy callers kick",
            64,
            "write --plugin janus.plugin.videoroom",
        ),
        ("kick", 64, "--policy"),
        ("--policy callers", 64, "FILE"),
        (
            "--policy nobody kick",
            64,
            "there is: callers, operators, others",
        ),
        ("--policy callers missing.json", 64, "missing.json: "),
        (
            "--policy callers --token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln kick",
            64,
            "write it into a file, and name that with --token FILE",
        ),
        ("--policy callers --token kick kick", 64, "the token: "),
        (
            "--policy callers --token token --plugin videorom kick",
            64,
            "did you mean janus.plugin.videoroom?",
        ),
        (
            "--policy callers --token token --plugin janus.plugin.videorom kick",
            1,
            "not known to the gateway, did you mean janus.plugin.videoroom?",
        ),
        (
            "--policy callers --token token --plugin recordplay kick",
            1,
            "plugin janus.plugin.recordplay (unknown)",
        ),
        ("--policy open kick", 0, "open has no message rules"),
        (
            "--policy operators --token token kick",
            1,
            "token: the policy takes none",
        ),
        (
            "--policy callers --token - -",
            64,
            "standard input cannot be both",
        ),
        ("--policy others kick", 0, "others has no message rules"),
        ("--live --policy callers kick", 64, "cannot be used with"),
        (
            "--config broken.toml --policy callers kick",
            78,
            "broken.toml:2",
        ),
    ] {
        let (got, text) = folder.explain(arguments, "");
        assert!(
            got == status && text.contains(said),
            "{arguments}: {got} {text}"
        );
    }
}
