//! The command line as people who come from other servers type it.

use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "
[listen]
https = [\"127.0.0.1:8443\"]
[tls]
self_signed = [\"localhost\"]
[[routes]]
path = \"/\"
redirect = \"https://example.com/\"
policy = \"open\"
";

fn ianitor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_configuration_is_named_by_its_option_or_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.toml"), CONFIG).unwrap();
    for arguments in [
        &["check", "-c", "other.toml"][..],
        &["check", "--config", "other.toml"],
        &["check", "other.toml"],
        &["check", "other.toml", "-c", "other.toml"],
    ] {
        let output = ianitor(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
}

#[test]
fn what_other_servers_call_a_check_is_one_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.toml"), CONFIG).unwrap();
    let checked = ianitor(folder.path(), &["check"]);
    for alias in ["-t", "configtest", "validate"] {
        let output = ianitor(folder.path(), &[alias, "-c", "gateway.toml"]);
        assert_eq!(output.status.code(), Some(0), "{alias}: {output:?}");
        assert_eq!(output.stdout, checked.stdout, "{alias}");
        let hint = stderr(&output);
        let hint = hint.lines().next().unwrap_or_default();
        assert!(hint.contains("`ianitor check`"), "{alias}: {hint}");
    }
}

#[test]
fn where_no_configuration_is_the_error_names_both_places() {
    let folder = tempfile::tempdir().unwrap();
    // Where there is one, it is used.
    let is_installed = Path::new("/etc/ianitor/gateway.toml").exists();
    for command in ["check", "run", "reload", "upgrade", "certs", "turn"] {
        let output = ianitor(folder.path(), &[command]);
        let said = stderr(&output);
        let names_both = said.contains("gateway.toml: ")
            && said.contains("there is no /etc/ianitor/gateway.toml either");
        assert_ne!(names_both, is_installed, "{command}: {said}");
        assert!(
            is_installed || output.status.code() == Some(78),
            "{command}"
        );
    }
}

#[test]
fn the_version_names_the_libraries_for_tls() {
    let folder = tempfile::tempdir().unwrap();
    let shown = ianitor(folder.path(), &["version", "--json"]).stdout;
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
    let lock = include_str!("../../Cargo.lock");
    for name in ["rustls", "aws-lc-rs", "aws-lc-sys"] {
        let version = shown["libraries"][name].as_str().unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{shown}");
    }
    let text = ianitor(folder.path(), &["version"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("\ncommit   ") && text.contains("\nrustls "),
        "{text}"
    );
}
