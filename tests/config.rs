//! Golden configurations. Each `tests/config/invalid/NAME.toml` has its report in `NAME.report`.
//! Each `tests/config/valid/NAME.toml` is taken; it has its warnings in `NAME.warnings`, if it
//! warns, and perhaps what `ianitor check` shows of it in `NAME.summary`. `BLESS=1` writes what
//! came out; read the difference before it is committed.

#![allow(clippy::unwrap_used)] // the lint knows tests by their attribute, and these have helpers

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ianitor::acme::{AcmeSpec, ChallengeKind};
use ianitor::config::{ConfigError, load, parse, summary};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(name)
}

/// The stems of the files with this extension.
fn stems(folder: &Path, extension: &str) -> BTreeSet<String> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let with = paths.filter(|path| path.extension().is_some_and(|e| e == extension));
    with.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn read(folder: &Path, stem: &str) -> (PathBuf, String) {
    let name = PathBuf::from(format!("{stem}.toml"));
    let text = fs::read_to_string(folder.join(&name)).unwrap();
    (name, text)
}

/// Compares with the golden file, or writes it; an empty text has none.
fn golden(path: &Path, got: &str, wrong: &mut Vec<String>) {
    let want = fs::read_to_string(path).unwrap_or_default();
    if want == got {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        if got.is_empty() {
            fs::remove_file(path).unwrap()
        } else {
            fs::write(path, got).unwrap()
        }
        return;
    }
    let mut diff = format!("{}:", path.display());
    for line in want.lines().filter(|line| !got.lines().any(|l| l == *line)) {
        diff += &format!("\n  - {line}");
    }
    for line in got.lines().filter(|line| !want.lines().any(|l| l == *line)) {
        diff += &format!("\n  + {line}");
    }
    if !diff.contains('\n') {
        diff += &format!(" other order, or blank lines\n{got}");
    }
    wrong.push(diff);
}

fn lines(report: &impl ToString) -> String {
    let text = report.to_string();
    if text.is_empty() { text } else { text + "\n" }
}

fn assert_none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "\n{}\nBLESS=1 cargo test --test config accepts this\n",
        wrong.join("\n")
    );
}

#[test]
fn each_mistake_has_its_report() {
    let folder = folder("invalid");
    let stems_toml = stems(&folder, "toml");
    assert!(stems_toml.len() >= 45, "files are missing");
    let mut wrong = Vec::new();
    for stem in &stems_toml {
        let (name, text) = read(&folder, stem);
        match parse(&name, &text) {
            Ok(_) => wrong.push(format!("{stem}.toml: is taken")),
            Err(report) => golden(
                &folder.join(stem).with_extension("report"),
                &lines(&report),
                &mut wrong,
            ),
        }
    }
    let orphans = stems(&folder, "report")
        .into_iter()
        .filter(|stem| !stems_toml.contains(stem));
    wrong.extend(orphans.map(|stem| format!("{stem}.report: there is no {stem}.toml")));
    assert_none(&wrong);
}

#[test]
fn valid_files_are_taken() {
    let folder = folder("valid");
    let stems_toml = stems(&folder, "toml");
    let mut wrong = Vec::new();
    for stem in &stems_toml {
        let (name, text) = read(&folder, stem);
        match parse(&name, &text) {
            Ok(loaded) => golden(
                &folder.join(stem).with_extension("warnings"),
                &lines(&loaded.warnings),
                &mut wrong,
            ),
            Err(report) => wrong.push(format!("{stem}.toml is refused:\n{report}")),
        }
    }
    let orphans = stems(&folder, "warnings")
        .into_iter()
        .chain(stems(&folder, "summary"));
    let orphans = orphans.filter(|stem| !stems_toml.contains(stem));
    wrong.extend(orphans.map(|stem| format!("{stem}: there is no {stem}.toml")));
    assert_none(&wrong);
}

#[test]
fn the_summary_is_a_readable_table() {
    let folder = folder("valid");
    let mut wrong = Vec::new();
    for stem in stems(&folder, "summary") {
        let (name, text) = read(&folder, &stem);
        let loaded = parse(&name, &text).unwrap_or_else(|report| panic!("{report}"));
        golden(
            &folder.join(stem).with_extension("summary"),
            &summary(&loaded.config),
            &mut wrong,
        );
    }
    assert_none(&wrong);
}

/// Whatever a slip of the editor makes of a file, there is a configuration or a report that says
/// why not.
#[test]
fn broken_files_are_reported_and_never_panic() {
    for stem in ["everything", "routes", "acme"] {
        break_everywhere(stem);
    }
}

