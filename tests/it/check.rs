//! `ianitor check` and the files that a configuration names: what is wrong with any of them is said
//! in one run, and what a start would warn about is a warning here.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::issuer::{KeyServer, Says};
use crate::harness::{Config, TestGateway, Upstream};

/// A configuration that names a file of each kind.
const CONFIG: &str = r#"
[listen]
https = ["127.0.0.1:0"]
[tls]
certificates = [{ cert = "site.pem", key = "site-key.pem" }]
[upstreams.app]
servers = ["https://127.0.0.1:1"]
ca_file = "ca.pem"
protocol = "janus"
secret_file = "api-secret"
token_auth_secret_file = "token-secret"
[issuers.staff]
algorithms = ["HS256"]
secret_file = "secret"
audience = "any"
revoked_file = "revoked"
[issuers.keys]
algorithms = ["ES256"]
jwks_url = "https://127.0.0.1:1/"
ca_file = "keys-ca.pem"
audience = "any"
[policies.staff]
issuers = ["staff", "keys"]
[turn.coturn]
secret_file = "turn"
uris = ["turn:192.0.2.1"]
api_keys_file = "turn-keys"
[[routes]]
path = "/"
upstream = "app"
policy = "staff"
[[routes]]
path = "/turn"
turn = "coturn"
policy = "staff"
"#;

fn check(folder: &Path, config: &str) -> Output {
    check_with(folder, config, &[])
}

fn check_with(folder: &Path, config: &str, more: &[&str]) -> Output {
    std::fs::write(folder.join("gateway.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .current_dir(folder)
        .args(["check", "--config", "gateway.toml"])
        .args(more)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn no_problem_with_a_file_hides_another() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), CONFIG);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    let keys = [
        "tls.certificates[0].cert",
        "tls.certificates[0].key",
        "upstreams.app.ca_file",
        "issuers.keys.ca_file",
        "issuers.staff.secret_file",
        "issuers.staff.revoked_file",
        "upstreams.app.secret_file",
        "upstreams.app.token_auth_secret_file",
        "turn.coturn.secret_file",
        "turn.coturn.api_keys_file",
    ];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), keys.len(), "{said}");
    for (line, key) in lines.iter().zip(keys) {
        // Behind the place of the value.
        let (place, rest) = line.split_once(' ').unwrap();
        let numbers = place.strip_prefix("gateway.toml:").unwrap();
        let (row, column) = numbers.split_once(':').unwrap();
        let (row, column): (usize, usize) = (row.parse().unwrap(), column.parse().unwrap());
        let before = &CONFIG.lines().nth(row - 1).unwrap()[..column - 1];
        let name = key.rsplit('.').next().unwrap();
        assert!(before.ends_with(&format!("{name} = ")), "{key}: {line}");
        assert!(rest.starts_with(&format!("{key}: ")), "{key}: {line}");
    }
}

#[test]
fn a_short_secret_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let without = [
        "ca_file = \"ca.pem\"\n",
        "ca_file = \"keys-ca.pem\"\n",
        "revoked_file = \"revoked\"\n",
        "token_auth_secret_file = \"token-secret\"\n",
    ];
    let config = without
        .iter()
        .fold(CONFIG.to_owned(), |config, line| config.replace(line, ""));
    let config = config.replace(
        "certificates = [{ cert = \"site.pem\", key = \"site-key.pem\" }]",
        "self_signed = [\"localhost\"]",
    );
    for (name, length) in [
        ("secret", 31),
        ("api-secret", 12),
        ("turn", 15),
        ("turn-keys", 9),
    ] {
        std::fs::write(folder.path().join(name), "x".repeat(length) + "\n").unwrap();
    }
    let output = check(folder.path(), &config);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    for warning in [
        "issuers.staff.secret_file: the secret is shorter than its hash",
        "turn.coturn.secret_file: the secret has 15 bytes",
        "turn.coturn.api_keys_file: ",
    ] {
        assert!(
            said.contains(&format!("warning: gateway.toml: {warning}")),
            "{warning}\n{said}"
        );
    }
    assert!(said.contains("turn-keys:1 is a key of 9 bytes"), "{said}");
    std::fs::write(folder.path().join("secret"), "x".repeat(32)).unwrap();
    assert!(
        !stderr(&check(folder.path(), &config))
            .contains("issuers.staff.secret_file: the secret is shorter")
    );
}

/// Certificates from a CA, and a server that gets them.
const ORDERED: &str = r#"
[listen]
https = ["127.0.0.1:0"]
[acme]
directory_ca = "ca.pem"
store = "file/store"
certificates = [{ hosts = ["media.test"] }]
directory = "https://ca.test/"
external_account = { key_id = "1", key_file = "eab" }
[[deploy]]
host = "media.test"
to = "coturn"
cert = "none/cert.pem"
key = "none/key.pem"
owner = "nobody-of-this-name"
reload = { signal = "USR2", pid_file = "coturn.pid" }
[[routes]]
host = "media.test"
path = "/"
files = "site"
policy = "open"
"#;

