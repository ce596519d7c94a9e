//! The files of a `[[deploy]]`: compared, written under a temporary name, and renamed.
//!
//! A new file is written under another name with mode 0600, gets its owner and permissions, and is
//! then renamed, so that no reader sees half of it. All files are written before the first rename:
//! if the disk is full, the old files stay and still match each other. Folders are held by their
//! descriptors (`target`).

use std::io;
use std::path::PathBuf;

use super::DeploySpec;
use super::access::Access;
use super::error::DeployError;
use super::forms::Content;
use super::target::{self, Target};
use crate::clock::UnixTime;
use crate::disk::Trust;
use crate::store::Stored;

/// Far above any certificate with its key.
const LARGEST: u64 = 1 << 20;

/// How a file compares with what it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// There is no file.
    Missing,
    /// Its content, owner, group or mode differs.
    Stale,
    /// A symbolic link to this path. A server that has dropped its privileges often cannot follow
    /// it, as with the links of certbot.
    Link(PathBuf),
    /// As it should be.
    Fresh,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The files that were missing or stale.
    pub(super) files: Vec<PathBuf>,
    /// Whether the server has not been notified of these files, or of earlier ones.
    pub(super) is_marked: bool,
}

/// Writes what is missing or stale.
pub(super) fn write(spec: &DeploySpec, cert: &Stored) -> Result<Written, DeployError> {
    let (access, trust) = (Access::of(spec)?, target::trust(spec));
    let mut prepared = Vec::new();
    for file in all(spec, cert)? {
        let target = Target::open(&file.path, &trust)?;
        match file.state_or_age(&target, &access, cert)? {
            FileState::Fresh => continue,
            FileState::Link(to) => {
                let (path, led_to) = (file.path.display(), to.display());
                tracing::info!(deploy = %spec.config_key, %path, %led_to,
                    "a symlink is replaced by a real file");
            }
            FileState::Missing | FileState::Stale => {}
        }
        prepared.push(Prepared::new(&file, target, &access)?);
    }
    if !prepared.is_empty() {
        set_marker(spec, &trust)?;
    }
    let put: Vec<Target> = prepared
        .into_iter()
        .map(Prepared::put)
        .collect::<Result<_, _>>()?;
    for target in &put {
        sync(target)?;
    }
    let files: Vec<PathBuf> = put.into_iter().map(|target| target.path).collect();
    Ok(Written {
        is_marked: !files.is_empty() || has_marker(spec, &trust)?,
        files,
    })
}

/// The first file that is not as it should be.
pub(super) fn first_mismatch(
    spec: &DeploySpec,
    cert: &Stored,
) -> Result<Option<(PathBuf, FileState)>, DeployError> {
    let (access, trust) = (Access::of(spec)?, target::trust_to_look(spec));
    for file in all(spec, cert)? {
        match file.state(&Target::open(&file.path, &trust)?, &access)? {
            FileState::Fresh => {}
            state => return Ok(Some((file.path, state))),
        }
    }
    Ok(None)
}

/// A file as it should be.
#[derive(Debug)]
struct Wanted {
    path: PathBuf,
    content: Content,
}

fn all(spec: &DeploySpec, cert: &Stored) -> Result<Vec<Wanted>, DeployError> {
    let wanted = |output| {
        Content::new(output, cert).map(|content| Wanted {
            path: output.path.clone(),
            content,
        })
    };
    spec.files.iter().map(wanted).collect()
}

