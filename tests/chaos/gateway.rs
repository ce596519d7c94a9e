//! The gateway that is tried: a copy of the binary, which upgrades replace.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::report::Report;
use super::support::{Folder, until};

/// Processes of one gateway: the one in charge, and older ones that still drain.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) folder: Folder,
    pub(crate) https: u16,
    pub(crate) status: u16,
    binary: PathBuf,
    first: Child,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Proportional set size, in KiB.
    pub(crate) memory: usize,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Gateway {
    /// Starts it with a file in which `{HTTPS}` and `{STATUS}` are these ports. Its accesses go to
    /// a disk that is full, its events to `events.log` of the folder.
    pub(crate) fn start(folder: Folder, [https, status]: [u16; 2], text: &str) -> Self {
        let binary = folder.join("ianitor");
        fs::copy(original(), &binary).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let events = File::create(folder.join("events.log")).unwrap();
        write_file(&folder, [https, status], text);
        let first = Command::new(&binary)
            .arg("run")
            .arg("--config")
            .arg(folder.join("gateway.toml"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(events)
            .spawn()
            .unwrap();
        let gateway = Self {
            folder,
            https,
            status,
            binary,
            first,
        };
        until("the gateway listens", || {
            gateway.events().contains(" listening ")
        });
        gateway
    }

    /// Replaces its configuration by another file.
    pub(crate) fn write(&self, text: &str) {
        write_file(&self.folder, [self.https, self.status], text);
    }

    /// A command about it, and whether it must go well.
    pub(crate) fn must(&self, report: &mut Report, name: &str, is_good: bool) {
        let output = self.command(name);
        let reason = format!("ianitor {name}: {output:?}");
        report.check(output.status.success() == is_good, reason);
    }

    fn command(&self, name: &str) -> Output {
        self.begin(name).wait_with_output().unwrap()
    }

    /// A command about it that goes on meanwhile.
    pub(crate) fn begin(&self, name: &str) -> Child {
        Command::new(original())
            .arg(name)
            .arg("--config")
            .arg(self.folder.join("gateway.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Replaces its binary by another program.
    pub(crate) fn replace_binary(&self, program: &[u8]) {
        use std::os::unix::fs::PermissionsExt as _;
        let new = self.folder.join("ianitor.new");
        fs::write(&new, program).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, &self.binary).unwrap();
    }

    /// The binary as it was.
    pub(crate) fn restore_binary(&self) {
        self.replace_binary(&fs::read(original()).unwrap());
    }

    /// What it has logged.
    pub(crate) fn events(&self) -> String {
        let bytes = fs::read(self.folder.join("events.log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All processes that run with its file, the oldest first.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let file = self.folder.join("gateway.toml");
        let file = file.to_string_lossy();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let number = entry.file_name().to_string_lossy().parse().ok();
            let Some(pid) = number.and_then(Pid::from_raw) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            // A command about it has the file among its words as well.
            let is_run = words.any(|word| word == b"run");
            if is_run && words.any(|word| word == file.as_bytes()) {
                found.push((started(&entry.path()), pid));
            }
        }
        found.sort_by_key(|(started, pid)| (*started, pid.as_raw_nonzero()));
        found.into_iter().map(|(_, pid)| pid).collect()
    }

    /// What all of them use together.
    pub(crate) fn usage(&self) -> Usage {
        let mut sum = Usage::default();
        for pid in self.processes() {
            let Usage {
                memory,
                descriptors,
                threads,
            } = usage(pid).unwrap_or_default();
            sum.memory += memory;
            sum.descriptors += descriptors;
            sum.threads += threads;
        }
        sum
    }

    /// Waits until only the newest process is left.
    pub(crate) fn is_alone(&mut self) {
        until("the older processes have ended", || {
            self.reap();
            self.processes().len() == 1
        });
    }

    /// Asks all of them to stop, and waits.
    pub(crate) fn stop(&mut self) {
        for pid in self.processes() {
            // It may just have ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        until("the gateway has stopped", || {
            self.reap();
            self.processes().is_empty()
        });
    }

    /// Takes note of the first process' end: it would stay a zombie.
    fn reap(&mut self) {
        let _ = self.first.try_wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for pid in self.processes() {
            // It may just have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.first.wait();
    }
}

/// The binary that is tried.
pub(crate) fn original() -> PathBuf {
    let named = std::env::var_os("IANITOR").map(PathBuf::from);
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_ianitor").into())
}

fn write_file(folder: &Folder, [https, status]: [u16; 2], text: &str) {
    let text = text
        .replace("{HTTPS}", &https.to_string())
        .replace("{STATUS}", &status.to_string());
    // Whole or not at all: the gateway may be reading it.
    let new = folder.write("gateway.toml.new", &text);
    fs::rename(new, folder.join("gateway.toml")).unwrap();
}

/// When a process was started, in ticks of the kernel.
fn started(process: &Path) -> u64 {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let field = after_name.split_whitespace().nth(19);
    field.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What a process uses; nothing if it has ended.
fn usage(pid: Pid) -> Option<Usage> {
    let folder = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    Some(Usage {
        memory: field("smaps_rollup", "Pss:")?,
        descriptors: fs::read_dir(folder.join("fd")).ok()?.count(),
        threads: field("status", "Threads:")?,
    })
}

impl Usage {
    pub(crate) fn mib(self) -> f64 {
        self.memory as f64 / 1024.0
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.1} MiB, {} descriptors, {} threads",
            self.mib(),
            self.descriptors,
            self.threads
        )
    }
}