#[test]
fn what_keeps_ordered_certificates_from_coming_or_going_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    std::fs::create_dir(folder.path().join("site")).unwrap();
    let output = check(folder.path(), ORDERED);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(
        stderr(&output).starts_with("gateway.toml:5:16 acme.directory_ca: "),
        "{}",
        stderr(&output)
    );

    let output = check(
        folder.path(),
        &ORDERED.replace("directory_ca = \"ca.pem\"\n", ""),
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let mut lines = said.lines();
    for key in [
        "acme.store: ",
        "acme.external_account: eab cannot be read",
        "deploy[0].owner: this machine has no user",
        "deploy[0]: the folder none is missing",
        "deploy[0]: the pid file coturn.pid cannot be read",
    ] {
        let line = lines.next().unwrap_or_default();
        assert!(
            line.contains(&format!("gateway.toml: {key}")),
            "{key}: {said}"
        );
    }
    assert_eq!(lines.next(), None, "{said}");
}

/// The CA is asked for what there is, and no account is made; of the servers one is there, with
/// whatever certificate.
#[test]
fn live_asks_the_ca_and_the_servers_that_get_its_certificates() {
    let ca = KeyServer::start();
    let meta =
        r#"{"profiles": {"classic": "", "shortlived": ""}, "externalAccountRequired": true}"#;
    ca.says("/directory", Says::ok(format!("{{\"meta\": {meta}}}")));
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let neighbour = TestGateway::start(&Config::to(&upstream).tls("self_signed = [\"a.test\"]"));
    let tls = neighbour.https();
    let deploy = |name: &str, at: &str| {
        format!(
            "[[deploy]]\nhost = \"a.test\"\nto = \"files\"\ncombined = \"{name}.pem\"\n\
             verify = \"{at}\"\n"
        )
    };
    let text = Config::to(&upstream)
        .table(&format!("[acme]\ndirectory = \"{}\"", ca.url("/directory")))
        .table(
            "certificates = [{ hosts = [\"a.test\"] }, { hosts = [\"b.test\"], profile = \
                \"long\" }]",
        )
        .table(&format!(
            "{}{}",
            deploy("one", &tls.to_string()),
            deploy("other", "127.0.0.1:1")
        ))
        .text();
    let output = check_with(folder.path(), &text, &["--live"]);
    let said = String::from_utf8(output.stdout).unwrap();
    for expected in [
        format!(
            "CA\n  {}  ok: answers; profiles: classic, shortlived\n",
            ca.url("/directory")
        ),
        "  acme.certificates[1]  problem: the CA has no profile \"long\"; it has classic, \
         shortlived\n"
            .to_owned(),
        "  acme  problem: the CA wants an account that you have with it".to_owned(),
        format!("deployments\n  deploy[0]  {tls}  ok: answers by TLS, with the certificate "),
        "  deploy[1]  127.0.0.1:1  problem: nothing answers at 127.0.0.1:1".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected}: {said}");
    }
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(ca.asked(), ["/directory"]);
    ca.says("/directory", Says::ok("<html>"));
    let output = check_with(folder.path(), &text, &["--live"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("answered with what is no ACME directory; is it the right URL?"),
        "{said}"
    );
}

#[test]
fn a_configuration_is_named_once_and_no_error_repeats_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let output = check_with(folder.path(), CONFIG, &["other.toml"]);
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        stderr(&output),
        "which configuration, gateway.toml or other.toml? Write one of them\n"
    );
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
    for arguments in [
        &["check", token][..],
        &["check", "--explain", "--policy", token, "-"],
        &[
            "check",
            "--explain",
            "--policy",
            "staff",
            "--token",
            token,
            "-",
        ],
        &["check", "--confg", token],
        &["reload", token],
        &["run", token],
        &["token", "mint", "--issuer", token],
        &["token", "mint", "--issuer", "staff", "--claim", token],
        &["token", "mint", "--issuer", "staff", "--key", token],
        &["token", "inspect", "--policy", "staff", token, token],
        &["token", "inspect", "--policy", token],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        let output = command.current_dir(folder.path()).args(arguments).output();
        let said = stderr(&output.unwrap());
        assert!(
            !said.is_empty() && !said.contains("c2ln"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn an_audit_log_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("secret", link).unwrap();
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    for (audit, is) in [
        ("gateway.toml", "this file"),
        ("./api-secret", "upstreams.app.secret_file"),
        ("site-key.pem", "tls.certificates[0].key"),
        ("link", "issuers.staff.secret_file"),
    ] {
        let output = check(
            folder.path(),
            &format!("[log]\naudit = \"{audit}\"\n{CONFIG}"),
        );
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        let is = format!(" is {is} already, and the audit log would be appended to it");
        let place = "gateway.toml:2:9 log.audit: ";
        assert!(said.starts_with(place) && said.contains(&is), "{said}");
    }
    let output = check(
        folder.path(),
        &format!("[log]\naudit = \"audit.log\"\n{CONFIG}"),
    );
    assert!(!stderr(&output).contains("log.audit"));
}

/// An allowlist of 10,000 networks is checked at once, and its line has a readable length.
#[test]
fn a_long_allow_list_is_checked_and_cut_where_it_is_shown() {
    let networks: Vec<String> = (0..10_000)
        .map(|at| format!("\"10.{}.{}.7\"", at / 256, at % 256))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.toml");
    let text = format!(
        "[listen]\nhttps = [\"127.0.0.1:8443\"]\n[tls]\nself_signed = [\"localhost\"]\n\
         [policies.long]\nallow = [{}]\n\
         [[routes]]\npath = \"/\"\nredirect = \"https://example.com/\"\npolicy = \"long\"\n",
        networks.join(", ")
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("10.0.15.7/32 and 9984 more"), "{said}");
}
