//! Routes with files never show what is the gateway's own: its configuration, keys, secrets and
//! certificate store.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use ianitor::config;
use ianitor::gateway::Gateway;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, TestGateway};

/// A route with files, and secrets of several kinds beside it.
fn tables(root: &str) -> String {
    format!(
        "[issuers.app]\nalgorithms = [\"HS256\"]\nsecret_file = \"secrets/app\"\n\
         audience = \"any\"\n\
         revoked_file = \"secrets/revoked\"\n\
         [policies.app]\nissuers = [\"app\"]\n\
         [turn.coturn]\nsecret_file = \"secrets/turn\"\nuris = [\"turn:192.0.2.1\"]\n\
         api_keys_file = \"secrets/keys\"\n\
         [upstreams.janus]\nservers = [\"http://127.0.0.1:1\"]\nprotocol = \"janus\"\n\
         secret_file = \"secrets/api\"\ntoken_auth_secret_file = \"secrets/tokens\"\n\
         [[routes]]\npath = \"/turn\"\nturn = \"coturn\"\npolicy = \"app\"\n\
         [[routes]]\npath = \"/\"\nfiles = \"{root}\"\npolicy = \"open\"\n"
    )
}

/// Writes the secrets that [`tables`] names, the store's keys among them.
fn write_secrets(folder: &Path) {
    fs::create_dir_all(folder.join("secrets")).unwrap();
    for name in ["app", "revoked", "turn", "keys", "api", "tokens"] {
        let text = if name == "revoked" {
            "jti a".to_owned()
        } else {
            format!("a secret of 32 bytes or more: {name}")
        };
        fs::write(folder.join("secrets").join(name), text).unwrap();
    }
}

