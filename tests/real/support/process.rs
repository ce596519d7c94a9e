//! A server of a test, ended with it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Folder;

/// A running program, whose output goes to a file.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that must not outlive this test, nor the thread that calls this. What it says is in `NAME.log`
    /// of the folder.
    pub(crate) fn start(folder: &Folder, name: &str, program: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        let log = folder.join(&format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", program]);
        adjust(&mut command);
        let child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Self { child, log }
    }

    /// A private Janus with these ports: REST, WebSocket, admin REST, admin WebSocket.
    pub(crate) fn janus(folder: &Folder, ports: [u16; 4], admin_secret: &str) -> Self {
        Self::janus_with(folder, ports, admin_secret, &[])
    }

    /// The same, with variables of `scripts/janus.sh`.
    pub(crate) fn janus_with(folder: &Folder, ports: [u16; 4], admin_secret: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new("scripts/janus.sh")
            .arg(folder.join("janus"))
            .args(ports.map(|port| port.to_string()))
            .env("JANUS_ADMIN_SECRET", admin_secret)
            .envs(variables.iter().copied())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let janus = Self { child, log: folder.join("janus/janus.log") };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "READY\n", "Janus did not start");
        janus
    }

    /// Waits until a port of 127.0.0.1 takes connections.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended with {ended:?}:\n{}", self.log.display(), self.said());
            assert!(Instant::now() < deadline, "nothing listens on {port}:\n{}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything that it has written.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to end, and insists after a while.
    pub(crate) fn end(&mut self) -> ExitStatus {
        if let Some(status) = self.child.try_wait().unwrap() {
            return status;
        }
        self.signal(Signal::TERM);
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
