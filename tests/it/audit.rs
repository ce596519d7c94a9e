//! `log.audit`: the file of the audit log.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream, eventually};

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
