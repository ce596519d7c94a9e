//! The control socket: who may use it, what it does, and that only one gateway has it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, DEADLINE, Upstream, eventually};

/// The user "nobody".
const NOBODY: u32 = 65534;

/// A folder for a socket, and the upstream of a gateway.
pub(crate) struct Place {
    folder: TempDir,
    upstream: Upstream,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            upstream: Upstream::ok(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    pub(crate) fn config(&self) -> Config {
        let listen = format!(
            "https = [\"127.0.0.1:0\"]\nworkers = 2\ncontrol = \"{}\"",
            self.socket().display()
        );
        Config::to(&self.upstream).listen(&listen)
    }
}

/// Sends a request as it is, and returns the status and the JSON of the answer.
fn ask(socket: &Path, request: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    response(stream)
}

/// Reads the status and the JSON of an answer.
pub(crate) fn response(mut stream: UnixStream) -> (u16, Value) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

pub(crate) fn post(socket: &Path, path: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    ask(socket, &request)
}

pub(crate) fn ianitor(config: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command.args(args).arg("--config").arg(config);
    command
}

#[track_caller]
pub(crate) fn said(output: &Output, status: i32) -> String {
    let text = [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat();
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

#[test]
fn a_reload_over_the_socket_is_applied_when_it_is_answered() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let config = gateway.config_path();
    let with_route = place.config().route("/more", "app").text();
    fs::write(&config, with_route.replace("\"/\"", "\"/first\"")).unwrap();
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 0);
    assert!(text.ends_with("\nreloaded\n"), "{text}");
    let mut client = gateway.dial().h1();
    assert_eq!(client.get("/more").status(), 200);
    assert_eq!(client.get("/other").status(), 404);
    gateway.event("a request on the control socket");
}

#[test]
fn a_rejected_reload_names_every_problem_and_changes_nothing() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let config = gateway.config_path();
    let pairs = "certificates = [{ cert = \"one.pem\" }, { cert = \"two.pem\" }]";
    fs::write(&config, place.config().tls(pairs).text()).unwrap();
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 78);
    assert!(text.starts_with("not reloaded; "), "{text}");
    assert!(
        text.contains("one.pem") && text.contains("two.pem"),
        "{text}"
    );

    let broken = place.config().text().replace("\"open\"", "\"opne\"");
    fs::write(&config, format!("{broken}\n[nonsense]\n")).unwrap();
    let (status, answer) = post(&place.socket(), "/v1/reload", "");
    assert_eq!(status, 422, "{answer}");
    let problems = answer["problems"].to_string();
    assert!(
        problems.contains("opne") && problems.contains("nonsense"),
        "{problems}"
    );
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 78);
    assert!(text.contains("opne") && text.contains("nonsense"), "{text}");
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
}

#[test]
fn a_reload_for_another_configuration_is_rejected() {
    let place = Place::new();
    let _gateway = GatewayProcess::start(&place.config());
    let other = place.folder.path().join("gateway.toml");
    fs::write(&other, place.config().text()).unwrap();
    let text = said(&ianitor(&other, &["reload"]).output().unwrap(), 1);
    assert!(text.contains("runs with another configuration, "), "{text}");
}

