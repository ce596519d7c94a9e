//! `ianitor import nginx`: files that people have are translated, and nothing is more open than it
//! was.

mod crossplane;
mod differential;
mod mutations;
mod requests;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ianitor::import::{self, Imported, Outcome};
use ianitor::nginx::{Disk, parse_text};

/// A file of `tests/import`, without includes that are on no test machine.
pub(crate) fn source(name: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/import/{name}.nginx.conf"));
    let text = std::fs::read_to_string(path).unwrap();
    let is_elsewhere =
        |line: &str| line.trim_start().starts_with("include ") && !line.contains("jaas");
    let lines = text
        .lines()
        .map(|line| if is_elsewhere(line) { "" } else { line });
    let lines: Vec<&str> = lines.collect();
    lines.join("\n")
}

/// Every file of `tests/import`.
pub(crate) const SOURCES: [&str; 14] = [
    "a-janus-certbot",
    "b-websocket-on-janus",
    "c-jitsi-tenants",
    "h-typical-host",
    "janus-guide",
    "docker-jitsi",
    "bigbluebutton",
    "livekit",
    "linuxserver",
    "websockets",
    "static",
    "weights",
    "rewrites",
    "limits",
];

pub(crate) fn translate(name: &str, text: &str) -> Result<Imported, String> {
    let file = PathBuf::from(format!("{name}.conf"));
    let prefix = Path::new("/nowhere/nginx");
    let tree = parse_text(&file, text, prefix, &Disk).map_err(|error| error.to_string())?;
    Ok(import::nginx(&tree, prefix))
}

fn ianitor(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command.args(args).current_dir(folder).output().unwrap()
}

#[test]
fn a_typical_host_is_imported_with_every_line_that_needs_a_person() {
    let imported = translate("nginx", &source("h-typical-host")).unwrap();
    golden("h-typical-host.toml", &imported.toml);
    golden("h-typical-host.report.md", &imported.report.markdown());
}

/// Compares with a file, or writes it with BLESS=1.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        want == text,
        "{} is not what is written now; BLESS=1 writes it:\n{text}",
        path.display()
    );
}

#[test]
fn every_directive_has_a_line() {
    for name in SOURCES {
        let text = source(name);
        let imported = translate(name, &text).unwrap();
        let tree = parse_text(Path::new("x.conf"), &text, Path::new("/nowhere"), &Disk).unwrap();
        let mut left: Vec<_> = tree.directives.iter().collect();
        while let Some(directive) = left.pop() {
            let place = (directive.place.line, directive.place.column);
            let mut lines = imported.report.lines();
            assert!(
                lines.any(|line| (line.place.line, line.place.column) == place),
                "{name}: nothing about {}",
                directive.shown()
            );
            left.extend(directive.inner());
        }
    }
}

#[test]
fn what_was_wrong_is_said() {
    let guide = "server {\n listen 443 ssl;\n server_name media.example.com;\n\
         ssl_certificate /etc/letsencrypt/archive/media.example.com/fullchain1.pem;\n\
         ssl_certificate_key /etc/letsencrypt/archive/media.example.com/privkey1.pem;\n\
         location /janus {\n  proxy_pass http://localhost:8088\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n \
         proxy_read_timeout 60s;\n }\n\
         location /admin { proxy_pass http://localhost:7088; }\n\
         location ~ ^/b/([0-9.]+)$ { proxy_pass http://$1:9090; }\n}\n";
    let imported = translate("guide", guide).unwrap();
    let wrong: Vec<String> = imported
        .report
        .lines()
        .filter(|line| line.outcome == Outcome::WasWrong)
        .map(|line| format!("{}: {}", line.place, line.text))
        .collect();
    let wrong = wrong.join("\n");
    for want in [
        "guide.conf:4:1: a file in archive is not renewed",
        "guide.conf:6:1: path = \"/janus\": /januswhatever was matched too",
        "guide.conf:7:3: it has no \";\" at its end",
        "guide.conf:8:1: it was appended to what the client sent",
        "guide.conf:9:2: long polls and quiet WebSockets were cut",
        "everybody could control the server there; /admin admits this machine alone",
        "refused: a part of the path chooses the server",
    ] {
        assert!(wrong.contains(want), "{want} is not in:\n{wrong}");
    }
    assert!(
        imported
            .toml
            .contains("[policies.admin]\nallow = [\"127.0.0.1\", \"::1\"]")
    );
    assert!(
        imported
            .toml
            .contains("{ hosts = [\"media.example.com\"] }")
    );
}

#[test]
fn the_command_writes_both_files_and_overwrites_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nginx.conf"), source("livekit")).unwrap();
    let args = [
        "import",
        "nginx",
        "nginx.conf",
        "-o",
        "gateway.toml",
        "--report",
        "report.md",
    ];
    let out = ianitor(folder.path(), &args);
    assert!(out.status.success(), "{out:?}");
    let toml = std::fs::read_to_string(folder.path().join("gateway.toml")).unwrap();
    let report = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(toml.contains("host = \"whip.example.com\"") && report.contains("## Was wrong"));

    let out = ianitor(folder.path(), &args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1));
    assert!(
        said.contains("gateway.toml: exists already, and nothing is overwritten"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(folder.path().join("gateway.toml")).unwrap(),
        toml
    );
}

#[test]
fn a_dump_and_a_file_with_includes_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::create_dir(here.join("sites")).unwrap();
    let main = "events { }\nhttp {\n    include sites/*.conf;\n}\n";
    std::fs::write(here.join("nginx.conf"), main).unwrap();
    std::fs::write(here.join("sites/a.conf"), source("websockets")).unwrap();
    let by_file = ianitor(
        here,
        &["import", "nginx", here.join("nginx.conf").to_str().unwrap()],
    );
    let dump = format!(
        "# configuration file {0}/nginx.conf:\n{main}\n\
         # configuration file {0}/sites/a.conf:\n{1}\n",
        here.display(),
        source("websockets")
    );
    std::fs::write(here.join("dump"), dump).unwrap();
    let script = format!("{} import nginx - <dump", env!("CARGO_BIN_EXE_ianitor"));
    let by_dump = Command::new("sh")
        .args(["-c", &script])
        .current_dir(here)
        .output()
        .unwrap();
    assert!(
        by_file.status.success() && by_dump.status.success(),
        "{by_file:?} {by_dump:?}"
    );
    assert_eq!(by_file.stdout, by_dump.stdout);
    assert!(!by_file.stdout.is_empty());
}

#[test]
fn bad_input_gives_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, status, want) in [
        (
            "server {",
            78,
            "nginx.conf:1:8: the block has no end; close it with }",
        ),
        ("include gone.conf;", 78, "gone.conf cannot be read"),
        ("include nginx.conf;", 78, "nginx.conf includes itself"),
        ("\0\u{1}", 78, "has no \";\" at its end"),
    ] {
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let out = ianitor(folder.path(), &["import", "nginx", "nginx.conf"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(status), "{said}");
        assert!(said.contains(want) && said.lines().count() == 1, "{said}");
    }
    let out = ianitor(folder.path(), &["import", "nginx", "none.conf"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("none.conf: cannot be read") && out.status.code() == Some(1),
        "{said}"
    );
}
