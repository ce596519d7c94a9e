//! Files that other users of the machine, or mistakes, put in place of those that a
//! configuration names.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

/// A configuration that names a file of each kind.
const CONFIG: &str = r#"
[listen]
https = ["127.0.0.1:0"]
[tls]
certificates = [{ cert = "cert.pem", key = "key.pem" }]
[acme]
directory = "https://127.0.0.1:1/"
directory_ca = "directory-ca.pem"
certificates = [{ hosts = ["media.test"] }]
external_account = { key_id = "1", key_file = "eab" }
[[deploy]]
host = "media.test"
to = "files"
pkcs12 = "app.p12"
password_file = "password"
reload = { signal = "HUP", pid_file = "server.pid" }
[upstreams.app]
servers = ["https://127.0.0.1:1"]
ca_file = "upstream-ca.pem"
[issuers.staff]
algorithms = ["HS256"]
secret_file = "secret"
audience = "any"
revoked_file = "revoked"
[issuers.public]
algorithms = ["ES256"]
key_file = "public.pem"
audience = "any"
[issuers.keys]
algorithms = ["ES256"]
jwks_url = "https://127.0.0.1:1/"
ca_file = "keys-ca.pem"
audience = "any"
[policies.staff]
issuers = ["staff", "public", "keys"]
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

const ERRORS: [&str; 10] = [
    "cert.pem",
    "key.pem",
    "directory-ca.pem",
    "upstream-ca.pem",
    "secret",
    "revoked",
    "public.pem",
    "keys-ca.pem",
    "turn",
    "turn-keys",
];

/// Those may be mended while the gateway runs.
const WARNINGS: [&str; 3] = ["eab", "password", "server.pid"];

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs to its end, which has to come by itself.
#[track_caller]
fn ianitor(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = status.unwrap_or_else(|| panic!("{args:?} hangs: {said}"));
    (status.code(), said)
}

#[test]
fn a_pipe_in_the_place_of_any_file_is_an_error_and_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.toml"), CONFIG).unwrap();
    ERRORS
        .iter()
        .chain(&WARNINGS)
        .for_each(|name| pipe(&folder.path().join(name)));
    let (status, said) = ianitor(folder.path(), &["check", "--config", "gateway.toml"]);
    assert_eq!(status, Some(78), "{said}");
    for name in ERRORS {
        let line = said
            .lines()
            .find(|line| line.contains(&format!(" {name} ")));
        assert!(
            line.is_some_and(|line| line.contains("not a file")),
            "{name}: {line:?} in {said}"
        );
    }
    // A start says less: it gives up before it would read all of them.
    let (status, said) = ianitor(folder.path(), &["run", "--config", "gateway.toml"]);
    assert!(
        status == Some(78) && said.contains("secret cannot be read: it is not a file"),
        "{status:?} {said}"
    );
    ERRORS
        .iter()
        .for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
    let tables = [
        "directory_ca = \"directory-ca.pem\"\n",
        "ca_file = \"upstream-ca.pem\"\n",
    ];
    let config = tables
        .iter()
        .fold(CONFIG.to_owned(), |config, table| config.replace(table, ""));
    let [before, after] = ["[tls]", "[acme]"].map(|table| config.find(table).unwrap());
    let acme = config.find("[upstreams.app]").unwrap();
    let route = "[[routes]]\npath = \"/\"\nredirect = \"https://media.test/\"\npolicy = \"open\"\n";
    let config = [&config[..before], &config[after..acme], route].concat();
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    let (status, said) = ianitor(folder.path(), &["check", "--config", "gateway.toml"]);
    for name in WARNINGS {
        let line = said
            .lines()
            .find(|line| line.contains(&format!("{name} cannot be read")));
        assert!(
            line.is_some_and(|line| line.contains("not a file")),
            "{name}: {status:?} {said}"
        );
    }
}

#[test]
fn a_pipe_or_a_device_is_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    pipe(&folder.path().join("gateway.toml"));
    for (command, file) in [
        ("check", "gateway.toml"),
        ("run", "gateway.toml"),
        ("check", "/dev/zero"),
    ] {
        let (status, said) = ianitor(folder.path(), &[command, "--config", file]);
        assert_eq!(status, Some(78), "{said}");
        assert!(
            said.contains(&format!("{file}: is no regular file")),
            "{said}"
        );
    }
}

