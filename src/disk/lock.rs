//! Locks between processes: a file that is held open and locked.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Dir;

/// A lock that is held. The system releases it when the file is closed, also for a process that
/// dies. The file stays: without it, a second process could lock another file of the same name.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock with this name in a folder.
    ///
    /// # Errors
    /// As the system says; [`NotAFile`](super::NotAFile) if something else has the name.
    pub fn wait(folder: &Dir, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Self> {
        let file = open(folder, name.as_ref(), mode)?;
        rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        Ok(Self { _file: file })
    }

    /// Waits for the lock of a folder itself, for what must not depend on a file in it.
    ///
    /// # Errors
    /// As the system says.
    pub fn of_folder(folder: &Dir) -> io::Result<Self> {
        let file = File::from(folder.open_itself()?);
        rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if it is free; `None` if another process holds it.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_take(folder: &Dir, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Option<Self>> {
        let file = open(folder, name.as_ref(), mode)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn open(folder: &Dir, name: &OsStr, mode: u32) -> io::Result<File> {
    let (file, is_new) = folder.open_lock(name, mode)?;
    // The owner of an existing file is not changed.
    if is_new {
        folder.hand_over(&file);
    }
    Ok(file)
}