#[test]
fn requests_are_checked_and_errors_are_json() {
    let place = Place::new();
    let _gateway = GatewayProcess::start(&place.config());
    let socket = place.socket();
    let large = format!("{{ \"host\": \"{}\" }}", "a".repeat(100_000));
    for (path, body, status, expected) in [
        ("/v2/reload", "", 404, "it has POST /v1/reload"),
        ("/v1/certificates/renew", "{}", 400, "missing field `host`"),
        ("/v1/certificates/renew", &large, 413, "larger than"),
        (
            "/v1/certificates/renew",
            "{ \"host\": \"a.test\" }",
            404,
            "has no [acme] table",
        ),
    ] {
        let (found, answer) = post(&socket, path, body);
        assert_eq!(found, status, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let (status, _) = ask(
        &socket,
        "GET /v1/reload HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(status, 405);
}

/// Whatever the umask says. The file is removed at the end.
#[test]
fn only_the_owner_may_connect() {
    let place = Place::new();
    let mut gateway = GatewayProcess::start(&place.config());
    let found = fs::symlink_metadata(place.socket()).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    gateway.signal(Signal::TERM);
    eventually("the socket is removed", || !place.socket().exists());
    assert!(gateway.ended().success());
}

/// Another user is rejected by the mode of the file, and by the gateway if that was changed.
#[test]
fn another_user_is_rejected() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let (config, program) = (
        place.folder.path().join("gateway.toml"),
        place.folder.path().join("ianitor"),
    );
    fs::copy(gateway.config_path(), &config).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_ianitor"), &program).unwrap();
    open(place.folder.path(), 0o755);
    let reload = || {
        let mut command = Command::new(&program);
        command.args(["reload", "--config"]).arg(&config);
        said(&command.uid(NOBODY).gid(NOBODY).output().unwrap(), 1)
    };
    let text = reload();
    assert!(
        text.contains("you may not use the control socket"),
        "{text}"
    );
    open(&place.socket(), 0o666);
    let text = reload();
    assert!(
        text.contains("only root and the user that runs the gateway"),
        "{text}"
    );
    gateway.event("a request on the control socket was rejected uid=65534");
}

#[test]
fn a_stale_file_is_replaced_and_a_gateway_that_listens_is_not() {
    let place = Place::new();
    drop(UnixListener::bind(place.socket()).unwrap());
    let gateway = GatewayProcess::start(&place.config());
    let mut second = GatewayProcess::spawn(&place.config());
    assert_eq!(second.ended().code(), Some(1));
    second.event("another gateway has the control socket");
    let config = gateway.config_path();
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 0);
    assert!(
        text.ends_with(
            "
reloaded
"
        ),
        "{text}"
    );
}

#[test]
fn a_reload_moves_the_socket_or_changes_nothing() {
    let (place, other) = (Place::new(), Place::new());
    let gateway = GatewayProcess::start(&place.config());
    let config = gateway.config_path();
    fs::write(other.socket(), "no socket").unwrap();
    fs::write(&config, other.config().text()).unwrap();
    let (status, answer) = post(&place.socket(), "/v1/reload", "");
    assert_eq!(status, 409, "{answer}");
    assert!(
        answer["problems"][0]
            .as_str()
            .unwrap()
            .contains("is not a socket"),
        "{answer}"
    );
    fs::remove_file(other.socket()).unwrap();
    let (status, answer) = post(&place.socket(), "/v1/reload", "");
    assert_eq!(status, 200, "{answer}");
    assert!(!place.socket().exists());
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 0);
    assert!(
        text.ends_with(
            "
reloaded
"
        ),
        "{text}"
    );
}

/// The file counts, and not the spelling of its path.
#[test]
fn a_socket_stays_when_its_path_is_spelled_in_another_way() {
    let upstream = Upstream::ok();
    let by_default = Config::to(&upstream);
    let gateway = GatewayProcess::start(&by_default);
    let config = gateway.config_path();
    let default = gateway.event("listener=control");
    let default = default.split_once("path=").unwrap().1;
    let default = PathBuf::from(default.split(' ').next().unwrap());
    let (folder, name) = (default.parent().unwrap(), default.file_name().unwrap());
    let spelled = folder.join(".").join(name);
    let spelled = format!(
        "https = [\"127.0.0.1:0\"]\ncontrol = \"{}\"",
        spelled.display()
    );
    for text in [
        Config::to(&upstream).listen(&spelled).text(),
        by_default.text(),
    ] {
        fs::write(&config, text).unwrap();
        let (status, answer) = post(&default, "/v1/reload", "");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer["control"].as_str().unwrap(),
            default.to_str().unwrap()
        );
        assert!(
            !answer["warnings"].to_string().contains("socket"),
            "{answer}"
        );
        let reload = ianitor(&config, &["reload"]).output().unwrap();
        assert_eq!(said(&reload, 0).lines().last(), Some("reloaded"));
    }
}

#[test]
fn a_reload_to_a_default_path_that_cannot_be_used_keeps_the_socket() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let config = gateway.config_path();
    if Path::new("/run/ianitor").exists() {
        return;
    }
    fs::write(config.with_file_name("control.sock"), "no socket").unwrap();
    fs::write(&config, Config::to(&place.upstream).text()).unwrap();
    for _ in 0..2 {
        let (status, answer) = post(&place.socket(), "/v1/reload", "");
        assert_eq!(status, 200, "{answer}");
        let warnings = answer["warnings"].to_string();
        let stays = format!("the socket stays at {}", place.socket().display());
        assert!(
            warnings.contains("is not a socket") && warnings.contains(&stays),
            "{warnings}"
        );
        assert_eq!(answer["control"].as_str(), place.socket().to_str());
    }
}

#[test]
fn a_socket_that_was_removed_or_replaced_is_made_again_by_a_reload() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let config = gateway.config_path();
    let (removed, replaced) = (
        || fs::remove_file(place.socket()).unwrap(),
        || {
            fs::remove_file(place.socket()).unwrap();
            drop(UnixListener::bind(place.socket()).unwrap());
        },
    );
    for change in [&removed as &dyn Fn(), &replaced] {
        change();
        let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 1);
        assert!(text.starts_with("no gateway listens"), "{text}");
        gateway.signal(Signal::HUP);
        eventually("the socket is made again", || {
            UnixStream::connect(place.socket()).is_ok()
        });
        let reload = ianitor(&config, &["reload"]).output().unwrap();
        assert!(said(&reload, 0).ends_with("\nreloaded\n"));
    }
}