/// What a start says to a configuration in this folder.
fn start(folder: &Path, text: &str) -> Result<(), String> {
    let file = folder.join("gateway.toml");
    fs::write(&file, text).unwrap();
    let config = config::parse(&file, text)
        .unwrap_or_else(|report| panic!("{report}"))
        .config;
    Gateway::bind(config)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// What `ianitor check` says to it, and whether it takes it.
fn check(folder: &Path, text: &str) -> (bool, String) {
    fs::write(folder.join("gateway.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    let output = command
        .current_dir(folder)
        .args(["check", "--config", "gateway.toml"])
        .output()
        .unwrap();
    (
        output.status.code() == Some(0),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_folder_with_secrets_of_the_gateway_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write_secrets(folder.path());
    for name in ["site", "pairs", "store/certificates"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    symlink("..", folder.path().join("site/up")).unwrap();
    symlink("secrets", folder.path().join("linked")).unwrap();
    fs::hard_link(
        folder.path().join("secrets/turn"),
        folder.path().join("hard"),
    )
    .unwrap();
    let acme = "[acme]\nstore = \"store\"\ncertificates = [{ hosts = [\"a.test\"] }]\n\
                [[deploy]]\nhost = \"a.test\"\nto = \"janus\"\ncert = \"pairs/cert.pem\"\n\
                key = \"pairs/key.pem\"\n";
    let text = |root: &str| Config::new().table(acme).table(&tables(root)).text();
    for (root, private) in [
        (".", "gateway.toml (this file)"),
        ("/", "is the whole machine"),
        ("site/../..", "gateway.toml (this file)"),
        ("site/up", "gateway.toml (this file)"),
        ("secrets", "secrets/app (issuers.app.secret_file)"),
        ("linked", "secrets/app (issuers.app.secret_file)"),
        ("secrets/keys", "secrets/keys (turn.coturn.api_keys_file)"),
        ("secrets/api", "secrets/api (upstreams.janus.secret_file)"),
        (
            "secrets/tokens",
            "secrets/tokens (upstreams.janus.token_auth_secret_file)",
        ),
        ("hard", "secrets/turn (turn.coturn.secret_file)"),
        ("store", "store (acme.store)"),
        ("store/certificates", "store (acme.store)"),
        ("pairs", "pairs/key.pem (deploy[0].key)"),
        ("certs", "certs/ca-key.pem (tls.self_signed)"),
        ("gateway.toml", "gateway.toml (this file)"),
    ] {
        let (is_taken, said) = check(folder.path(), &text(root));
        let line = said
            .lines()
            .find(|line| line.contains("route /: files "))
            .unwrap_or_default();
        assert!(!is_taken && line.contains(private), "{root}: {said}");
        let said = start(folder.path(), &text(root)).unwrap_err();
        let private = private.split(" (").next().unwrap();
        assert!(
            said.contains("route /: files ") && said.contains(private),
            "{root}: {said}"
        );
    }
    for root in ["site", "pairs/cert.pem", "certs/ca.pem", "not-there-yet"] {
        let (is_taken, said) = check(folder.path(), &text(root));
        assert!(is_taken, "{root}: {said}");
        assert_eq!(start(folder.path(), &text(root)), Ok(()), "{root}");
    }
}

#[test]
fn a_reload_that_would_show_secrets_changes_nothing() {
    let config = |root: &str| {
        Config::new().table(&format!(
            "[[routes]]\npath = \"/\"\nfiles = \"{root}\"\npolicy = \"open\""
        ))
    };
    let gateway = GatewayProcess::start(&config("site"));
    let site = gateway.config_path().parent().unwrap().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("a.txt"), "a").unwrap();
    assert_eq!(gateway.dial().h1().get("/a.txt").status(), 200);
    gateway.hang_up(&config(".").text());
    gateway.event("not reloaded");
    gateway.event("would show what is private");
    assert_eq!(gateway.dial().h1().get("/a.txt").status(), 200);
    assert_eq!(gateway.dial().h1().get("/gateway.toml").status(), 404);
}

fn assert_hidden(gateway: &TestGateway, targets: &[&str]) {
    for target in targets {
        for method in ["GET", "HEAD"] {
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\n\r\n"
            );
            let mut client = gateway.client();
            client.send(request);
            assert_eq!(client.head().status(), 404, "{method} {target}");
        }
        assert_eq!(
            gateway.dial().h2().get(target).status,
            404,
            "{target} over HTTP/2"
        );
    }
}

/// In the folder that is served, links lead to the secrets: such as somebody makes while the
/// gateway runs.
#[test]
fn no_link_in_a_folder_leads_to_a_secret() {
    let text = Config::new()
        .table(&tables("site").replace("files = \"site\"", "files = \"SITE\""))
        .text();
    // The secrets have to be there before the gateway.
    let outside = tempfile::tempdir().unwrap();
    write_secrets(outside.path());
    let site = outside.path().join("site");
    fs::create_dir(&site).unwrap();
    let text = text.replace(
        "secrets/",
        &format!("{}/secrets/", outside.path().display()),
    );
    let mut gateway = TestGateway::start_text(&text.replace("SITE", site.to_str().unwrap()));
    let secret = |name: &str| outside.path().join("secrets").join(name);
    fs::write(site.join("index.html"), "page").unwrap();
    fs::write(gateway.folder().join("gateway.toml"), &text).unwrap();

    symlink(secret("turn"), site.join("soft.txt")).unwrap();
    fs::hard_link(secret("keys"), site.join("hard.txt")).unwrap();
    symlink("../secrets", site.join("folder")).unwrap();
    symlink(secret("app"), site.join("index.html.gz")).unwrap();
    symlink(gateway.folder().join("gateway.toml"), site.join("config")).unwrap();
    symlink(
        gateway.folder().join("certs/localhost-key.pem"),
        site.join("key.pem"),
    )
    .unwrap();
    symlink(gateway.folder().join("certs/ca.pem"), site.join("ca.pem")).unwrap();
    symlink(secret("revoked"), site.join("revoked")).unwrap();
    let private = [
        "/soft.txt",
        "/hard.txt",
        "/folder/turn",
        "/folder/keys",
        "/config",
        "/key.pem",
        "/revoked",
    ];
    assert_hidden(&gateway, &private);
    gateway
        .access
        .lines(private.len() * 3)
        .iter()
        .for_each(|line| assert!(line.contains("file_private"), "{line}"));
    let gzip = "GET /index.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    assert_eq!(
        gateway.client().ask(gzip).status(),
        404,
        "a compressed sibling is a secret"
    );
    assert_eq!(gateway.client().get("/index.html").status(), 200);
    assert_eq!(
        gateway.client().get("/ca.pem").status(),
        200,
        "certificates are public"
    );

    // A secret that is replaced is another file, at the same place; and what is new is what counts.
    for name in ["turn", "keys"] {
        fs::write(
            secret("new"),
            format!("another secret of 32 bytes or more: {name}"),
        )
        .unwrap();
        fs::rename(secret("new"), secret(name)).unwrap();
    }
    assert_hidden(&gateway, &["/soft.txt", "/folder/turn", "/folder/keys"]);
    gateway.follow_files();
    assert_hidden(&gateway, &["/soft.txt", "/folder/turn", "/folder/keys"]);
}

/// Among the private files are those that the gateway has yet to make.
#[test]
fn the_keys_of_the_store_are_private_from_the_moment_they_are_there() {
    let outside = tempfile::tempdir().unwrap();
    let (site, store) = (outside.path().join("site"), outside.path().join("store"));
    fs::create_dir(&site).unwrap();
    symlink(&store, site.join("store")).unwrap();
    let acme = format!(
        "[acme]\ndirectory = \"https://127.0.0.1:1/\"\nstore = \"{}\"\n\
         certificates = [{{ hosts = [\"a.test\"] }}]\n\
         [[routes]]\npath = \"/\"\nfiles = \"{}\"\npolicy = \"open\"\n",
        store.display(),
        site.display()
    );
    let gateway = TestGateway::start(&Config::new().table(&acme));
    let version = store.join("certificates/b.test/0001");
    fs::create_dir_all(&version).unwrap();
    fs::write(version.join("privkey.pem"), "a private key").unwrap();
    let target = "/store/certificates/b.test/0001/privkey.pem";
    assert_eq!(gateway.client().get(target).status(), 404);
    // Known by what it is, too, once it has been there for longer than a look lasts.
    fs::hard_link(version.join("privkey.pem"), site.join("key.txt")).unwrap();
    crate::harness::eventually("a hard link to a key of the store is not shown", || {
        gateway.client().get("/key.txt").status() == 404
    });
}
