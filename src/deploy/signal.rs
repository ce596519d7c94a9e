//! Sends a signal to the process whose number is in a pid file.
//!
//! Whoever can change a pid file chooses the process, so a signal goes no further than that user's
//! own processes. Only a file that root or this process's user alone can change may name any
//! process. The process is held (pidfd) while that is found out, so that its number cannot become
//! another's before the signal is sent.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr as _;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use rustix::process::{self, Pid, PidfdFlags, pidfd_open, pidfd_send_signal, test_kill_process};

use super::error::DeployError;
use super::target::untrusted;
use crate::disk::{self, Dir, Trust, user_name};

/// Far above any number.
const LARGEST: u64 = 4096;

/// The bits of a mode by which others than the owner write.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Sends a signal to the process whose number is in a file.
pub(super) fn send(name: &str, pid_file: &Path) -> Result<(), DeployError> {
    let signal = Signal::from_str(&format!("SIG{}", name.to_ascii_uppercase())).ok();
    let signal = signal.and_then(|signal| process::Signal::from_named_raw(signal as i32));
    signal_to(
        pid_file,
        Some(signal.ok_or_else(|| DeployError::NoSignal(name.into()))?),
    )
}

/// Looks whether a signal would arrive, and sends none.
pub(super) fn reaches(pid_file: &Path) -> Result<(), DeployError> {
    signal_to(pid_file, None)
}

fn signal_to(pid_file: &Path, signal: Option<process::Signal>) -> Result<(), DeployError> {
    let found = PidFile::read(pid_file)?;
    let number = pid(&found.text).ok_or_else(|| DeployError::NoPid(pid_file.to_owned()))?;
    if u32::try_from(number) == Ok(std::process::id()) {
        return Err(DeployError::OwnPid(pid_file.to_owned()));
    }
    let path = || pid_file.to_owned();
    let failed = |errno: rustix::io::Errno| match errno {
        rustix::io::Errno::SRCH => DeployError::StalePid {
            path: path(),
            pid: number,
        },
        errno => DeployError::NotSignalled {
            path: path(),
            pid: number,
            cause: Errno::from_raw(errno.raw_os_error()),
        },
    };
    let pid = Pid::from_raw(number).ok_or_else(|| DeployError::NoPid(path()))?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(failed)?;
    if let Writer::User(writer) = found.writer {
        // Of the process that is held or, if that has ended by now, of another: then the signal
        // goes nowhere.
        let users = users_of(number).map_err(|_| match test_kill_process(pid) {
            Err(rustix::io::Errno::SRCH) => failed(rustix::io::Errno::SRCH),
            // It is there, and hidden from us.
            _ => failed(rustix::io::Errno::ACCESS),
        })?;
        if let Some(user) = users.into_iter().find(|user| *user != writer) {
            let (writer, user) = (user_name(writer), user_name(user));
            return Err(DeployError::ForeignProcess {
                path: path(),
                writer,
                pid: number,
                user,
            });
        }
    }
    match signal {
        Some(signal) => pidfd_send_signal(&process, signal).map_err(failed),
        None => test_kill_process(pid).map_err(failed),
    }
}

/// What a pid file says, and who says so.
#[derive(Debug)]
struct PidFile {
    text: Vec<u8>,
    writer: Writer,
}

/// Who can change what a pid file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Root and this process's user alone.
    Trusted,
    /// This one too.
    User(u32),
}

impl PidFile {
    fn read(path: &Path) -> Result<Self, DeployError> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::FileTooLarge => DeployError::NoPid(path.to_owned()),
            _ => untrusted(error, |error| DeployError::PidFile(path.to_owned(), error)),
        };
        let trust = Trust::links();
        let (dir, name) = Dir::of_file(path, &trust).map_err(unreadable)?;
        let file = dir.open_file(&name).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if is_open(&found, &trust) {
            return Err(DeployError::OpenPidFile(path.to_owned()));
        }
        let writer = writer(path, &found, &dir, &trust).map_err(unreadable)?;
        Ok(Self {
            text: disk::read_open(file, LARGEST).map_err(unreadable)?,
            writer,
        })
    }
}

/// Who can change a pid file or put another one in its place.
fn writer(path: &Path, found: &Metadata, dir: &Dir, trust: &Trust) -> io::Result<Writer> {
    if !trust.is_trusted(found.uid()) {
        return Ok(Writer::User(found.uid()));
    }
    let strict = Trust::strict();
    // In a folder such as /tmp a second name may be a link that somebody has made of a file of
    // root's.
    if found.nlink() == 1 && Dir::of_file(path, &strict).is_ok() {
        return Ok(Writer::Trusted);
    }
    match dir.metadata()?.uid() {
        user if trust.is_trusted(user) => Dir::open(dir.path(), &strict).map(|_| Writer::Trusted),
        user => Ok(Writer::User(user)),
    }
}

/// Whether others than the owner can write the file. The group of a server may write what names the
/// server's processes, and no more.
fn is_open(found: &Metadata, trust: &Trust) -> bool {
    match trust.is_trusted(found.uid()) {
        true => !trust.is_closed(found),
        false => found.mode() & WRITABLE_BY_ALL != 0,
    }
}

/// The users as which a process runs: real, effective, saved and for files.
fn users_of(pid: i32) -> io::Result<Vec<u32>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let users: Option<Vec<u32>> = line.map(|line| {
        line.split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect()
    });
    users
        .filter(|users| users.len() == 4)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// One number, of one process: 0 and what is below are groups of processes, and 1 is the system's.
fn pid(text: &[u8]) -> Option<i32> {
    let digits = str::from_utf8(text).ok()?.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|pid| is_number && *pid > 1)
}
