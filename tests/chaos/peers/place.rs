//! Where a gateway runs: its folder, port and certificate, and its processes.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};

use super::super::support::openssl::Ca;
use super::super::support::{Folder, free_ports, until};

/// Its folder, and what its file needs.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) folder: Folder,
    pub(super) port: u16,
    /// For what else it listens on.
    pub(super) admin: u16,
    /// The port of the server behind.
    pub(super) server: u16,
    pub(super) ca: PathBuf,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    /// Both in one file.
    pub(super) both: PathBuf,
}

/// What has been started. All of it, with what that has started, is killed in the end.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    children: Vec<Child>,
    /// Leaders of process groups.
    leaders: Vec<Pid>,
}

impl Place {
    pub(super) fn new(folder: Folder, server: u16) -> Self {
        let [port, admin] = free_ports();
        let ca = Ca::new(&folder, "ca");
        let pair = ca.issue(&folder, "site", "localhost", 30);
        let [cert, key] = [&pair.cert, &pair.key].map(|file| fs::read_to_string(file).unwrap());
        let both = folder.write("both.pem", &format!("{cert}{key}"));
        Self {
            folder,
            port,
            admin,
            server,
            ca: ca.cert,
            cert: pair.cert,
            key: pair.key,
            both,
        }
    }

    /// A text with its values in their places.
    pub(super) fn fill(&self, template: &str) -> String {
        let path = |path: &PathBuf| path.display().to_string();
        template
            .replace("{FOLDER}", &path(&self.folder.join("")))
            .replace("{PORT}", &self.port.to_string())
            .replace("{ADMIN}", &self.admin.to_string())
            .replace("{SERVER}", &self.server.to_string())
            .replace("{CERT}", &path(&self.cert))
            .replace("{KEY}", &path(&self.key))
            .replace("{BOTH}", &path(&self.both))
    }

    /// Waits until it takes connections.
    pub(super) fn is_ready(&self) {
        until("the gateway listens", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        });
    }
}

impl Processes {
    /// Starts a program, with its output in the folder, and a process group of its own.
    pub(super) fn start(&mut self, place: &Place, program: &str, words: &[&str]) {
        let log = File::create(place.folder.join(&format!("log-{}", self.children.len()))).unwrap();
        let child = Command::new(program)
            .args(words.iter().map(|word| place.fill(word)))
            .env("HOME", place.folder.join(""))
            .env("XDG_DATA_HOME", place.folder.join(""))
            .env("XDG_CONFIG_HOME", place.folder.join(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        self.leaders.push(Pid::from_child(&child));
        self.children.push(child);
    }

    /// Takes the place of the one that was started last, which has left it to do the work.
    pub(super) fn adopt(&mut self, leader: Pid) {
        self.children.last_mut().unwrap().wait().unwrap();
        *self.leaders.last_mut().unwrap() = leader;
    }

    /// The one that was started last.
    pub(super) fn id(&self) -> Pid {
        *self.leaders.last().unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Asks the last one to end, and waits.
    pub(super) fn end(&mut self) {
        self.signal(Signal::TERM);
        until("the gateway has ended", || {
            // It stays a zombie without this.
            let _ = self.children.last_mut().unwrap().try_wait();
            test_kill_process(self.id()).is_err()
        });
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for leader in &self.leaders {
            // All of the group may have ended.
            let _ = kill_process_group(*leader, Signal::KILL);
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// A program, by the variable of its name or as it is found: its whole path, which an upgrade of
/// nginx needs.
pub(super) fn program(name: &str) -> String {
    if let Ok(path) = std::env::var(name.to_uppercase()) {
        return path;
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(name));
    let found = paths.find(|path| path.is_file());
    found
        .unwrap_or_else(|| panic!("{name} is not installed"))
        .display()
        .to_string()
}

/// What a program says of its version, in its first line.
pub(super) fn version(program: &str, word: &str) -> String {
    let output = Command::new(program).arg(word).output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&all);
    let line = text.lines().next().unwrap_or_default();
    let number = line.split([' ', '/']).find(|word| {
        word.trim_start_matches('v')
            .starts_with(|c: char| c.is_ascii_digit())
    });
    number.unwrap_or(line).trim_start_matches('v').to_owned()
}
