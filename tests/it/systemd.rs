//! systemd learns what the gateway does, over the socket that it names in the environment.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{Frame, echo, handshake, is_alive};
use crate::harness::{Config, Upstream, eventually};

/// A service manager that keeps what it receives.
struct Manager {
    /// The value of `NOTIFY_SOCKET`.
    name: String,
    messages: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Manager {
    fn at_path() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::new(path.to_str().unwrap().to_owned(), socket, folder)
    }

    fn with_abstract_name() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap().to_owned();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Self::new(format!("@{name}"), socket, folder)
    }

    fn new(name: String, socket: UnixDatagram, folder: TempDir) -> Self {
        let messages = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&messages);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                kept.lock().unwrap().push(message);
            }
        });
        Self {
            name,
            messages,
            _folder: folder,
        }
    }

    fn start(&self, config: &Config) -> GatewayProcess {
        GatewayProcess::start_with(
            &[("NOTIFY_SOCKET", &self.name), ("WATCHDOG_USEC", "100000")],
            config,
        )
    }

    /// Everything but the signs of life, as the first line of each message.
    fn changes(&self) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        let first = messages.iter().filter_map(|message| message.lines().next());
        let is_change = |line: &&str| !line.starts_with("WATCHDOG") && !line.starts_with("STATUS");
        first.filter(is_change).map(str::to_owned).collect()
    }

    fn find(&self, text: &str) -> Option<String> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .find(|message| message.contains(text))
            .cloned()
    }

    #[track_caller]
    fn is_told(&self, changes: &[&str]) {
        eventually(&format!("{changes:?}"), || self.changes() == changes);
    }

    /// Waits for another sign of life.
    #[track_caller]
    fn hears_life(&self) {
        let count = || {
            let messages = self.messages.lock().unwrap();
            messages
                .iter()
                .filter(|message| *message == "WATCHDOG=1\n")
                .count()
        };
        let before = count();
        eventually("a sign of life", || count() > before);
    }
}

#[test]
fn systemd_learns_of_start_reload_and_stop_in_this_order() {
    let (manager, upstream) = (Manager::at_path(), echo());
    let config = Config::to(&upstream).limits("drain = \"2h\"");
    let mut gateway = manager.start(&config);
    manager.is_told(&["READY=1"]);
    manager.hears_life();

    gateway.hang_up(&config.text());
    gateway.event("reloaded");
    manager.is_told(&["READY=1", "RELOADING=1", "READY=1"]);
    let reloading = manager.find("RELOADING=1").unwrap();
    let time = reloading.lines().nth(1).unwrap();
    let micros = time.strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0, "{time}");

    // A reload that fails has an end as well.
    gateway.hang_up("broken");
    let mut changes = vec![
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "RELOADING=1",
        "READY=1",
    ];
    manager.is_told(&changes);
    assert!(manager.find("STATUS=accepting, not reloaded: ").is_some());

    let mut tunnel = gateway.dial().h1();
    tunnel.send(handshake("/", ""));
    assert_eq!(tunnel.head().status(), 101);
    // It is counted after its handshake, and before its first message is passed on.
    is_alive(&mut tunnel);
    gateway.signal(Signal::TERM);
    changes.push("STOPPING=1");
    manager.is_told(&changes);
    // The drain may take longer than systemd would wait, and than 32 bits of microseconds.
    let stopping = manager.find("STOPPING=1").unwrap();
    assert!(
        stopping.contains("\nEXTEND_TIMEOUT_USEC=7210000000\n"),
        "{stopping}"
    );
    let left = "STATUS=draining: 1 connections, of which 1 are WebSockets\n";
    assert!(stopping.contains(left), "{stopping}");
    // It is alive while it drains.
    manager.hears_life();
    tunnel.send(Frame::client_close(1000, "").bytes());
    drop(tunnel);
    assert_eq!(gateway.ended().code(), Some(0));
    manager.is_told(&changes);
}

#[test]
fn a_socket_with_an_abstract_name_is_told_as_well() {
    let (manager, upstream) = (Manager::with_abstract_name(), Upstream::ok());
    let mut gateway = manager.start(&Config::to(&upstream));
    manager.is_told(&["READY=1"]);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().code(), Some(0));
    manager.is_told(&["READY=1", "STOPPING=1"]);
}

#[test]
fn a_socket_that_is_not_there_is_a_warning() {
    let upstream = Upstream::ok();
    let gateway =
        GatewayProcess::start_with(&[("NOTIFY_SOCKET", "run/notify")], &Config::to(&upstream));
    let said = gateway.event("NOTIFY_SOCKET cannot be used");
    assert!(
        said.contains("neither an absolute path nor an abstract name"),
        "{said}"
    );
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
}

#[test]
fn an_upgrade_names_the_new_process_which_then_speaks_for_the_service() {
    let (manager, upstream) = (Manager::at_path(), Upstream::ok());
    let mut gateway = manager.start(&Config::to(&upstream));
    manager.is_told(&["READY=1"]);
    gateway.upgrade();
    gateway.event("ready: this process replaces");
    let successor = gateway.replaced_by()[0];
    let main = format!("MAINPID={}", successor.as_raw_nonzero());
    // The new process is ready before the old one names it; the messages are of two processes.
    eventually("the new process is named", || {
        let mut changes = manager.changes();
        changes.sort();
        changes == [&*main, "READY=1", "READY=1"]
    });
    // The old one does not say that the service stops.
    assert_eq!(gateway.ended().code(), Some(0));
    manager.hears_life();
    kill_process(successor, Signal::TERM).unwrap();
    eventually("the new process stops", || {
        manager
            .changes()
            .last()
            .is_some_and(|last| last == "STOPPING=1")
    });
    assert_eq!(manager.changes().len(), 4);
}
