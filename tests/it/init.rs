//! `ianitor init`: a first configuration, which overwrites nothing and asks only on a terminal.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const HOST: [&str; 2] = ["--host", "media.example.com"];

fn init(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .arg("init")
        .args(arguments)
        .args(["--dir", "etc"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Every file below a folder with its permissions, sorted.
fn files(folder: &Path) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                let mode = path.metadata().unwrap().permissions().mode() & 0o777;
                all.push((name, mode));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_set_up_is_written_once_and_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["janus", "coturn", "--yes"][..], &HOST].concat();
    let (status, text) = said(&init(folder.path(), &arguments));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("/etc/turnserver.conf\n"), "{text}");
    assert!(text.contains("check --config"), "{text}");

    let etc = folder.path().join("etc");
    let written = files(&etc);
    let names: Vec<&str> = written.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "changes.md",
            "gateway.toml",
            "secrets/app",
            "secrets/janus-admin",
            "secrets/janus-api",
            "secrets/turn"
        ]
    );
    for (name, mode) in &written {
        let most = if name == "gateway.toml" { 0o644 } else { 0o640 };
        assert_eq!(mode & !most, 0, "{name} {mode:o}");
    }
    // What others must not know is not on the screen.
    for name in ["app", "janus-admin", "janus-api", "turn"] {
        let secret = fs::read_to_string(etc.join("secrets").join(name)).unwrap();
        assert!(!text.contains(&secret), "{name}");
        let changes = fs::read_to_string(etc.join("changes.md")).unwrap();
        assert_eq!(changes.contains(&secret), name != "app", "{name}");
    }
    let checked = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config", "etc/gateway.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    let before = fs::read(etc.join("gateway.toml")).unwrap();
    let (status, text) = said(&init(folder.path(), &arguments));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("etc/gateway.toml: exists already"), "{text}");
    assert_eq!(fs::read(etc.join("gateway.toml")).unwrap(), before);
    assert_eq!(files(&etc), written);
}

#[test]
fn what_is_in_the_way_is_left_and_nothing_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("etc");
    fs::create_dir_all(etc.join("secrets")).unwrap();
    fs::write(etc.join("secrets/turn"), "mine").unwrap();
    let before = files(&etc);
    let arguments = [&["coturn", "--yes"][..], &HOST].concat();
    let (status, text) = said(&init(folder.path(), &arguments));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("secrets/turn: exists already"), "{text}");
    assert_eq!(files(&etc), before);

    fs::remove_file(etc.join("secrets/turn")).unwrap();
    fs::create_dir(etc.join("changes.md")).unwrap();
    let (status, text) = said(&init(folder.path(), &arguments));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("changes.md: exists already"), "{text}");
    assert_eq!(files(&etc), []);
}

#[test]
fn the_file_of_the_package_is_replaced_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("etc");
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/debian/gateway.toml");
    fs::create_dir(&etc).unwrap();
    fs::copy(packaged, etc.join("gateway.toml")).unwrap();
    let arguments = [&["kurento", "--yes"][..], &HOST].concat();
    let (status, text) = said(&init(folder.path(), &arguments));
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(
        fs::read(etc.join("gateway.toml.packaged")).unwrap(),
        fs::read(packaged).unwrap()
    );
    let written = fs::read_to_string(etc.join("gateway.toml")).unwrap();
    assert!(written.contains("protocol = \"kurento\""), "{written}");
}

#[test]
fn bad_input_gives_one_line_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, status, want) in [
        (&["januss", "--host", "a.example.com"][..], 64, "'janus'"),
        (&["janus"], 64, "--host"),
        (&["janus", "--host", "a b"], 64, "--host"),
        (
            &["janus", "--host", "a.example.com", "--mail", "x\"@y"],
            64,
            "no mail address",
        ),
    ] {
        let (code, text) = said(&init(folder.path(), arguments));
        assert_eq!(code, Some(status), "{arguments:?}: {text}");
        assert!(text.contains(want), "{arguments:?}: {text}");
    }
    assert!(!folder.path().join("etc").exists());
}

/// On a terminal, which `script` makes.
fn on_a_terminal(folder: &Path, answer: &str) -> (Option<i32>, String) {
    let line = format!(
        "{} init janus --host media.example.com --dir etc",
        env!("CARGO_BIN_EXE_ianitor")
    );
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answer.as_bytes())
        .unwrap();
    said(&child.wait_with_output().unwrap())
}

#[test]
fn on_a_terminal_it_asks_before_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (status, text) = on_a_terminal(folder.path(), "n\n");
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("for janus at media.example.com? [Y/n]"),
        "{text}"
    );
    assert!(text.contains("nothing was written"), "{text}");
    assert!(!folder.path().join("etc").exists());
    let (status, text) = on_a_terminal(folder.path(), "y\n");
    assert_eq!(status, Some(0), "{text}");
    assert!(folder.path().join("etc/gateway.toml").exists());
}
