//! The command itself.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn machine(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor");
    here.join(name).join("root")
}

fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .arg("doctor")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn of(name: &str) -> Output {
    doctor(&["--root", machine(name).to_str().unwrap()])
}

#[test]
fn a_finding_has_its_place_its_reason_and_the_line_that_fixes_it() {
    let output = of("janus-coturn-guide");
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    let place = machine("janus-coturn-guide").join("etc/turnserver.conf");
    let want = format!("danger: {}:2:1 certificate-numbered", place.display());
    let want = want.replace(":2:1", ":10:1");
    assert!(text.contains(&want), "{want}\n{text}");
    for part in [
        "write instead: cert=/etc/letsencrypt/live/turn.example.com/fullchain.pem",
        "add in admin: admin_ip = \"127.0.0.1\"",
        "denied-peer-ip=fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "remove this line",
        "see docs/doctor.md#coturn-private-peers",
        "read ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Each secret is a new one.
#[test]
fn a_secret_to_write_is_drawn_at_random() {
    let secret = |text: &str| {
        let (_, rest) = text.split_once("admin_secret = \"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let [first, second] = [(); 2].map(|()| secret(&text(&of("janus-coturn-guide"))));
    assert_eq!(first.len(), 64, "{first}");
    assert_ne!(first, second);
}

#[test]
fn statuses_tell_clean_from_wrong_from_unseen() {
    assert_eq!(of("janus-coturn-guide-fixed").status.code(), Some(0));
    let empty = tempfile::tempdir().unwrap();
    let root = empty.path().to_str().unwrap();
    let output = doctor(&["--root", root]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("nothing was read"),
        "{}",
        text(&output)
    );
    for arguments in [
        &["--root", "/nowhere/at/all"][..],
        &["/nowhere/turnserver.conf"],
        &["--root", root, "--firewall", "/nowhere"],
        &["--root", root, "--firewall", "/dev/null"],
        &[env!("CARGO_MANIFEST_DIR"), "/dev/null"],
    ] {
        let output = doctor(arguments);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn json_says_the_same() {
    let root = machine("kurento-guide");
    let output = doctor(&["--json", "--root", root.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let public = findings
        .iter()
        .find(|it| it["id"] == "kurento-public")
        .unwrap();
    assert_eq!(public["severity"], "danger");
    assert_eq!(public["place"]["line"], 8);
    assert_eq!(public["fix"]["do"], "add");
    assert_eq!(public["fix"]["text"], "\"address\": \"127.0.0.1\",");
    assert!(
        public["link"]
            .as_str()
            .unwrap()
            .ends_with("#kurento-public")
    );
    assert_eq!(document["read"].as_array().unwrap().len(), 2);
}

#[test]
fn files_can_be_named_one_by_one() {
    let file = machine("livekit-relay").join("etc/turnserver.conf");
    let output = doctor(&[file.to_str().unwrap()]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("{}:10:1 coturn-peer-network", file.display())),
        "{text}"
    );
}

#[test]
fn the_rules_of_the_firewall_come_by_a_pipe() {
    let root = machine("ports-nft-fixed");
    let rules = fs::read(root.parent().unwrap().join("firewall")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args([
            "doctor",
            "--firewall",
            "-",
            "--root",
            root.to_str().unwrap(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&rules).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

/// Symbolic links of an image lead into the image, whatever they say.
#[test]
fn nothing_outside_of_the_root_is_read() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("turnserver.conf");
    fs::write(&secret, "no-auth\n").unwrap();
    let image = tempfile::tempdir().unwrap();
    let root = image.path();
    fs::create_dir_all(root.join("etc/coturn")).unwrap();
    fs::write(root.join("etc/real.conf"), "stun-only\nno-cli\n").unwrap();
    symlink("/etc/real.conf", root.join("etc/turnserver.conf")).unwrap();
    symlink(&secret, root.join("etc/coturn/turnserver-a.conf")).unwrap();
    let up = format!("{}{}", "../".repeat(40), secret.display());
    symlink(up, root.join("etc/coturn/turnserver-b.conf")).unwrap();
    symlink(
        "turnserver-c.conf",
        root.join("etc/coturn/turnserver-c.conf"),
    )
    .unwrap();
    let output = doctor(&["--root", root.to_str().unwrap()]);
    let text = text(&output);
    assert!(!text.contains("coturn-no-auth"), "{text}");
    assert!(text.contains("etc/: turnserver.conf"), "{text}");
}

/// A pipe has no end, and a folder is no file.
#[test]
fn what_is_no_file_is_not_waited_for() {
    let image = tempfile::tempdir().unwrap();
    let etc = image.path().join("etc");
    fs::create_dir_all(etc.join("janus/janus.jcfg")).unwrap();
    let status = Command::new("mkfifo")
        .arg(etc.join("turnserver.conf"))
        .status()
        .unwrap();
    assert!(status.success());
    fs::create_dir_all(etc.join("haproxy")).unwrap();
    fs::write(etc.join("haproxy/haproxy.cfg"), vec![b'\n'; (1 << 20) + 1]).unwrap();
    let output = doctor(&["--root", image.path().to_str().unwrap()]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in [
        "turnserver.conf: is no regular file",
        "haproxy.cfg: is too large",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Names that resolve to nothing are found only with --live, which looks them up.
#[test]
fn a_turn_server_without_an_address_is_found_alive() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("janus.jcfg");
    fs::write(&file, "nat: {\n\tturn_server = \"nowhere.invalid\"\n}\n").unwrap();
    let file = file.to_str().unwrap();
    let quiet = doctor(&[file]);
    assert_eq!(quiet.status.code(), Some(0), "{}", text(&quiet));
    let output = doctor(&["--live", file]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains(":2:2 janus-turn-unresolved"),
        "{}",
        text(&output)
    );
}
