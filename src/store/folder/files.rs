//! Writes files and folders atomically, with access for the gateway's user only.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::super::StoreError;
pub(super) use super::super::error::{unreadable, unwritable};
use super::aside;
use crate::disk::{Dir, FileLock, NotAFile, Trust};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Far larger than any chain; a wrong file may be huge.
const LARGEST: u64 = 1 << 20;

/// The longest name that is used unchanged: file systems accept 255 bytes.
const LONGEST: usize = 200;

/// The suffix of a file that is still being written.
const NEW: &str = ".new";

/// The lock file that every writer of a folder holds.
const LOCK: &str = ".lock";

/// Opens a folder of the store; `None` if it does not exist. Links on the way are followed only if
/// no other user controls them: root may run commands in a store that belongs to another user.
/// Anything else in place of a folder is reported as damage.
pub(super) fn open(folder: &Path) -> Result<Option<Dir>, StoreError> {
    match Dir::open(folder, &Trust::links()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(StoreError::Damaged {
            place: folder.display().to_string(),
            what: "it is not a folder".to_owned(),
        }),
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

/// Creates a folder of the store and its parents, and syncs them to disk. What has the name of a
/// folder and is none is moved aside.
pub(super) fn make(store: &Path, folder: &Path) -> Result<Dir, StoreError> {
    let make = || Dir::open_or_make(folder, &Trust::links(), FOLDER_MODE);
    match make() {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            aside::make_way_to(store, folder)?;
            make()
        }
        made => made,
    }
    .map_err(unwritable(folder))
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
pub(super) fn lock(store: &Path, folder: &Path) -> Result<LockedDir, StoreError> {
    let dir = make(store, folder)?;
    let lock = take_lock(&dir, LOCK, || FileLock::wait(&dir, LOCK, FILE_MODE))?;
    Ok(LockedDir { dir, _lock: lock })
}

/// Takes a lock if it is free.
pub(super) fn try_lock(folder: &Dir, name: &str) -> Result<Option<FileLock>, StoreError> {
    take_lock(folder, name, || FileLock::try_take(folder, name, FILE_MODE))
}

/// Takes a lock. What has its name and is not a file is moved aside.
fn take_lock<T>(
    folder: &Dir,
    name: &str,
    take: impl Fn() -> io::Result<T>,
) -> Result<T, StoreError> {
    match take() {
        Err(error) if NotAFile::is(&error) => {
            aside::make_way(folder, name, "it is not a file", std::fs::Metadata::is_file)?;
            take()
        }
        taken => taken,
    }
    .map_err(unwritable(&folder.path().join(name)))
}

/// Replaces a file atomically. The caller holds the folder's lock.
pub(super) fn replace(folder: &Dir, name: &str, content: &[u8]) -> Result<(), StoreError> {
    let hand_over = |file: &_| {
        folder.hand_over(file);
        Ok(())
    };
    let temporary = format!("{name}{NEW}");
    // A folder may have the name, which is not removed as a file is.
    folder
        .remove_all(&temporary)
        .and_then(|()| folder.replace(name, &temporary, FILE_MODE, content, hand_over))
        .map_err(unwritable(&folder.path().join(name)))
}

/// Writes a new file, or one that a crashed process left, and syncs it to disk.
pub(super) fn write_new(folder: &Dir, name: &str, content: &[u8]) -> io::Result<()> {
    let file = folder.write_new(name, FILE_MODE, content)?;
    folder.hand_over(&file);
    file.sync_all()
}

/// Removes a file, or whatever else has the name, if it exists.
pub(super) fn remove(folder: &Dir, name: &str) -> Result<(), StoreError> {
    folder
        .remove_all(name)
        .and_then(|()| folder.sync())
        .map_err(unwritable(&folder.path().join(name)))
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
    let hash = sha256(whole.as_bytes());
    format!("{}-{}", readable.trim_matches(['.', '-']), &hash[..8])
}

/// A digest in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
