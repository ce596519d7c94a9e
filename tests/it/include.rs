//! A running gateway whose configuration is in several files, or comes from standard input.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, DEADLINE, Upstream, eventually};

const SMALL: &str = "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n\
                     [[routes]]\npath = \"/\"\nredirect = \"https://localhost/x\"\n\
                     policy = \"open\"\n";

fn ianitor(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command.current_dir(folder).args(args);
    command
}

fn with_input(mut command: Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped());
    let piped = piped.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_reload_reads_included_files_and_finds_new_ones() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let gateway = GatewayProcess::start(&config);
    let path = gateway.config_path();
    let folder = path.parent().unwrap().join("conf.d");
    let route = |name: &str| {
        let text =
            format!("[[routes]]\npath = \"/{name}\"\nupstream = \"app\"\npolicy = \"open\"\n");
        fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    };
    let root = format!("include = [\"conf.d/*.toml\"]\n{}", config.text());
    let root = root.replacen("path = \"/\"", "path = \"/first\"", 1);
    fs::create_dir(&folder).unwrap();
    route("a");
    gateway.hang_up(&root);
    gateway.event(" reloaded ");
    let mut client = gateway.dial().h1();
    assert_eq!(client.get("/a").status(), 200);
    assert_eq!(client.get("/b").status(), 404);
    route("b");
    gateway.hang_up(&root);
    eventually("the new file", || client.get("/b").status() == 200);
    // One that is broken changes nothing, and has its own name and line in the log.
    fs::write(folder.join("b.toml"), "\n[[routes]]\npath = 5\n").unwrap();
    gateway.hang_up(&root);
    gateway.event("not reloaded");
    let named = gateway.event("conf.d/b.toml:3:8 routes[2].path: ");
    assert!(named.contains("expected a string"), "{named}");
    assert_eq!(client.get("/b").status(), 200);
    fs::remove_file(folder.join("b.toml")).unwrap();
    gateway.hang_up(&root);
    eventually("the file is gone", || client.get("/b").status() == 404);
}

#[test]
fn check_names_files_and_variables() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("conf.d")).unwrap();
    fs::write(
        at("gateway.toml"),
        format!("include = [\"conf.d/*\"]\n{SMALL}"),
    )
    .unwrap();
    fs::write(
        at("conf.d/u"),
        "[upstreams.u]\nservers = [\"${TRY_SERVER}\"]\nca_file = \"ca.pem\"\n\
         [[routes]]\npath = \"/u\"\nupstream = \"u\"\npolicy = \"open\"\n",
    )
    .unwrap();
    let check = |server: Option<&str>| {
        let mut command = ianitor(folder.path(), &["check"]);
        command.env_remove("TRY_SERVER");
        command.envs(server.map(|server| ("TRY_SERVER", server)));
        command.output().unwrap()
    };
    let output = check(None);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert_eq!(
        said,
        "conf.d/u:2:12 upstreams.u.servers[0]: the environment has no TRY_SERVER; set it, or write \
         a default, ${TRY_SERVER:-…}\n"
    );
    // A file that the included one names is looked for beside it.
    let output = check(Some("https://127.0.0.1:1"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.starts_with("conf.d/u:3:11 upstreams.u.ca_file: "),
        "{said}"
    );
    assert!(said.contains("conf.d/ca.pem"), "{said}");
    let used = fs::read_to_string(at("conf.d/u")).unwrap();
    fs::write(at("conf.d/u"), used.replace("ca_file = \"ca.pem\"\n", "")).unwrap();
    let output = check(Some("http://127.0.0.1:1"));
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        shown.starts_with("files\n  gateway.toml, with 1 more:\n  conf.d/u\n"),
        "{shown}"
    );
    assert!(shown.contains(" 127.0.0.1:1 "), "{shown}");
}

#[test]
fn standard_input_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str], input: &str| with_input(ianitor(folder.path(), args), input);
    let output = run(&["check", "--config", "-"], SMALL);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = run(&["check", "--config", "-"], "[listen]\nhttps = 5\n");
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert!(said.starts_with("<stdin>:1:1 routes: "), "{said}");
    assert!(said.contains("<stdin>:2:9 listen.https: "), "{said}");
    let output = run(&["config", "--config", "-", "--json"], SMALL);
    let keys: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut keys = keys.as_array().unwrap().iter();
    let path = keys.find(|one| one["key"] == "routes[0].path").unwrap();
    assert_eq!(path["value"], "/");
    assert_eq!(path["from"]["place"], "<stdin>:6:8");
    let large = "#".repeat(3 << 20);
    let mut child = ianitor(folder.path(), &["check", "--config", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It stops reading.
    let _ = child.stdin.take().unwrap().write_all(large.as_bytes());
    assert_eq!(child.wait().unwrap().code(), Some(78));
}

/// What was read from standard input is not there a second time.
#[test]
fn a_gateway_from_standard_input_cannot_be_reloaded_or_upgraded() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let config = SMALL.replacen(
        "[tls]",
        &format!("control = \"{}\"\n[tls]", socket.display()),
        1,
    );
    let mut child = ianitor(folder.path(), &["run", "--config", "-"])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(config.as_bytes()).unwrap();
    drop(stdin);
    eventually("the control socket", || socket.exists());
    let post = |path: &str| {
        let mut answer = None;
        eventually("an answer", || {
            let stream = std::os::unix::net::UnixStream::connect(&socket);
            answer = stream.ok().map(|mut stream| {
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"
                );
                stream.write_all(request.as_bytes()).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                crate::control::response(stream)
            });
            answer.is_some()
        });
        answer.unwrap()
    };
    for path in ["/v1/reload", "/v1/upgrade"] {
        let (status, answer) = post(path);
        let error = answer["error"].as_str().unwrap();
        assert_eq!(status, 409, "{answer}");
        assert!(
            error.contains("standard input, which can be read only once"),
            "{answer}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
