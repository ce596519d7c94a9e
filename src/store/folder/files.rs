//! Files and folders that are whole or absent, and for this user only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use serde::Serialize;

use super::super::StoreError;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Far above any chain, far below what a wrong file may be.
const LARGEST: u64 = 1 << 20;

/// The longest name that is used as it is: file systems take 255 bytes.
const LONGEST: usize = 200;

/// What is written where a file is made before it gets its name.
const NEW: &str = ".new";

pub(super) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = path.display().to_string();
    move |cause| StoreError::Write { place, cause }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = path.display().to_string();
    move |cause| StoreError::Read { place, cause }
}

/// Reads a file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match crate::disk::read(path, LARGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path)(error)),
    }
}

/// Makes a folder with those above it, on the disk before it is used.
pub(super) fn make(folder: &Path) -> Result<(), StoreError> {
    make_folders(folder).map_err(unwritable(folder))
}

fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folders(above)?;
    }
    match make_new(folder) {
        // Another process was quicker, or something else has the name.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        other => other?,
    }
    sync_folder(above.unwrap_or(Path::new(".")))
}

/// Makes a folder that is not there yet.
pub(super) fn make_new(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(folder)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    hand_over(&File::from(rustix::fs::open(folder, flags, Mode::empty())?), folder);
    Ok(())
}

/// Gives what root makes to whom the folder around it belongs: a command that root runs must not lock out the gateway,
/// which is somebody else. Where that is not allowed, the gateway says what it cannot read.
fn hand_over(new: &File, path: &Path) {
    let Some(above) = path.parent() else { return };
    let owner = fs::metadata(above).map(|above| (above.uid(), above.gid()));
    if let (true, Ok((user @ 1.., group))) = (rustix::process::geteuid().is_root(), owner) {
        _ = fchown(new, Some(user), Some(group));
    }
}

/// Makes a folder if need be and keeps other writers out until the value is dropped.
pub(super) fn alone(folder: &Path) -> Result<File, StoreError> {
    make(folder)?;
    let path = folder.join(".lock");
    let file = open_lock(&path)?;
    rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
        .map_err(|error| unwritable(&path)(error.into()))?;
    Ok(file)
}

pub(super) fn open_lock(path: &Path) -> Result<File, StoreError> {
    let opened = match create(path) {
        // What was there already is nobody's to give away.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(path),
        created => created,
    };
    opened.map_err(unwritable(path))
}

/// Makes a file that is not there yet.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(path)?;
    hand_over(&file, path);
    Ok(file)
}

/// Puts a whole file in the place of what was there. The caller is alone in the folder.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(NEW);
    let temporary = Path::new(&temporary);
    let replaced = write_new(temporary, content).and_then(|()| fs::rename(temporary, path));
    if replaced.is_err() {
        // Gives back what room it took; what keeps it from being removed has been told already.
        _ = fs::remove_file(temporary);
    }
    replaced.and_then(|()| sync_above(path)).map_err(unwritable(path))
}

/// Writes a file that is not there yet, or was left by a process that died, onto the disk.
pub(super) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Takes a file away, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(path)(error)),
        _ => sync_above(path).map_err(unwritable(path)),
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// JSON for people: indented, with a newline at the end.
pub(super) fn json(place: &Path, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| unwritable(place)(error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Whether every user of the machine may read a file. A group may have been let in on purpose.
pub(super) fn warn_if_open(key: &Path) {
    if fs::metadata(key).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
        tracing::warn!("{} is a private key that every user of this machine can read; chmod 600 it", key.display());
    }
}

/// A name for a file: letters, digits, dots, hyphens and underscores as they are, anything else as a hyphen. A hash
/// keeps names apart that would be the same then.
pub(super) fn safe(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_safe = !name.is_empty() && !name.starts_with('.') && name.len() <= LONGEST && name.chars().all(is_plain);
    if is_safe { name.to_owned() } else { with_hash(name, name) }
}

/// The readable part of a name with a hash of all of it.
pub(super) fn with_hash(readable: &str, whole: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let readable: String = readable.chars().take(LONGEST).map(|c| if is_plain(c) { c } else { '-' }).collect();
    let hash: String = digest(&SHA256, whole.as_bytes()).as_ref()[..4].iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{hash}", readable.trim_matches(['.', '-']))
}
