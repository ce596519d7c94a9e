//! Real clients, through the gateway that ships, to a real Janus.
//!
//! The configuration is the repository's `gateway.toml` with other ports. Janus, node
//! and Chromium come from `scripts/test-deps.sh`; what is missing fails the test.
#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{process, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const ADMIN_SECRET: &str = "a secret of this test";

type Step = fn(&World);

#[test]
fn the_shipped_configuration_is_valid() {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config", "gateway.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn real_clients_reach_a_real_janus() {
    let folder = Folder::new();
    let ports = Ports::free();
    let janus = Process::janus(&folder, &ports);
    let mut gateway = Process::gateway(&folder, &ports);
    let world = World { folder: &folder, ports: &ports };

    let steps: [(&str, Step); 7] = [
        ("server info", server_info),
        ("redirect to https", redirect),
        ("long poll over HTTP/1.1", |world| long_poll(world, "--http1.1")),
        ("long poll over HTTP/2", |world| long_poll(world, "--http2")),
        ("janode over a WebSocket", janode),
        ("janus.js over REST in Chromium", echo_test),
        ("/admin", admin),
    ];
    // Side by side: two of them wait for 30 s.
    let failed: Vec<&str> = thread::scope(|scope| {
        let running: Vec<_> = steps
            .iter()
            .map(|(name, step)| (*name, scope.spawn(|| catch_unwind(AssertUnwindSafe(|| step(&world))).is_ok())))
            .collect();
        running.into_iter().filter_map(|(name, step)| (!step.join().unwrap_or(false)).then_some(name)).collect()
    });

    let log = fs::read_to_string(folder.join("gateway.log")).unwrap();
    assert!(failed.is_empty(), "failed: {failed:?}; the gateway's log:\n{log}");

    let ended = gateway.end();
    assert!(ended.success(), "SIGTERM ended the gateway with {ended}");
    drop(janus);
}

fn server_info(world: &World) {
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let answer = world.curl(&[option, &world.url("/janus/info")]);
        assert_eq!((answer.status, answer.version.as_str()), (200, version));
        assert_eq!(answer.json()["name"], "Janus WebRTC Server");
    }
}

fn redirect(world: &World) {
    let plain = format!("http://localhost:{}/janus/info?x=1", world.ports.http);
    let answer = world.curl(&[&plain]);
    assert_eq!(answer.status, 308);
    assert_eq!(answer.location, world.url("/janus/info?x=1"));
}

fn long_poll(world: &World, option: &str) {
    let session = world.create_session();
    let answer = world.curl(&[option, &world.url(&format!("/janus/{session}?maxev=1"))]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), json!({ "janus": "keepalive" }));
}

fn janode(world: &World) {
    let url = format!("wss://localhost:{}/janus-ws", world.ports.https);
    world.node(&["janode.js", &url]);
}

fn echo_test(world: &World) {
    let ca = world.ca();
    world.node(&["echotest.js", &world.url("/janus"), ca.to_str().unwrap()]);
}

fn admin(world: &World) {
    let session = world.create_session();
    let list = json!({ "janus": "list_sessions", "transaction": "t", "admin_secret": ADMIN_SECRET }).to_string();
    let from = |source: &str, path: &str| {
        world.curl(&["--ipv4", "--interface", source, "--data-binary", &list, &world.url(path)])
    };

    let answer = from("127.0.0.1", "/admin");
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["janus"], "success");
    assert!(answer["sessions"].as_array().unwrap().contains(&session.into()), "{answer}");

    for path in ["/admin", "/admin/1", "/admin/info"] {
        let answer = from("127.0.0.2", path);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(!answer.body.contains("janus\""), "{answer:?}");
    }
    // It is the route that refuses this address, not the gateway.
    let open = world.curl(&["--ipv4", "--interface", "127.0.0.2", &world.url("/janus/info")]);
    assert_eq!(open.status, 200);
}

/// Where everything is.
struct World<'a> {
    folder: &'a Folder,
    ports: &'a Ports,
}

