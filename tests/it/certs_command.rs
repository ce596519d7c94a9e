//! `ianitor certs`: what there is, and what is said where something cannot be done.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ianitor::clock::UnixTime;
use ianitor::secret::Secret;
use ianitor::store::folder::Folder;
use ianitor::store::{Bundle, CertStore as _, Meta, Name, OrderRecord};
use tempfile::TempDir;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};

const ACME: &str = r#"
[acme]
directory = "https://127.0.0.1:1/directory"
certificates = [
  { hosts = ["media.test", "www.media.test"] },
  { hosts = ["turn.test", "www.media.test"] },
]
"#;

const DEPLOY: &str = r#"
[[deploy]]
hosts = ["media.test"]
to = "coturn"
cert = "there.pem"
key = "there.key"

[[deploy]]
hosts = ["media.test"]
to = "janus"
cert = "absent.pem"
key = "absent.key"

[[deploy]]
hosts = ["turn.test"]
to = "files"
cert = "turn.pem"
key = "turn.key"
"#;

/// A folder with a configuration and a store.
struct Site {
    folder: TempDir,
    store: Folder,
}

impl Site {
    fn new(tables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("gateway.toml"), config(tables).text()).unwrap();
        let store = Folder::new(folder.path().join("certs/acme"));
        Self { folder, store }
    }

    /// With a certificate for `media.test`.
    fn with_certificate(tables: &str) -> Self {
        let site = Self::new(tables);
        site.store
            .put_certificate(&name("media.test"), &bundle())
            .unwrap();
        site
    }

    fn certs(&self, args: &[&str]) -> Output {
        certs(&self.folder.path().join("gateway.toml"), args)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

fn config(tables: &str) -> Config {
    Config::to(&Upstream::ok()).table(tables)
}

fn certs(config: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .arg("certs")
        .args(args)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output, status: i32) -> String {
    let text = [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat();
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Ends in the year 2096.
fn bundle() -> Bundle {
    let made =
        rcgen::generate_simple_self_signed(["media.test".to_owned(), "www.media.test".to_owned()])
            .unwrap();
    Bundle {
        chain: made.cert.pem(),
        key: Secret::new(made.signing_key.serialize_pem()),
        meta: Meta {
            hosts: vec!["media.test".to_owned(), "www.media.test".to_owned()],
            key_type: "ecdsa-p256".to_owned(),
            directory: "https://127.0.0.1:1/directory".to_owned(),
            profile: None,
            issued: UnixTime(1_780_000_000),
            serial: "04ab12".to_owned(),
            issuer: "Test CA".to_owned(),
            not_before: UnixTime(1_780_000_000),
            not_after: UnixTime(4_000_000_000),
            spread: 0.5,
            revoked: None,
        },
    }
}

/// The lines about one certificate, up to the next.
fn block<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let from = text.lines().skip_while(|line| !line.starts_with(name));
    from.enumerate()
        .take_while(|(at, line)| *at == 0 || line.starts_with("  "))
        .map(|(_, line)| line)
        .collect()
}

/// As the hub leaves them.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_table_tells_what_there_is() {
    let site = Site::with_certificate(&format!("{ACME}{DEPLOY}"));
    let stored = site
        .store
        .certificate(&name("media.test"))
        .unwrap()
        .unwrap();
    write_private(&site.at("there.pem"), &stored.bundle.chain);
    write_private(&site.at("there.key"), stored.bundle.key.reveal());
    let next = Some(UnixTime(3_900_000_000));
    let why = "two thirds of its lifetime".to_owned();
    site.store
        .put_order_record(
            &name("media.test"),
            &OrderRecord {
                next,
                why,
                ..OrderRecord::default()
            },
        )
        .unwrap();
    let failing = OrderRecord {
        next: Some(UnixTime(1)),
        why: "there is no certificate".to_owned(),
        failures: 3,
        error: Some("the CA says \"no such name\" (dns)".to_owned()),
        ..OrderRecord::default()
    };
    site.store
        .put_order_record(&name("turn.test"), &failing)
        .unwrap();

    let text = said(&site.certs(&[]), 0);
    assert!(
        !text.contains('\x1b') && text.starts_with("CERTIFICATE  ISSUER"),
        "{text}"
    );
    let media = block(&text, "media.test");
    assert!(
        media[0].starts_with("media.test   Test CA  2096-10-02 07:06 (in "),
        "{text}"
    );
    assert!(
        media[0].contains(" days)  2093-08-01 21:20 (in ")
            && media[0].ends_with("  1 of 2 in sync"),
        "{text}"
    );
    let beneath = [
        "  hosts     media.test, www.media.test".to_owned(),
        "  serial    04ab12".to_owned(),
        "  next      two thirds of its lifetime".to_owned(),
        "  coturn    in sync (deploy[0])".to_owned(),
        format!(
            "  janus     missing: {} (deploy[1])",
            site.at("absent.pem").display()
        ),
    ];
    assert_eq!(media[1..], beneath);
    let turn = block(&text, "turn.test");
    assert_eq!(
        turn[0].split_whitespace().collect::<Vec<_>>().join(" "),
        "turn.test - none yet now 0 of 1 in sync"
    );
    let beneath = [
        "  hosts     turn.test, www.media.test",
        "  next      there is no certificate",
        "  failed    3 times: the CA says \"no such name\" (dns)",
        "  files     waits for the certificate (deploy[2])",
    ];
    assert_eq!(turn[1..], beneath);
}

#[test]
fn the_table_is_json_for_programs() {
    let site = Site::with_certificate(&format!("{ACME}{DEPLOY}"));
    site.store
        .revoked(&name("media.test"), UnixTime(1_790_000_000))
        .unwrap();
    let all: serde_json::Value = serde_json::from_str(&said(&site.certs(&["--json"]), 0)).unwrap();
    let media = &all[0];
    assert_eq!(media["name"], "media.test");
    assert_eq!(
        media["hosts"],
        serde_json::json!(["media.test", "www.media.test"])
    );
    assert_eq!(media["certificate"]["serial"], "04ab12");
    assert_eq!(media["certificate"]["not_after"], "2096-10-02T07:06:40Z");
    assert_eq!(media["certificate"]["revoked"], "2026-09-21T14:13:20Z");
    assert_eq!(
        (&media["next"], &media["error"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(media["consumers"][1]["key"], "deploy[1]");
    assert_eq!(media["consumers"][1]["in_sync"], false);
    assert_eq!(
        (&all[1]["name"], &all[1]["certificate"]),
        (&"turn.test".into(), &serde_json::Value::Null)
    );
    let text = said(&site.certs(&[]), 0);
    assert!(
        text.contains("(REVOKED)") && text.contains("  revoked   2026-09-21T14:13:20Z\n"),
        "{text}"
    );
}

#[test]
fn what_is_damaged_is_told_beside_what_is_not() {
    let site = Site::with_certificate(ACME);
    site.store
        .put_certificate(&name("turn.test"), &bundle())
        .unwrap();
    fs::write(
        site.at("certs/acme/certificates/media.test/0001/privkey.pem"),
        "",
    )
    .unwrap();
    let text = said(&site.certs(&[]), 1);
    assert!(
        block(&text, "media.test")[0].contains("unreadable"),
        "{text}"
    );
    assert!(text.contains("0001 is damaged: privkey.pem: "), "{text}");
    // And it is for other hosts than it is to be.
    assert!(
        block(&text, "turn.test").contains(&"  still for media.test, www.media.test"),
        "{text}"
    );
    let all: serde_json::Value = serde_json::from_slice(&site.certs(&["--json"]).stdout).unwrap();
    assert!(
        all[0]["store_error"].as_str().unwrap().contains("damaged"),
        "{all}"
    );
}

#[test]
fn what_cannot_be_meant_is_told_with_what_there_is() {
    let site = Site::new(ACME);
    for (args, status, expected) in [
        (
            &["renew", "other.test"][..],
            64,
            "no certificate for \"other.test\"; it has: media.test (media.test www.media.test), ",
        ),
        (
            &["revoke", "*"],
            64,
            "certificate for \"*\"; it has: media.test (media.test www.media.test), ",
        ),
        (
            &["renew", "www.media.test"],
            64,
            "which one for www.media.test? write its name: media.test, turn.test\n",
        ),
        (
            &["--json", "renew", "media.test"],
            64,
            "--json is for the table",
        ),
        (
            &["--wait", "1", "renew", "media.test"],
            64,
            "this --wait is for the table",
        ),
        (
            &["renew", "media.test", "--wait", "soon"],
            64,
            "is not a duration",
        ),
        (
            &["revoke", "media.test", "--reason", "boredom"],
            64,
            "is none of unspecified, keyCompromise, superseded",
        ),
        (&["renew", "MEDIA.test", "--dry-run"], 78, "staging"),
        (
            &["revoke", "media.test", "--yes"],
            1,
            "media.test: has no certificate to revoke\n",
        ),
    ] {
        let text = said(&site.certs(args), status);
        assert!(text.contains(expected), "{args:?}: {text}");
    }
    assert!(!site.at("certs/acme").exists(), "nothing was asked for");
    let text = said(&Site::new("").certs(&[]), 78);
    assert!(
        text.ends_with(
            "gateway.toml: has no [acme] table, so that ianitor orders no certificates\n"
        ),
        "{text}"
    );
}

#[test]
fn without_a_gateway_a_renewal_fails_and_nothing_is_left() {
    let site = Site::with_certificate(ACME);
    let entries = fs::read_dir(site.at("certs/acme")).unwrap();
    let before: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    let text = said(&site.certs(&["renew", "media.test", "--wait", "1"]), 1);
    assert!(
        text.starts_with("media.test: not ordered: no gateway listens at the control socket "),
        "{text}"
    );
    assert!(
        text.contains(site.at("control.sock").to_str().unwrap()),
        "{text}"
    );
    assert!(!text.contains("asking"), "{text}");
    let left = fs::read_dir(site.at("certs/acme")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, before);
}

#[test]
fn a_renewal_is_answered_with_the_error_of_a_store_that_cannot_be_used() {
    let site = Site::new(ACME);
    let store = site.at("file");
    fs::write(&store, "").unwrap();
    let acme = format!("{ACME}store = \"{}\"\n", store.display());
    let gateway = GatewayProcess::start(&config(&acme));
    let args = ["renew", "media.test", "--wait", "60"];
    let text = said(&certs(&gateway.config_path(), &args), 1);
    let answer = "media.test: not ordered: ";
    assert!(
        text.contains(answer) && text.contains("not a directory"),
        "{text}"
    );
    gateway.event("cannot be written; let the user that runs ianitor write there");
}

/// As long as one is missing, is of another CA, has ended or was revoked.
#[test]
fn a_script_waits_until_all_are_there() {
    let site = Site::with_certificate(ACME);
    let text = said(&site.certs(&["--wait", "0"]), 1);
    assert!(block(&text, "turn.test")[0].contains("none yet"), "{text}");
    let of_turn = |change: &dyn Fn(&mut Meta)| {
        let mut bundle = bundle();
        bundle.meta.hosts = vec!["turn.test".to_owned(), "www.media.test".to_owned()];
        change(&mut bundle.meta);
        site.store
            .put_certificate(&name("turn.test"), &bundle)
            .unwrap();
    };
    for change in [
        &(|meta: &mut Meta| meta.directory = "https://127.0.0.1:1/staging".to_owned())
            as &dyn Fn(&mut Meta),
        &|meta| meta.not_after = UnixTime(1_780_000_001),
        &|meta| meta.revoked = Some(UnixTime(1_780_000_001)),
    ] {
        of_turn(change);
        said(&site.certs(&["--wait", "0"]), 1);
        said(&site.certs(&[]), 0);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .args(["certs", "--config"])
        .arg(site.at("gateway.toml"))
        .arg("--wait")
        .stdout(Stdio::piped());
    let mut waiting = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(waiting.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "waiting for turn.test\n");
    of_turn(&|_| {});
    let text = said(&waiting.wait_with_output().unwrap(), 0);
    assert!(
        block(&text, "turn.test")
            .iter()
            .any(|line| line.contains("04ab12")),
        "{text}"
    );
}

/// The gateway runs with what the file said before.
#[test]
fn a_gateway_that_has_no_staging_says_to_reload() {
    let gateway = GatewayProcess::start(&config(ACME));
    let text = config(&format!(
        "{ACME}staging = \"https://127.0.0.1:1/staging\"\n"
    ));
    fs::write(gateway.config_path(), text.text()).unwrap();
    let text = said(
        &certs(
            &gateway.config_path(),
            &["renew", "media.test", "--dry-run"],
        ),
        1,
    );
    assert!(
        text.contains(
            "the running gateway has no directory to try things out with; write \
            acme.staging and reload it"
        ),
        "{text}"
    );
}

#[test]
fn nothing_is_revoked_unasked_or_unheard() {
    let site = Site::with_certificate(ACME);
    let text = said(&site.certs(&["revoke", "media.test"]), 64);
    assert_eq!(
        text,
        "revoking cannot be undone, and there is no terminal to ask; write --yes if it is meant\n"
    );
    let text = said(
        &site.certs(&["revoke", "media.test", "--yes", "--reason", "keyCompromise"]),
        1,
    );
    assert!(
        text.starts_with("media.test: not revoked: ") && text.contains("connection refused"),
        "{text}"
    );
    let held = site.store.try_lock("media.test.order").unwrap().unwrap();
    let text = said(&site.certs(&["revoke", "media.test", "--yes"]), 1);
    assert!(
        text.contains("a new one is being ordered at this moment"),
        "{text}"
    );
    drop(held);
    assert_eq!(
        site.store
            .certificate(&name("media.test"))
            .unwrap()
            .unwrap()
            .bundle
            .meta
            .revoked,
        None
    );
}

/// The gateway does what is asked for and answers, also if the CA is away.
#[test]
fn a_running_gateway_takes_the_wish_and_its_words_are_told() {
    let acme = format!("{ACME}staging = \"https://127.0.0.1:1/staging\"\n");
    let gateway = GatewayProcess::start(&config(&acme));
    for (args, expected) in [
        (&["renew", "media.test"][..], "media.test: not ordered: "),
        (
            &["renew", "turn.test", "--dry-run"],
            "turn.test: not ordered at the staging directory: ",
        ),
    ] {
        let text = said(&certs(&gateway.config_path(), args), 1);
        assert!(
            text.contains(expected) && text.contains("connection refused"),
            "{text}"
        );
    }
    let text = said(&certs(&gateway.config_path(), &[]), 0);
    assert!(
        block(&text, "media.test")
            .iter()
            .any(|line| line.starts_with("  failed    ")),
        "{text}"
    );
}

#[test]
fn what_a_ca_says_steers_no_terminal() {
    let site = Site::new(ACME);
    let foreign = "CA\n\u{9b}31m\u{202e}\u{2028}\u{200b}";
    let mut bundle = bundle();
    bundle.meta.issuer = foreign.to_owned();
    site.store
        .put_certificate(&name("media.test"), &bundle)
        .unwrap();
    let failing = OrderRecord {
        failures: 1,
        error: Some(foreign.to_owned()),
        why: foreign.to_owned(),
        ..OrderRecord::default()
    };
    site.store
        .put_order_record(&name("media.test"), &failing)
        .unwrap();
    let steers =
        |c: char| c != '\n' && (c.is_control() || foreign[2..].contains(c) && !c.is_ascii());
    let table = said(&site.certs(&[]), 0);
    assert!(!table.contains(steers), "{}", table.escape_debug());
    assert_eq!(
        table
            .matches("CA\\n\\u{9b}31m\\u{202e}\\u{2028}\\u{200b}")
            .count(),
        3,
        "{table}"
    );
    let json = said(&site.certs(&["--json"]), 0);
    assert!(!json.contains(steers), "{}", json.escape_debug());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (
            value[0]["certificate"]["issuer"].as_str(),
            value[0]["error"].as_str()
        ),
        (Some(foreign), Some(foreign))
    );
}
