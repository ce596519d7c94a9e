//! Writes files and folders atomically, with access for the gateway's user only.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::super::StoreError;
use crate::disk::{Dir, FileLock, NotAFile, Trust, Untrusted};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Far larger than any chain; a wrong file may be huge.
const LARGEST: u64 = 1 << 20;

/// The longest name that is used unchanged: file systems accept 255 bytes.
const LONGEST: usize = 200;

/// The suffix of a file that is still being written.
const NEW: &str = ".new";

/// The suffix of a damaged file or folder that was moved aside.
const DAMAGED: &str = ".damaged";

/// The lock file that every writer of a folder holds.
const LOCK: &str = ".lock";

pub(super) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = path.display().to_string();
    move |error| match Untrusted::of(error) {
        Ok(why) => StoreError::Untrusted { place, why },
        Err(cause) => StoreError::Write { place, cause },
    }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = path.display().to_string();
    move |error| match Untrusted::of(error) {
        Ok(why) => StoreError::Untrusted { place, why },
        Err(cause) => StoreError::Read { place, cause },
    }
}

/// Opens a folder of the store; `None` if it does not exist. Links on the way are followed only if
/// no other user controls them: root may run commands in a store that belongs to another user.
pub(super) fn open(folder: &Path) -> Result<Option<Dir>, StoreError> {
    match Dir::open(folder, &Trust::links()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(unreadable(folder)),
    }
}

/// Reads a file; `None` if it does not exist. Anything but a file, or a file larger than the store
/// writes, is reported as damage.
pub(super) fn read(folder: &Dir, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match folder.read(name, LARGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if NotAFile::is(&error) || error.kind() == io::ErrorKind::FileTooLarge => {
            Err(StoreError::Damaged {
                place: folder.path().join(name).display().to_string(),
                what: error.to_string(),
            })
        }
        Err(error) => Err(unreadable(&folder.path().join(name))(error)),
    }
}

/// Creates a folder and its parents, and syncs them to disk.
pub(super) fn make(folder: &Path) -> Result<Dir, StoreError> {
    Dir::open_or_make(folder, &Trust::links(), FOLDER_MODE).map_err(unwritable(folder))
}

/// Creates a folder that must not exist yet.
pub(super) fn make_new(above: &Dir, name: &str) -> io::Result<Dir> {
    above.make(name, FOLDER_MODE)
}

/// A folder that is locked for writing.
#[derive(Debug)]
pub(super) struct LockedDir {
    pub(super) dir: Dir,
    /// Released when it is dropped.
    _lock: FileLock,
}

/// Creates the folder if it does not exist and locks it for writing until the value is dropped.
pub(super) fn lock(folder: &Path) -> Result<LockedDir, StoreError> {
    let dir = make(folder)?;
    let lock = FileLock::wait(&dir, LOCK, FILE_MODE)
        .map_err(|error| unwritable(&dir.path().join(LOCK))(error))?;
    Ok(LockedDir { dir, _lock: lock })
}

/// Takes a lock if it is free.
pub(super) fn try_lock(folder: &Dir, name: &str) -> Result<Option<FileLock>, StoreError> {
    FileLock::try_take(folder, name, FILE_MODE).map_err(unwritable(&folder.path().join(name)))
}

/// Replaces a file atomically. The caller holds the folder's lock.
pub(super) fn replace(folder: &Dir, name: &str, content: &[u8]) -> Result<(), StoreError> {
    let hand_over = |file: &_| {
        folder.hand_over(file);
        Ok(())
    };
    folder
        .replace(name, format!("{name}{NEW}"), FILE_MODE, content, hand_over)
        .map_err(unwritable(&folder.path().join(name)))
}

/// Writes a new file, or one that a crashed process left, and syncs it to disk.
pub(super) fn write_new(folder: &Dir, name: &str, content: &[u8]) -> io::Result<()> {
    let file = folder.write_new(name, FILE_MODE, content)?;
    folder.hand_over(&file);
    file.sync_all()
}

/// Removes a file if it exists.
pub(super) fn remove(folder: &Dir, name: &str) -> Result<(), StoreError> {
    folder
        .remove(name)
        .and_then(|()| folder.sync())
        .map_err(unwritable(&folder.path().join(name)))
}

/// Renames something damaged, so that the operator can examine it and something new can have its
/// name. An earlier one is replaced, so that repeated damage does not fill the disk. The caller
/// holds the folder's lock.
pub(super) fn set_aside(folder: &Dir, name: &str) -> Result<String, StoreError> {
    let aside = format!("{name}{DAMAGED}");
    let moved = folder
        .remove_all(&aside)
        .and_then(|()| folder.rename(name, &aside));
    let place = folder.path().join(aside);
    moved
        .and_then(|()| folder.sync())
        .map_err(unwritable(&place))?;
    Ok(place.display().to_string())
}

/// Readable JSON: indented, with a newline at the end.
pub(super) fn json(place: &Path, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| unwritable(place)(error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A safe name for a file: letters, digits, dots, hyphens and underscores are kept, anything else
/// becomes a hyphen. A changed name gets a hash, so that different names stay different.
pub(super) fn safe(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_safe = !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= LONGEST
        && name.chars().all(is_plain);
    if is_safe {
        name.to_owned()
    } else {
        with_hash(name, name)
    }
}

/// The readable part of a name with a hash of the whole name.
pub(super) fn with_hash(readable: &str, whole: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let readable: String = readable
        .chars()
        .take(LONGEST)
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    let hash: String = digest(&SHA256, whole.as_bytes()).as_ref()[..4]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("{}-{hash}", readable.trim_matches(['.', '-']))
}
