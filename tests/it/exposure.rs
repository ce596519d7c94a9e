//! Of every file that a configuration names, `check`, a start and a reload say what other users of
//! the machine could do with it and should not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, eventually};

/// Names a file by every key that there is for one.
fn config() -> String {
    Config::new()
        .tls(
            "certificates = [{ cert = \"files/cert\", key = \"files/key\" }]\n\
              self_signed = [\"localhost\"]",
        )
        .table(
            "[acme]\ncertificates = [{ hosts = [\"a.test\"] }]\n\
                directory = \"https://127.0.0.1:1/\"",
        )
        .table("directory_ca = \"files/acme-ca\"\nstore = \"files/store\"")
        .table("external_account = { key_id = \"1\", key_file = \"files/eab\" }")
        .table(
            "[[deploy]]\nhost = \"a.test\"\nto = \"files\"\npkcs12 = \"files/p12\"\n\
             password_file = \"files/password\"",
        )
        .table("reload = { command = [\"files/reload\"] }")
        .table(
            "[[deploy]]\nhost = \"a.test\"\nto = \"coturn\"\ncert = \"files/c\"\n\
                key = \"files/k\"",
        )
        .table("reload = { signal = \"USR2\", pid_file = \"files/pid\" }")
        .table(
            "[upstreams.app]\nservers = [\"https://127.0.0.1:1\"]\n\
                ca_file = \"files/upstream-ca\"\nprotocol = \"janus\"",
        )
        .table("secret_file = \"files/api\"\ntoken_auth_secret_file = \"files/tokens\"")
        .table(
            "[issuers.hmac]\nalgorithms = [\"HS256\"]\nsecret_file = \"files/hmac\"\n\
                audience = \"any\"",
        )
        .table("revoked_file = \"files/revoked\"")
        .table(
            "[issuers.file]\nalgorithms = [\"ES256\"]\nkey_file = \"files/public\"\n\
                audience = \"any\"",
        )
        .table(
            "[issuers.jwks]\nalgorithms = [\"ES256\"]\njwks_url = \"https://127.0.0.1:1/\"\n\
                audience = \"any\"",
        )
        .table("ca_file = \"files/issuer-ca\"")
        .table("[policies.all]\nissuers = [\"hmac\", \"file\", \"jwks\"]")
        .table(
            "[turn.coturn]\nsecret_file = [\"files/turn\", \"files/turn-old\"]\n\
                uris = [\"turn:192.0.2.1\"]",
        )
        .table("api_keys_file = \"files/keys\"")
        .table("[[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"all\"")
        .table("[[routes]]\npath = \"/turn\"\nturn = \"coturn\"\npolicy = \"all\"")
        .table("[[routes]]\npath = \"/site\"\nfiles = \"site\"\npolicy = \"open\"")
        .text()
}

/// Each file with the key that names it, and what is said of it when everybody may do everything.
const FILES: [(&str, &str, &str); 20] = [
    ("files/cert", "tls.certificates[0].cert", "change"),
    ("files/key", "tls.certificates[0].key", "read and change"),
    ("files/acme-ca", "acme.directory_ca", "change"),
    ("files/store", "acme.store", "change"),
    (
        "files/eab",
        "acme.external_account.key_file",
        "read and change",
    ),
    (
        "files/password",
        "deploy[0].password_file",
        "read and change",
    ),
    ("files/reload", "deploy[0].reload.command", "change"),
    ("files/pid", "deploy[1].reload.pid_file", "change"),
    ("files/upstream-ca", "upstreams.app.ca_file", "change"),
    ("files/api", "upstreams.app.secret_file", "read and change"),
    (
        "files/tokens",
        "upstreams.app.token_auth_secret_file",
        "read and change",
    ),
    ("files/hmac", "issuers.hmac.secret_file", "read and change"),
    ("files/revoked", "issuers.hmac.revoked_file", "change"),
    ("files/public", "issuers.file.key_file", "change"),
    ("files/issuer-ca", "issuers.jwks.ca_file", "change"),
    ("files/turn", "turn.coturn.secret_file", "read and change"),
    (
        "files/turn-old",
        "turn.coturn.secret_file",
        "read and change",
    ),
    ("files/keys", "turn.coturn.api_keys_file", "read and change"),
    ("gateway.toml", "this file", "change"),
    ("site", "route /site: files", "change"),
];

