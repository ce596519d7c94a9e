//! Sends a signal to the process whose number is in a pid file.
//!
//! A user who can change a pid file chooses the process, so the signal only reaches processes of
//! that user. Only a file that no one but root or this process's user can change may name any
//! process. The process is held by a pidfd during these checks, so that its number cannot be reused
//! before the signal is sent.

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

/// Far larger than any pid file.
const LARGEST: u64 = 4096;

/// The bit of a mode that lets everybody write.
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

/// Checks whether a signal would arrive, without sending one.
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
        // If the process has ended by now these may be the users of another one, but the signal
        // then reaches no process.
        let users = users_of(number).map_err(|_| match test_kill_process(pid) {
            Err(rustix::io::Errno::SRCH) => failed(rustix::io::Errno::SRCH),
            // It exists, and /proc hides it from us.
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

/// The content of a pid file, and who could have written it.
#[derive(Debug)]
struct PidFile {
    text: Vec<u8>,
    writer: Writer,
}

/// Who can change a pid file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Only root and this process's user.
    Trusted,
    /// This user too.
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

/// Who can change or replace a pid file.
fn writer(path: &Path, found: &Metadata, dir: &Dir, trust: &Trust) -> io::Result<Writer> {
    if !trust.is_trusted(found.uid()) {
        return Ok(Writer::User(found.uid()));
    }
    let strict = Trust::strict();
    // In a folder such as /tmp, another user may have made a hard link to a file of root's.
    if found.nlink() == 1 && Dir::of_file(path, &strict).is_ok() {
        return Ok(Writer::Trusted);
    }
    match dir.metadata()?.uid() {
        user if trust.is_trusted(user) => Dir::open(dir.path(), &strict).map(|_| Writer::Trusted),
        user => Ok(Writer::User(user)),
    }
}

/// Whether too many users can write the file. The group of a server may write a file of that
/// server, which can only name the server's processes.
fn is_open(found: &Metadata, trust: &Trust) -> bool {
    match trust.is_trusted(found.uid()) {
        true => !trust.is_closed(found),
        false => found.mode() & WRITABLE_BY_ALL != 0,
    }
}

/// The users of a process: real, effective, saved and for files.
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

/// The number of one process: 0 and below are process groups, and 1 is init.
fn pid(text: &[u8]) -> Option<i32> {
    let digits = str::from_utf8(text).ok()?.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|pid| is_number && *pid > 1)
}
