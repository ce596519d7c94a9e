//! Files and folders that are whole or absent, and for this user only.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::super::StoreError;
use crate::disk::{Dir, FileLock, NotAFile, Trust, Untrusted};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Far above any chain, far below what a wrong file may be.
const LARGEST: u64 = 1 << 20;

/// The longest name that is used as it is: file systems take 255 bytes.
const LONGEST: usize = 200;

/// What is written where a file is made before it gets its name.
const NEW: &str = ".new";

/// What is written behind the name of what was damaged.
const DAMAGED: &str = ".damaged";

/// What is locked by who writes in a folder.
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

/// Opens a folder of the store; `None` if it is not there. Links on the way are followed only if
/// nobody else decides where they lead: root works in a store that is somebody else's, by the
/// commands that it runs.
pub(super) fn open(folder: &Path) -> Result<Option<Dir>, StoreError> {
    match Dir::open(folder, &Trust::links()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(unreadable(folder)),
    }
}

/// Reads a file; `None` if it is not there. Something else in its place, or more than the store
/// writes, is damage.
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

/// Makes a folder with those above it, on the disk before it is used.
pub(super) fn make(folder: &Path) -> Result<Dir, StoreError> {
    Dir::open_or_make(folder, &Trust::links(), FOLDER_MODE).map_err(unwritable(folder))
}

/// Makes a folder that is not there yet.
pub(super) fn make_new(above: &Dir, name: &str) -> io::Result<Dir> {
    above.make(name, FOLDER_MODE)
}

/// A folder that no other writer is in.
#[derive(Debug)]
pub(super) struct Alone {
    pub(super) dir: Dir,
    /// Held open, which is what keeps others out.
    _lock: FileLock,
}

/// Makes a folder if need be and keeps other writers out until the value is dropped.
pub(super) fn alone(folder: &Path) -> Result<Alone, StoreError> {
    let dir = make(folder)?;
    let lock = FileLock::wait(&dir, LOCK, FILE_MODE)
        .map_err(|error| unwritable(&dir.path().join(LOCK))(error))?;
    Ok(Alone { dir, _lock: lock })
}

/// Takes a lock if it is free.
pub(super) fn try_lock(folder: &Dir, name: &str) -> Result<Option<FileLock>, StoreError> {
    FileLock::try_take(folder, name, FILE_MODE).map_err(unwritable(&folder.path().join(name)))
}

/// Puts a whole file in the place of what was there. The caller is alone in the folder.
pub(super) fn replace(folder: &Dir, name: &str, content: &[u8]) -> Result<(), StoreError> {
    let hand_over = |file: &_| {
        folder.hand_over(file);
        Ok(())
    };
    folder
        .replace(name, format!("{name}{NEW}"), FILE_MODE, content, hand_over)
        .map_err(unwritable(&folder.path().join(name)))
}

/// Writes a file that is not there yet, or was left by a process that died, onto the disk.
pub(super) fn write_new(folder: &Dir, name: &str, content: &[u8]) -> io::Result<()> {
    let file = folder.write_new(name, FILE_MODE, content)?;
    folder.hand_over(&file);
    file.sync_all()
}

/// Takes a file away, if it is there.
pub(super) fn remove(folder: &Dir, name: &str) -> Result<(), StoreError> {
    folder
        .remove(name)
        .and_then(|()| folder.sync())
        .map_err(unwritable(&folder.path().join(name)))
}

/// Renames what is damaged, so that a person can look at it and something new can take its name.
/// What lies there from the time before goes: damage that comes again and again does not fill the
/// disk. The caller is alone in the folder.
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

/// JSON for people: indented, with a newline at the end.
pub(super) fn json(place: &Path, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| unwritable(place)(error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A name for a file: letters, digits, dots, hyphens and underscores as they are, anything else as
/// a hyphen. A hash keeps names apart that would be the same then.
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

/// The readable part of a name with a hash of all of it.
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