fn break_everywhere(stem: &str) {
    let (name, text) = read(&folder("valid"), stem);
    let check = |text: &str| {
        if let Err(report) = parse(&name, text) {
            assert!(!report.is_empty(), "refused without a reason:\n{text}");
            assert!(
                report
                    .problems()
                    .iter()
                    .all(|p| p.line >= 1 && p.column >= 1 && !p.text.contains('\n'))
            );
        }
    };
    for (at, char) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + char.len_utf8()..]);
        check(before);
        check(&format!("{before}{after}"));
        for other in ["\"", "[", "]", "=", "\n", "{", "ß", "\0", "9", "."] {
            check(&format!("{before}{other}{after}"));
        }
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("config-files");
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    for (path, want) in [
        (folder.join("none.toml"), "no such file"),
        (folder.clone(), "is a folder"),
        (
            write("latin1.toml", b"[log]\n# caf\xe9\n"),
            "latin1.toml:2: is not UTF-8",
        ),
        (
            write("large.toml", &vec![b'#'; (1 << 20) + 1]),
            "larger than 1024 KiB",
        ),
        (write("empty.toml", b""), "routes: there is none"),
        (write("file", b"").join("gateway.toml"), "cannot be read"),
    ] {
        let failure = load(&path).unwrap_err().to_string();
        assert!(
            failure.contains(want) && failure.starts_with(path.to_str().unwrap()),
            "{failure}"
        );
    }
}

#[test]
fn a_file_that_is_no_configuration_is_named_in_one_line() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("foreign-files");
    fs::create_dir_all(&folder).unwrap();
    let nginx = "http {\n  listen 443 ssl;\n  proxy_pass http://a;\n}\n".repeat(50);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}", "MIIB\n".repeat(50));
    for (name, bytes, kind) in [
        ("nginx.conf", nginx.as_bytes(), "written as for NGINX"),
        ("fullchain.pem", pem.as_bytes(), "PEM"),
        ("ianitor", b"\x7fELF\x02\0\0\xff\n\xff", "a binary file"),
        ("gateway.json", b"{\n\"listen\": {}\n}\n", "JSON"),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let failure = load(&path).unwrap_err().to_string();
        let want = format!(
            "{}: is {kind}, and no gateway.toml; name that with --config",
            path.display()
        );
        assert_eq!(failure, want);
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = fs::read_to_string(folder("valid").join("everything.toml")).unwrap();
    let tls = parse(Path::new("/etc/ianitor/gateway.toml"), &text)
        .unwrap()
        .config
        .tls;
    let pairs: Vec<_> = tls
        .certificates
        .iter()
        .map(|pair| (pair.cert.to_str().unwrap(), pair.key.to_str().unwrap()))
        .collect();
    assert_eq!(
        pairs,
        [
            (
                "/etc/ianitor/certs/fullchain.pem",
                "/etc/ianitor/certs/privkey.pem"
            ),
            ("/etc/kurento/cert+key.pem", "/etc/kurento/cert+key.pem"),
        ]
    );
    assert_eq!(tls.certificates[1].config_key, "tls.certificates[1]");
    assert_eq!(tls.dev_folder, Path::new("/etc/ianitor/certs"));
}

#[test]
fn what_is_ordered_has_names_and_defaults() {
    let config = |stem| {
        let text = fs::read_to_string(folder("valid").join(stem)).unwrap();
        parse(Path::new("/etc/ianitor/gateway.toml"), &text)
            .unwrap()
            .config
    };
    let small = config("acme_small.toml");
    let acme = small.acme.unwrap();
    assert_eq!(&*acme.directory, AcmeSpec::LETS_ENCRYPT);
    assert_eq!(
        acme.staging.as_deref(),
        Some(AcmeSpec::LETS_ENCRYPT_STAGING)
    );
    assert_eq!(acme.store, Path::new("/etc/ianitor/certs/acme"));
    // Nobody would come to a plain listener that there is not.
    assert_eq!(acme.challenges, [ChallengeKind::TlsAlpn01]);
    assert!(!acme.placeholder && !small.tls.placeholder);

    let all = config("acme.toml");
    let acme = all.acme.unwrap();
    let names: Vec<&str> = acme
        .certificates
        .iter()
        .map(|cert| cert.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "media.example.com",
            "media.example.com.rsa-2048",
            "localhost.ecdsa-p384"
        ]
    );
    assert_eq!(acme.contact, ["mailto:ops@example.com"]);
    assert!(acme.placeholder && all.tls.placeholder);
    let ordered: Vec<_> = all
        .tls
        .ordered
        .iter()
        .map(|one| (one.hosts.len(), one.config_key.as_str()))
        .collect();
    assert_eq!(
        ordered,
        [
            (2, "acme.certificates[0]"),
            (1, "acme.certificates[1]"),
            (1, "acme.certificates[2]")
        ]
    );
    let certificates: Vec<&str> = all
        .deploy
        .iter()
        .map(|spec| spec.certificate.as_str())
        .collect();
    assert_eq!(
        certificates,
        [names[0], names[1], names[0], names[2], names[2]]
    );
    assert_eq!(
        all.deploy[0].files[1].path,
        Path::new("/etc/ianitor/out/coturn/privkey.pem")
    );
    assert_eq!((all.deploy[0].mode, all.deploy[1].mode), (0o640, 0o600));
}

#[test]
fn a_missing_file_is_a_failure_without_a_report() {
    assert!(matches!(
        load(Path::new("/nonexistent/gateway.toml")),
        Err(ConfigError::Missing(_))
    ));
}

#[test]
fn the_shipped_file_is_good() {
    let loaded = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml"))
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}