/// The lock of the development certificates, and the first files that are looked at.
#[test]
fn pipes_in_the_folder_of_development_certificates_are_not_waited_for() {
    for name in [".lock", "ca.pem", "ca-key.pem"] {
        let folder = tempfile::tempdir().unwrap();
        let config = "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n\
                      [[routes]]\npath = \"/\"\nfiles = \"www\"\npolicy = \"open\"\n";
        fs::write(folder.path().join("gateway.toml"), config).unwrap();
        fs::create_dir(folder.path().join("www")).unwrap();
        fs::create_dir(folder.path().join("certs")).unwrap();
        pipe(&folder.path().join("certs").join(name));
        let (status, said) = ianitor(folder.path(), &["run", "--config", "gateway.toml"]);
        assert_eq!(status, Some(78), "{name}: {said}");
        assert!(said.contains("not a file"), "{name}: {said}");
    }
}

/// A user that is neither root nor ianitor's, where the test is root's; only root can make files of
/// others.
const STRANGER: u32 = 65_534;

fn give(path: &Path) -> bool {
    lchown(path, Some(STRANGER), Some(STRANGER)).is_ok()
}

/// A certificate, a server that gets it, and a folder that nobody should be led to.
fn ordered(folder: &Path) -> String {
    fs::create_dir(folder.join("victim")).unwrap();
    fs::create_dir(folder.join("tls")).unwrap();
    let config = "[listen]\nhttps = [\"127.0.0.1:0\"]\n\
                  [acme]\ndirectory = \"https://127.0.0.1:1/\"\nstore = \"acme\"\n\
                  certificates = [{ hosts = [\"media.test\"] }]\n\
                  [[deploy]]\nhost = \"media.test\"\nto = \"files\"\ncombined = \"tls/all.pem\"\n\
                  [[routes]]\npath = \"/\"\nredirect = \"https://media.test/\"\n\
                  policy = \"open\"\n";
    fs::write(folder.join("gateway.toml"), config).unwrap();
    folder
        .join("acme/certificates/media.test")
        .to_str()
        .unwrap()
        .to_owned()
}

/// The gateway's own user, or who took the gateway over, leaves a link for the next command that
/// root runs.
#[test]
fn certs_renew_as_root_follows_no_link_in_the_store_of_another_user() {
    let folder = tempfile::tempdir().unwrap();
    let place = ordered(folder.path());
    fs::create_dir_all(Path::new(&place).parent().unwrap()).unwrap();
    symlink(folder.path().join("victim"), &place).unwrap();
    let is_strange = give(&folder.path().join("acme")) && give(Path::new(&place));
    let (status, said) = ianitor(
        folder.path(),
        &["certs", "renew", "media.test", "--wait", "0"],
    );
    assert!(
        status == Some(1) && said.contains("no gateway"),
        "{status:?} {said}"
    );
    let victim = fs::read_dir(folder.path().join("victim")).unwrap().count();
    assert_eq!(victim, 0);
    // Root's next command would write through it.
    let (_, said) = ianitor(folder.path(), &["certs", "revoke", "media.test", "--yes"]);
    let refused = "media.test is a symbolic link that the user \"nobody\" can change";
    assert_eq!(said.contains(refused), is_strange, "{said}");
}

/// The command asks the gateway, and writes nothing itself.
#[test]
fn certs_renew_as_root_asks_in_the_store_of_another_user() {
    let folder = tempfile::tempdir().unwrap();
    ordered(folder.path());
    fs::create_dir(folder.path().join("acme")).unwrap();
    give(&folder.path().join("acme"));
    let (status, said) = ianitor(
        folder.path(),
        &["certs", "renew", "media.test", "--wait", "0"],
    );
    assert!(
        status == Some(1) && said.contains("no gateway"),
        "{status:?} {said}"
    );
    let left = fs::read_dir(folder.path().join("acme")).unwrap().count();
    assert_eq!(left, 0, "nothing that the gateway could not read");
}

#[test]
fn check_says_which_folder_of_a_consumer_is_refused_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    ordered(folder.path());
    let tls = folder.path().canonicalize().unwrap().join("tls");
    let is_strange = give(&tls);
    let (status, said) = ianitor(folder.path(), &["check", "--config", "gateway.toml"]);
    assert_eq!(status, Some(0), "{said}");
    let tls = tls.display();
    let refused = format!("deploy[0]: the folder {tls} belongs to the user \"nobody\"");
    assert_eq!(said.contains(&refused), is_strange, "{said}");
    assert_eq!(
        said.contains(&format!("chown root:nogroup {tls} && chmod 2750 {tls}")),
        is_strange,
        "{said}"
    );
}