impl Wanted {
    fn state(&self, target: &Target, access: &Access) -> Result<FileState, DeployError> {
        let unreadable = |error| DeployError::Unreadable(self.path.clone(), error);
        let found = match target.look() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
            found => found.map_err(unreadable)?,
        };
        if found.is_symlink() {
            return target.read_link().map(FileState::Link).map_err(unreadable);
        }
        if !found.is_file() {
            return Err(DeployError::NotAFile(self.path.clone()));
        }
        if !access.is_of(&found) {
            return Ok(FileState::Stale);
        }
        match target.read(LARGEST) {
            Ok(bytes) if self.content.is(&bytes) => Ok(FileState::Fresh),
            Ok(_) => Ok(FileState::Stale),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(FileState::Stale),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// A file that was given to another user may be unreadable: then its age and length say whether
    /// it has this certificate.
    fn state_or_age(
        &self,
        target: &Target,
        access: &Access,
        cert: &Stored,
    ) -> Result<FileState, DeployError> {
        match self.state(target, access) {
            Err(DeployError::Unreadable(path, error))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                let found = target
                    .look()
                    .and_then(|found| Ok((found.modified()?, found.len())));
                let (written, length) = found.map_err(|_| DeployError::Unreadable(path, error))?;
                let is_younger = UnixTime::from(written) >= cert.bundle.meta.issued;
                Ok(if is_younger && self.content.may_have(length) {
                    FileState::Fresh
                } else {
                    FileState::Stale
                })
            }
            state => state,
        }
    }
}

/// A file that is written and not yet renamed.
#[derive(Debug)]
struct Prepared {
    /// `None` once it is renamed.
    target: Option<Target>,
}

/// The end of its temporary name.
const NEW: &str = "new";

impl Prepared {
    fn new(file: &Wanted, target: Target, access: &Access) -> Result<Self, DeployError> {
        let failed = |error| DeployError::Write(file.path.clone(), error);
        let bytes = file.content.bytes(&file.path)?;
        // Never through a symlink, and with mode 0600 until `access` sets the mode.
        let written = target.write_beside(NEW, bytes.reveal()).map_err(failed)?;
        let prepared = Self {
            target: Some(target),
        };
        access.give(&written, &file.path)?;
        written.sync_all().map_err(failed)?;
        Ok(prepared)
    }

    fn put(mut self) -> Result<Target, DeployError> {
        let target = self.target.take().ok_or(DeployError::Interrupted)?;
        if let Err(error) = target.take_from_beside(NEW) {
            let failed = DeployError::Write(target.path.clone(), error);
            self.target = Some(target);
            return Err(failed);
        }
        Ok(target)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(target) = &self.target {
            // If this fails, the next attempt removes it.
            let _ = target.remove_beside(NEW);
        }
    }
}

/// The end of the name of the marker: files were written, and the server has not been notified.
/// Earlier versions use the same name.
const MARKER: &str = "not-notified";

/// Leaves the marker, for the case that this process ends before it has notified the server.
fn set_marker(spec: &DeploySpec, trust: &Trust) -> Result<(), DeployError> {
    let Some(target) = marker_target(spec, trust)? else {
        return Ok(());
    };
    match target.create_beside(MARKER) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(DeployError::Write(target.beside(MARKER), error))
        }
        _ => Ok(()),
    }
}

/// Whether the marker is there, for commands that only look.
pub(super) fn is_marked(spec: &DeploySpec) -> Result<bool, DeployError> {
    has_marker(spec, &target::trust_to_look(spec))
}

fn has_marker(spec: &DeploySpec, trust: &Trust) -> Result<bool, DeployError> {
    Ok(marker_target(spec, trust)?.is_some_and(|target| target.is_beside(MARKER)))
}

/// Removes the marker: the server has been notified.
pub(super) fn clear_marker(spec: &DeploySpec) -> Result<(), DeployError> {
    let Some(target) = marker_target(spec, &target::trust(spec))? else {
        return Ok(());
    };
    target
        .remove_beside(MARKER)
        .map_err(|error| DeployError::Write(target.beside(MARKER), error))
}

/// The file that the marker stands beside: the first. `None` if there is no `reload`.
fn marker_target(spec: &DeploySpec, trust: &Trust) -> Result<Option<Target>, DeployError> {
    spec.reload
        .as_ref()
        .and(spec.files.first())
        .map(|output| Target::open(&output.path, trust))
        .transpose()
}

/// A rename is durable once the folder is synchronised. A folder that we may write but not read
/// cannot be; the system writes it sooner or later.
fn sync(target: &Target) -> Result<(), DeployError> {
    match target.sync() {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            Err(DeployError::Write(target.path.clone(), error))
        }
        _ => Ok(()),
    }
}
