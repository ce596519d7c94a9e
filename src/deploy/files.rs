//! The files of a `[[deploy]]`: looked at, prepared beside what is there, put in its place.
//!
//! **Real files, never half of one.** What is new is written under another name, for nobody else to read, gets its owner
//! and permissions, and is renamed. All files are prepared before the first is renamed: a full disk leaves the old ones
//! as they fit together.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::DeploySpec;
use super::access::Access;
use super::error::DeployError;
use super::forms::Content;
use crate::clock::UnixTime;
use crate::disk;
use crate::store::Stored;

/// Far above any certificate with its key.
const LARGEST: u64 = 1 << 20;

/// What there is of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Missing,
    /// Another content, owner, group or mode.
    Stale,
    /// A symlink, which leads there. Programs that drop their rights cannot follow it, as those of certbot.
    Link(PathBuf),
    /// What there should be.
    Fresh,
}

/// What became of the files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    /// Those that had to be written.
    pub(super) written: Vec<PathBuf>,
    /// Whether the server has to be told: now, or since an earlier time.
    pub(super) is_due: bool,
}

/// Writes what is missing or stale.
pub(super) fn bring(spec: &DeploySpec, cert: &Stored) -> Result<Brought, DeployError> {
    let access = Access::of(spec)?;
    let mut prepared = Vec::new();
    for file in all(spec, cert)? {
        match file.state_or_age(&access, cert)? {
            State::Fresh => continue,
            State::Link(to) => {
                tracing::info!(deploy = %spec.config_key, path = %file.path.display(), led_to = %to.display(),
                    "a symlink is replaced by a real file");
            }
            State::Missing | State::Stale => {}
        }
        prepared.push(Prepared::new(&file, &access)?);
    }
    if !prepared.is_empty() {
        remember(spec)?;
    }
    let written: Vec<PathBuf> = prepared.into_iter().map(Prepared::put).collect::<Result<_, _>>()?;
    for path in &written {
        sync_folder(path).map_err(|error| DeployError::Write(path.clone(), error))?;
    }
    Ok(Brought { is_due: !written.is_empty() || is_due(spec), written })
}

/// The files and what there is of them, up to the first that is not as it should be.
pub(super) fn first_amiss(spec: &DeploySpec, cert: &Stored) -> Result<Option<(PathBuf, State)>, DeployError> {
    let access = Access::of(spec)?;
    for file in all(spec, cert)? {
        match file.state(&access)? {
            State::Fresh => {}
            state => return Ok(Some((file.path, state))),
        }
    }
    Ok(None)
}

/// A file that there should be.
#[derive(Debug)]
struct Wanted {
    path: PathBuf,
    content: Content,
}

fn all(spec: &DeploySpec, cert: &Stored) -> Result<Vec<Wanted>, DeployError> {
    let wanted = |output| Content::new(output, cert).map(|content| Wanted { path: output.path.clone(), content });
    spec.files.iter().map(wanted).collect()
}

impl Wanted {
    fn state(&self, access: &Access) -> Result<State, DeployError> {
        let unreadable = |error| DeployError::Unreadable(self.path.clone(), error);
        let found = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.missing(),
            found => found.map_err(unreadable)?,
        };
        if found.is_symlink() {
            return fs::read_link(&self.path).map(State::Link).map_err(unreadable);
        }
        if !found.is_file() {
            return Err(DeployError::NotAFile(self.path.clone()));
        }
        if !access.is_of(&found) {
            return Ok(State::Stale);
        }
        match disk::read(&self.path, LARGEST) {
            Ok(bytes) if self.content.is(&bytes) => Ok(State::Fresh),
            Ok(_) => Ok(State::Stale),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(State::Stale),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Where a file may not be read, as it was given away, its age says whether it is of this certificate.
    fn state_or_age(&self, access: &Access, cert: &Stored) -> Result<State, DeployError> {
        match self.state(access) {
            Err(DeployError::Unreadable(path, error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                let found = fs::symlink_metadata(&path).and_then(|found| Ok((found.modified()?, found.len())));
                let (written, length) = found.map_err(|_| DeployError::Unreadable(path, error))?;
                let is_younger = UnixTime::from(written) >= cert.bundle.meta.issued;
                Ok(if is_younger && self.content.may_have(length) { State::Fresh } else { State::Stale })
            }
            state => state,
        }
    }

    fn missing(&self) -> Result<State, DeployError> {
        let folder = folder(&self.path);
        if folder.is_dir() { Ok(State::Missing) } else { Err(DeployError::NoFolder(folder.to_owned())) }
    }
}

/// A file that is written and has not got its name yet.
#[derive(Debug)]
struct Prepared {
    path: PathBuf,
    /// `None` once it has been renamed.
    temporary: Option<PathBuf>,
}

impl Prepared {
    fn new(file: &Wanted, access: &Access) -> Result<Self, DeployError> {
        let failed = |error| DeployError::Write(file.path.clone(), error);
        let bytes = file.content.bytes(&file.path)?;
        let temporary = beside(&file.path, "new");
        // Left by a process that was killed; only one task at a time is at a path.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Never through a symlink, and for nobody else to read; before `access` says who may.
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let mut written = opened.map_err(failed)?;
        let prepared = Self { path: file.path.clone(), temporary: Some(temporary) };
        written.write_all(bytes.reveal()).map_err(failed)?;
        access.give(&written, &file.path)?;
        written.sync_all().map_err(failed)?;
        Ok(prepared)
    }

    fn put(mut self) -> Result<PathBuf, DeployError> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path).map_err(|error| DeployError::Write(self.path.clone(), error))?;
            self.temporary = None;
        }
        Ok(std::mem::take(&mut self.path))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What stays is taken away before the next try.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Leaves word that files were written and the server has not been told, for the process after this one.
fn remember(spec: &DeploySpec) -> Result<(), DeployError> {
    let Some(note) = note(spec) else { return Ok(()) };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&note) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(DeployError::Write(note, error)),
        _ => Ok(()),
    }
}

/// Whether there is word that the server has not been told.
pub(super) fn is_due(spec: &DeploySpec) -> bool {
    note(spec).is_some_and(|note| fs::symlink_metadata(note).is_ok())
}

/// The server has been told.
pub(super) fn forget(spec: &DeploySpec) -> Result<(), DeployError> {
    let Some(note) = note(spec) else { return Ok(()) };
    match fs::remove_file(&note) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DeployError::Write(note, error)),
        _ => Ok(()),
    }
}

/// Beside the first file; none where nobody is told of anything.
fn note(spec: &DeploySpec) -> Option<PathBuf> {
    spec.reload.as_ref().and(spec.files.first()).map(|output| beside(&output.path, "untold"))
}

/// A hidden name in the same folder.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".ianitor-{what}"));
    path.with_file_name(name)
}

/// Where a file is.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A rename is on the disk when its folder is. One that may be written and not be read comes to the disk by itself.
fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder(path)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}
