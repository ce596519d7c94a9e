//! A server of a test, ended with it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
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
    /// Starts a program that must not outlive this test, nor the thread that calls this. What it
    /// says is in `NAME.log` of the folder.
    pub(crate) fn start(
        folder: &Folder,
        name: &str,
        program: &str,
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        let log = folder.join(&format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let child = spawn(
            program,
            adjust,
            output.try_clone().unwrap().into(),
            output.into(),
        );
        Self { child, log }
    }

    /// The same where the program must not write files itself, because it is kept from writing any.
    pub(crate) fn start_piped(
        folder: &Folder,
        name: &str,
        program: &str,
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        let log = folder.join(&format!("{name}.log"));
        let mut output = File::create(&log).unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = spawn(
            program,
            adjust,
            writer.try_clone().unwrap().into(),
            writer.into(),
        );
        thread::spawn(move || std::io::copy(&mut reader, &mut output));
        Self { child, log }
    }

    /// A private Janus with these ports: REST, WebSocket, admin REST, admin WebSocket.
    pub(crate) fn janus(folder: &Folder, ports: [u16; 4], admin_secret: &str) -> Self {
        Self::janus_with(folder, ports, |command| {
            command.env("JANUS_ADMIN_SECRET", admin_secret);
        })
    }

    /// The same, told more by its environment.
    pub(crate) fn janus_with(
        folder: &Folder,
        ports: [u16; 4],
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new("scripts/janus.sh");
        command
            .arg(folder.join("janus"))
            .args(ports.map(|port| port.to_string()));
        adjust(&mut command);
        let mut child = command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let janus = Self {
            child,
            log: folder.join("janus/janus.log"),
        };
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
            assert!(
                ended.is_none(),
                "{} ended with {ended:?}:\n{}",
                self.log.display(),
                self.said()
            );
            assert!(
                Instant::now() < deadline,
                "nothing listens on {port}:\n{}",
                self.said()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything that it has written.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once, with whatever it was about.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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

fn spawn(program: &str, adjust: impl FnOnce(&mut Command), output: Stdio, errors: Stdio) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", program]);
    adjust(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
