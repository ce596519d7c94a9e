//! The gateway as a process of its own, for what signals and exit codes do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::gateway::trusted;
use super::{Config, Dial, eventually};

/// The process; it is killed on drop.
#[derive(Debug)]
pub(crate) struct GatewayProcess {
    child: Child,
    folder: TempDir,
    events: Arc<Mutex<Vec<String>>>,
    accesses: Arc<Mutex<Vec<String>>>,
}

impl GatewayProcess {
    /// Starts it without waiting for anything.
    pub(crate) fn spawn(config: &Config) -> Self {
        Self::spawn_by(Command::new(env!("CARGO_BIN_EXE_ianitor")), config)
    }

    /// Starts it with a filter of the environment.
    pub(crate) fn start_with_rust_log(filter: &str, config: &Config) -> Self {
        let mut command = Command::new("env");
        command
            .arg(format!("RUST_LOG={filter}"))
            .arg(env!("CARGO_BIN_EXE_ianitor"));
        let gateway = Self::spawn_by(command, config);
        gateway.listening(1);
        gateway
    }

    /// With so many file descriptors and no more.
    pub(crate) fn start_with_descriptors(descriptors: usize, config: &Config) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        command
            .arg("-c")
            .arg(script)
            .arg(env!("CARGO_BIN_EXE_ianitor"));
        let gateway = Self::spawn_by(command, config);
        gateway.listening(1);
        gateway
    }

    /// Starts it by a script, whose arguments are the program and its own.
    pub(crate) fn start_by(script: &str, config: &Config) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .arg(env!("CARGO_BIN_EXE_ianitor"));
        let gateway = Self::spawn_by(command, config);
        gateway.listening(1);
        gateway
    }

    /// Starts it with these variables in its environment and waits until it listens.
    pub(crate) fn start_with(environment: &[(&str, &str)], config: &Config) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        command.envs(environment.iter().copied());
        let gateway = Self::spawn_by(command, config);
        gateway.listening(1);
        gateway
    }

    /// Starts it by another path, or with other descriptors, and waits for nothing.
    pub(crate) fn spawn_by(mut command: Command, config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gateway.toml"), config.text()).unwrap();
        command
            .arg("run")
            .arg("--config")
            .arg(folder.path().join("gateway.toml"))
            .env_remove("RUST_LOG");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let events = lines(child.stderr.take().unwrap());
        let accesses = lines(child.stdout.take().unwrap());
        Self {
            child,
            folder,
            events,
            accesses,
        }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(config: &Config) -> Self {
        let gateway = Self::spawn(config);
        gateway.listening(1);
        gateway
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// Waits for an event line and returns it.
    #[track_caller]
    pub(crate) fn event(&self, text: &str) -> String {
        let find = || self.events().into_iter().find(|line| line.contains(text));
        eventually(&format!("a log line with {text:?}"), || find().is_some());
        find().unwrap()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn accesses(&self) -> Vec<String> {
        self.accesses.lock().unwrap().clone()
    }

    /// Where it listens for TLS, once it has said so so many times.
    #[track_caller]
    pub(crate) fn listening(&self, count: usize) -> Vec<SocketAddr> {
        let said = || {
            let lines = self
                .events()
                .into_iter()
                .filter(|l| l.contains(" listening ") && l.contains("listener=https"));
            lines.map(|line| address(&line)).collect::<Vec<_>>()
        };
        eventually("the process listens", || said().len() >= count);
        said()
    }

    /// Where its status listener is.
    #[track_caller]
    pub(crate) fn status(&self) -> SocketAddr {
        address(&self.event("listener=status"))
    }

    /// What its status listener answers at `/metrics`.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let answer = self.ask_status("/metrics", "");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// A whole answer of its status listener. `fields` are more lines of the request's head.
    #[track_caller]
    pub(crate) fn ask_status(&self, path: &str, fields: &str) -> String {
        let mut stream = TcpStream::connect(self.status()).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn dial(&self) -> Dial {
        self.dial_at(self.listening(1)[0])
    }

    /// A way in at this address.
    pub(crate) fn dial_at(&self, address: SocketAddr) -> Dial {
        Dial::new(address, trusted(self.folder.path()))
    }

    /// Has it upgrade itself, and waits until the new process is ready.
    #[track_caller]
    pub(crate) fn upgrade(&self) {
        let output = self.try_upgrade(&[]);
        assert!(output.status.success(), "{output:?}");
    }

    /// What `ianitor upgrade` says.
    pub(crate) fn try_upgrade(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        command.arg("upgrade").args(arguments);
        let config = self.config_path();
        command.arg("--config").arg(config).output().unwrap()
    }

    /// The processes that have replaced it, by what they have said.
    pub(crate) fn replaced_by(&self) -> Vec<Pid> {
        let events = self.events().into_iter();
        let ready = events.filter(|line| line.contains("ready: this process replaces"));
        let pid = |line: String| line.split_once("pid=")?.1.trim().parse().ok();
        ready.filter_map(pid).filter_map(Pid::from_raw).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Writes another configuration and has it taken up.
    pub(crate) fn hang_up(&self, text: &str) {
        std::fs::write(self.config_path(), text).unwrap();
        self.signal(Signal::HUP);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("the process has ended", || {
            self.child.try_wait().unwrap().is_some()
        });
        self.child.wait().unwrap()
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let config = self.config_path();
        for pid in self.replaced_by() {
            let line = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
            // Its number may be another process' by now.
            let line = std::fs::read(line).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(config.to_str().unwrap()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn lines(from: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&all);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            shared.lock().unwrap().push(line);
        }
    });
    all
}

/// The address in a log line.
pub(crate) fn address(line: &str) -> SocketAddr {
    let value = line.split_once("address=").unwrap().1;
    value.split(' ').next().unwrap().parse().unwrap()
}
