//! Tells a server that there is a new certificate.

use std::io;
use std::path::Path;
use std::str::FromStr as _;

use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::error::DeployError;
use super::{DeploySpec, Reload, command};
use crate::disk;
use crate::store::Stored;

/// Far above any number.
const LARGEST: u64 = 4096;

/// Does what the configuration says.
pub(super) async fn tell(spec: &DeploySpec, reload: &Reload, cert: &Stored) -> Result<(), DeployError> {
    match reload {
        Reload::Signal { signal, pid_file } => send(signal, pid_file),
        Reload::Command(argv) => command::run(argv, &command::variables(spec, cert), command::LIMIT).await,
    }
}

/// Sends a signal to the process whose number is in a file.
pub(super) fn send(name: &str, pid_file: &Path) -> Result<(), DeployError> {
    let signal = Signal::from_str(&format!("SIG{}", name.to_ascii_uppercase()));
    signal_to(pid_file, Some(signal.map_err(|_| DeployError::NoSignal(name.into()))?))
}

/// Looks whether a signal would arrive, and sends none.
pub(super) fn reaches(pid_file: &Path) -> Result<(), DeployError> {
    signal_to(pid_file, None)
}

fn signal_to(pid_file: &Path, signal: Option<Signal>) -> Result<(), DeployError> {
    let text = disk::read(pid_file, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => DeployError::NoPid(pid_file.to_owned()),
        _ => DeployError::PidFile(pid_file.to_owned(), error),
    })?;
    let pid = pid(&text).ok_or_else(|| DeployError::NoPid(pid_file.to_owned()))?;
    if u32::try_from(pid) == Ok(std::process::id()) {
        return Err(DeployError::OwnPid(pid_file.to_owned()));
    }
    let path = || pid_file.to_owned();
    signal::kill(Pid::from_raw(pid), signal).map_err(|errno| match errno {
        Errno::ESRCH => DeployError::StalePid { path: path(), pid },
        cause => DeployError::NotSignalled { path: path(), pid, cause },
    })
}

/// One number, of one process: 0 and what is below are groups of processes, and 1 is the system's.
fn pid(text: &[u8]) -> Option<i32> {
    let digits = str::from_utf8(text).ok()?.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|pid| is_number && *pid > 1)
}
