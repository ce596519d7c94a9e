//! The JSON Schema of `gateway.toml`, tried by the linter that editors use (taplo).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What only the program tells from its neighbours: the schema has no lists of these names.
const NAMES: [&str; 5] = ["policy", "upstream", "issuer", "turn", "claim of a login"];

/// Problems of shape that JSON Schema cannot have, with the reason.
const PASSED: [(&str, &str); 2] = [
    (
        "listen_client_address_header.toml",
        "names of headers are the same in upper and lower case",
    ),
    (
        "policy_rules.toml",
        "JSON Schema takes a float without a fraction, 1234.0, for an integer",
    ),
];

struct Linter {
    folder: tempfile::TempDir,
}

impl Linter {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        let output = command.arg("generate").arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Self { folder }
    }

    /// What is wrong with the text, or nothing.
    fn problems(&self, text: &str) -> Option<String> {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("taplo/bin/taplo");
        let schema = self.folder.path().join("ianitor/gateway.schema.json");
        let mut child = Command::new(&program)
            .args(["lint", "--no-auto-config", "--colors", "never", "--schema"])
            .arg(format!("file://{}", schema.display()))
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                let program = program.display();
                panic!("{program}: {error}; scripts/test-deps.sh installs it")
            });
        // taplo has no byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("invalid schema"), "{errors}");
        (!output.status.success()).then_some(errors)
    }
}

/// The files in a folder of `tests/config`.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(folder);
    let paths = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    paths
}

/// Whether a line of a report is about an unknown key, a value of another type, or a word that is
/// none of those that a key has.
fn is_about_shape(line: &str) -> bool {
    let Some((_, text)) = line.split_once(": ") else {
        return false;
    };
    let is_word = |text: &str| !NAMES.iter().any(|name| text.starts_with(name));
    text.starts_with("expected ") && text.contains(", found ")
        || text.strip_prefix("unknown ").is_some_and(is_word)
}

#[test]
fn the_schema_accepts_every_valid_file() {
    let linter = Linter::new();
    let files = files("valid");
    assert!(files.len() > 30, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let problems = linter.problems(&text);
        assert_eq!(problems, None, "{}", path.display());
    }
}

#[test]
fn the_schema_rejects_every_file_of_another_shape() {
    let linter = Linter::new();
    let mut wrong = Vec::new();
    let mut rejected = 0;
    for path in files("invalid") {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let report = std::fs::read_to_string(path.with_extension("report")).unwrap();
        let shape = report.lines().find(|line| is_about_shape(line));
        let text = std::fs::read_to_string(&path).unwrap();
        let is_rejected = linter.problems(&text).is_some();
        rejected += usize::from(is_rejected);
        let passed = PASSED.iter().find(|(known, _)| *known == name);
        match (shape, passed) {
            (Some(line), None) if !is_rejected => wrong.push(line.to_owned()),
            (_, Some((_, reason))) if is_rejected => wrong.push(format!("{name}: not {reason}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rejected > 50, "only {rejected} files are rejected");
}

#[test]
fn every_key_of_the_schema_is_explained() {
    let linter = Linter::new();
    let schema = linter.folder.path().join("ianitor/gateway.schema.json");
    let schema: serde_json::Value =
        serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let route = &schema["properties"]["routes"]["items"]["properties"];
    let text = route["policy"]["description"].as_str().unwrap();
    assert!(text.starts_with("A name from `[policies]`"), "{text}");
    assert!(!schema.to_string().contains("]("), "links lead nowhere");
}