#[test]
fn a_socket_that_cannot_be_opened_is_reported_with_every_other_problem() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let other = Place::new();
    fs::write(other.socket(), "no socket").unwrap();
    let broken = other
        .config()
        .tls("certificates = [{ cert = \"one.pem\" }]");
    fs::write(gateway.config_path(), broken.text()).unwrap();
    let (status, answer) = post(&place.socket(), "/v1/reload", "");
    assert_eq!(status, 422, "{answer}");
    let problems = answer["problems"].to_string();
    assert!(
        problems.contains("is not a socket") && problems.contains("one.pem"),
        "{problems}"
    );
}

#[test]
fn check_finds_a_path_that_no_socket_can_have() {
    let place = Place::new();
    let config = place.folder().join("gateway.toml");
    let file = place.folder().join("file");
    fs::write(&file, "text").unwrap();
    fs::create_dir(place.folder().join("folder")).unwrap();
    let check = |path: &str, status| {
        let listen = format!("https = [\"127.0.0.1:0\"]\ncontrol = \"{path}\"");
        fs::write(&config, place.config().listen(&listen).text()).unwrap();
        said(&ianitor(&config, &["check"]).output().unwrap(), status)
    };
    for (path, expected) in [
        ("folder", "folder is a folder; "),
        ("file", "file is not a socket, "),
        ("file/control.sock", "not a directory"),
        (&"long".repeat(40), " bytes, and the system allows 107; "),
        ("@ianitor", "\"@ianitor\" is an abstract socket, "),
    ] {
        let text = check(path, 78);
        assert!(text.contains("listen.control"), "{path}: {text}");
        assert!(text.contains(expected), "{path}: {text}");
    }
    // systemd makes the folder when it starts the service.
    let text = check("missing/control.sock", 0);
    assert!(text.contains("warning: "), "{text}");
    assert!(text.contains("cannot be opened; create it"), "{text}");
}

/// An answer of another user's process could be anything.
#[test]
fn a_command_does_not_trust_a_socket_that_any_user_could_have_made() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let folder = place.folder();
    let (config, program) = (folder.join("gateway.toml"), folder.join("ianitor"));
    fs::write(&config, place.config().text()).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_ianitor"), &program).unwrap();
    std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    let open = |mode| fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    open(0o755);
    let mut gateway = Command::new(&program);
    gateway.args(["run", "--config"]).arg(&config);
    gateway.uid(NOBODY).gid(NOBODY);
    gateway.stdout(Stdio::null()).stderr(Stdio::null());
    let gateway = Killed(gateway.spawn().unwrap());
    eventually("the gateway listens", || place.socket().exists());
    let reload = || ianitor(&config, &["reload"]).output().unwrap();
    assert!(said(&reload(), 0).ends_with("\nreloaded\n"));
    open(0o777);
    let text = said(&reload(), 1);
    let expected = format!("a process of the user {NOBODY} listens at the control socket");
    assert!(text.starts_with(&expected), "{text}");
    let text = said(&ianitor(&config, &["check"]).output().unwrap(), 0);
    assert!(text.contains("every user can change the folder"), "{text}");
    drop(gateway);
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_a_gateway_the_command_says_so() {
    let place = Place::new();
    let config = place.folder.path().join("gateway.toml");
    fs::write(&config, place.config().text()).unwrap();
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 1);
    let socket = place.socket();
    let expected = format!(
        "no gateway listens at the control socket {}; ",
        socket.display()
    );
    assert!(text.starts_with(&expected), "{text}");
    let off = place
        .config()
        .listen("https = [\"127.0.0.1:0\"]\ncontrol = false");
    fs::write(&config, off.text()).unwrap();
    let text = said(&ianitor(&config, &["reload"]).output().unwrap(), 1);
    assert!(text.starts_with("listen.control is false, "), "{text}");
}

/// Two commands for one certificate share the order, and both report how it went.
#[test]
fn two_renewals_at_once_both_get_the_outcome() {
    const ACME: &str = "[acme]\ndirectory = \"https://127.0.0.1:1/directory\"\n\
                        certificates = [{ hosts = [\"media.test\"] }]\n";
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config().table(ACME));
    let config = gateway.config_path();
    let renew = || {
        let args = ["certs", "renew", "media.test", "--wait", "30s"];
        let mut command = ianitor(&config, &args);
        std::thread::spawn(move || command.output().unwrap())
    };
    for output in [renew(), renew()] {
        let text = said(&output.join().unwrap(), 1);
        assert!(
            text.contains("media.test: not ordered: ") && text.contains("connection refused"),
            "{text}"
        );
    }
}