fn write_files(folder: &Path) {
    for name in ["files/store", "site"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for (name, ..) in FILES
        .iter()
        .filter(|(name, ..)| name.starts_with("files/") && *name != "files/store")
    {
        fs::write(
            folder.join(name),
            format!("a secret of 32 bytes or more: {name}"),
        )
        .unwrap();
    }
    fs::write(folder.join("files/revoked"), "jti a\n").unwrap();
    fs::write(folder.join("files/reload"), "#!/bin/sh\n").unwrap();
    for (cert, key) in [
        ("cert", "key"),
        ("acme-ca", "none"),
        ("upstream-ca", "none"),
        ("issuer-ca", "none"),
    ] {
        let (cert, key) = (
            folder.join("files").join(cert),
            folder.join("files").join(key),
        );
        openssl(
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
            ],
            |c| {
                c.args([
                    "-subj",
                    "/CN=a",
                    "-addext",
                    "subjectAltName=DNS:b.test",
                    "-keyout",
                ])
                .arg(&key)
                .arg("-out")
                .arg(&cert);
            },
        );
    }
    let (private, public) = (folder.join("files/key"), folder.join("files/public"));
    openssl(&["pkey", "-pubout"], |c| {
        _ = c.arg("-in").arg(private).arg("-out").arg(public)
    });
}

fn openssl(arguments: &[&str], adjust: impl FnOnce(&mut Command)) {
    let mut command = Command::new("openssl");
    command.args(arguments);
    adjust(&mut command);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The warnings of `ianitor check` about what other users can do.
fn warnings(folder: &Path) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    let output = command
        .current_dir(folder)
        .args(["check", "--config", "gateway.toml"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said.lines()
        .filter(|line| line.contains("every user can"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_file_that_a_configuration_names_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    fs::write(folder.path().join("gateway.toml"), config()).unwrap();
    let close = || {
        for (name, ..) in FILES {
            let mode = if folder.path().join(name).is_dir() {
                0o755
            } else {
                0o640
            };
            chmod(&folder.path().join(name), mode);
        }
    };
    close();
    assert_eq!(warnings(folder.path()), Vec::<String>::new());
    for (name, key, done) in FILES {
        chmod(&folder.path().join(name), 0o777);
        let said = warnings(folder.path());
        let start = format!("warning: gateway.toml: {key}: {name} is ");
        let matches = |said: &String| {
            said.starts_with(&start) && said.contains(&format!("every user can {done}; close"))
        };
        assert!(
            matches!(&said[..], [said] if matches(said)),
            "{name}: {said:#?}"
        );
        close();
    }
    // And the folder that most of them lie in.
    chmod(&folder.path().join("files"), 0o777);
    let said = warnings(folder.path());
    let start =
        "warning: gateway.toml: tls.certificates[0].cert: every user can change the folder ";
    assert!(
        matches!(&said[..], [said] if said.starts_with(start) && said.contains("more keys")),
        "{said:#?}"
    );
}

#[test]
fn a_start_and_a_reload_say_it_once_each() {
    let config = |secret: &str| {
        Config::new()
            .table(&format!(
                "[issuers.app]\nalgorithms = [\"HS256\"]\nsecret_file = \"{secret}\"\n\
                             audience = \"any\""
            ))
            .table("[policies.app]\nissuers = [\"app\"]")
            .table("[[routes]]\npath = \"/\"\nredirect = \"https://a.test/\"\npolicy = \"app\"")
    };
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "a secret of 32 bytes or more, of this test").unwrap();
    chmod(&secret, 0o644);
    let config = config(secret.to_str().unwrap());
    let gateway = GatewayProcess::start(&config);
    let line = "issuers.app.secret_file: ";
    let count = || {
        gateway
            .events()
            .iter()
            .filter(|event| event.contains(line) && event.contains("every user can"))
            .count()
    };
    assert_eq!(count(), 1, "{:#?}", gateway.events());
    gateway.hang_up(&config.text());
    gateway.event(" reloaded ");
    assert_eq!(count(), 2, "{:#?}", gateway.events());
    chmod(&secret, 0o640);
    gateway.hang_up(&config.text());
    eventually("a second reload", || {
        gateway
            .events()
            .iter()
            .filter(|event| event.contains(" reloaded "))
            .count()
            == 2
    });
    assert_eq!(count(), 2, "{:#?}", gateway.events());
}