impl World<'_> {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.ports.https)
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("certs/ca.pem")
    }

    fn curl(&self, args: &[&str]) -> Answer {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "75", "--cacert"])
            .arg(self.ca())
            .args(["--write-out", "\n%{http_code} %{http_version} %{redirect_url}"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "curl {args:?}: {output:?}");
        Answer::from_curl(&String::from_utf8(output.stdout).unwrap())
    }

    fn create_session(&self) -> u64 {
        let create = json!({ "janus": "create", "transaction": "t" }).to_string();
        let answer = self.curl(&["--data-binary", &create, &self.url("/janus")]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["data"]["id"].as_u64().unwrap()
    }

    /// Runs one of the clients of `tests/real`, which say by their status how it went.
    fn node(&self, args: &[&str]) {
        let output = Command::new("timeout")
            .args(["120", "node"])
            .args(args)
            .env("NODE_EXTRA_CA_CERTS", self.ca())
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        println!("{}: {said}", args[0]);
        assert!(output.status.success(), "{}: {}", args[0], output.status);
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    version: String,
    location: String,
    body: String,
}

impl Answer {
    fn from_curl(text: &str) -> Self {
        let (body, end) = text.rsplit_once('\n').unwrap();
        let mut end = end.splitn(3, ' ').map(str::to_owned);
        Self {
            status: end.next().unwrap().parse().unwrap(),
            version: end.next().unwrap(),
            location: end.next().unwrap(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct Ports {
    https: u16,
    http: u16,
    rest: u16,
    websocket: u16,
    admin_rest: u16,
    admin_websocket: u16,
    kurento: u16,
}

impl Ports {
    fn free() -> Self {
        // Held together, so that they differ.
        let held: [_; 7] = std::array::from_fn(|_| loopback_listeners());
        let [https, http, rest, websocket, admin_rest, admin_websocket, kurento] =
            held.each_ref().map(|listeners| listeners[0].local_addr().unwrap().port());
        Self { https, http, rest, websocket, admin_rest, admin_websocket, kurento }
    }
}

/// Listeners on one free port of every loopback address of this machine.
fn loopback_listeners() -> Vec<TcpListener> {
    let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    (0..100)
        .find_map(|_| {
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let port = v4.local_addr().ok()?.port();
            if !ipv6 {
                return Some(vec![v4]);
            }
            TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok().map(|v6| vec![v4, v6])
        })
        .unwrap()
}

/// The shipped configuration, with these ports and on loopback alone.
fn configuration(ports: &Ports) -> String {
    let listen = |port: u16| {
        let mut addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()];
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)).to_string());
        }
        format!("{addresses:?}")
    };
    let changes = [
        (r#"["[::]:8443"]"#, listen(ports.https)),
        (r#"["[::]:8080"]"#, listen(ports.http)),
        ("127.0.0.1:8088", format!("127.0.0.1:{}", ports.rest)),
        ("127.0.0.1:8188", format!("127.0.0.1:{}", ports.websocket)),
        ("127.0.0.1:7088", format!("127.0.0.1:{}", ports.admin_rest)),
        ("127.0.0.1:8888", format!("127.0.0.1:{}", ports.kurento)),
    ];
    let shipped = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml")).unwrap();
    changes.into_iter().fold(shipped, |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from} in gateway.toml");
        text.replace(from, &to)
    })
}

/// A server of this test, ended with it.
struct Process {
    child: Child,
}

impl Process {
    fn janus(folder: &Folder, ports: &Ports) -> Self {
        let mut child = Command::new("scripts/janus.sh")
            .arg(folder.join("janus"))
            .args([ports.rest, ports.websocket, ports.admin_rest, ports.admin_websocket].map(|port| port.to_string()))
            .env("JANUS_ADMIN_SECRET", ADMIN_SECRET)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let janus = Self { child };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "READY\n", "Janus did not start");
        janus
    }

    fn gateway(folder: &Folder, ports: &Ports) -> Self {
        let file = folder.join("gateway.toml");
        fs::write(&file, configuration(ports)).unwrap();
        let log = File::create(folder.join("gateway.log")).unwrap();
        // It must not outlive a test that is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", env!("CARGO_BIN_EXE_ianitor"), "run", "--config"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut gateway = Self { child };
        let log = || fs::read_to_string(folder.join("gateway.log")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, ports.https)).is_err() {
            let ended = gateway.child.try_wait().unwrap();
            assert!(ended.is_none(), "the gateway ended with {ended:?}:\n{}", log());
            assert!(Instant::now() < deadline, "the gateway does not listen:\n{}", log());
            thread::sleep(Duration::from_millis(20));
        }
        gateway
    }

    /// Asks it to end, and insists after a while.
    fn end(&mut self) -> ExitStatus {
        if let Some(status) = self.child.try_wait().unwrap() {
            return status;
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A folder of this test, kept for reading when it fails.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("real-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("configurations and logs are in {}", self.0.display());
        } else {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}
