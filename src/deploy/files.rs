//! The files of a `[[deploy]]`: looked at, prepared beside what is there, put in its place.
//!
//! **Real files, never half of one.** What is new is written under another name, for nobody else to
//! read, gets its owner and permissions, and is renamed. All files are prepared before the first is
//! renamed: a full disk leaves the old ones as they fit together. All of it is done in folders that
//! are held by their descriptors (`target`).

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

/// What there is of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Missing,
    /// Another content, owner, group or mode.
    Stale,
    /// A symlink, which leads there. Programs that drop their rights cannot follow it, as those of
    /// certbot.
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
    let (access, trust) = (Access::of(spec)?, target::trust(spec));
    let mut prepared = Vec::new();
    for file in all(spec, cert)? {
        let target = Target::open(&file.path, &trust)?;
        match file.state_or_age(&target, &access, cert)? {
            State::Fresh => continue,
            State::Link(to) => {
                tracing::info!(deploy = %spec.config_key, path = %file.path.display(), led_to = %to.display(),
                    "a symlink is replaced by a real file");
            }
            State::Missing | State::Stale => {}
        }
        prepared.push(Prepared::new(&file, target, &access)?);
    }
    if !prepared.is_empty() {
        remember(spec, &trust)?;
    }
    let put: Vec<Target> = prepared
        .into_iter()
        .map(Prepared::put)
        .collect::<Result<_, _>>()?;
    for target in &put {
        sync(target)?;
    }
    let written: Vec<PathBuf> = put.into_iter().map(|target| target.path).collect();
    Ok(Brought {
        is_due: !written.is_empty() || is_noted(spec, &trust)?,
        written,
    })
}

/// The files and what there is of them, up to the first that is not as it should be.
pub(super) fn first_amiss(
    spec: &DeploySpec,
    cert: &Stored,
) -> Result<Option<(PathBuf, State)>, DeployError> {
    let (access, trust) = (Access::of(spec)?, target::trust_to_look(spec));
    for file in all(spec, cert)? {
        match file.state(&Target::open(&file.path, &trust)?, &access)? {
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
    let wanted = |output| {
        Content::new(output, cert).map(|content| Wanted {
            path: output.path.clone(),
            content,
        })
    };
    spec.files.iter().map(wanted).collect()
}

impl Wanted {
    fn state(&self, target: &Target, access: &Access) -> Result<State, DeployError> {
        let unreadable = |error| DeployError::Unreadable(self.path.clone(), error);
        let found = match target.look() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
            found => found.map_err(unreadable)?,
        };
        if found.is_symlink() {
            return target.read_link().map(State::Link).map_err(unreadable);
        }
        if !found.is_file() {
            return Err(DeployError::NotAFile(self.path.clone()));
        }
        if !access.is_of(&found) {
            return Ok(State::Stale);
        }
        match target.read(LARGEST) {
            Ok(bytes) if self.content.is(&bytes) => Ok(State::Fresh),
            Ok(_) => Ok(State::Stale),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(State::Stale),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Where a file may not be read, as it was given away, its age says whether it is of this
    /// certificate.
    fn state_or_age(
        &self,
        target: &Target,
        access: &Access,
        cert: &Stored,
    ) -> Result<State, DeployError> {
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
                    State::Fresh
                } else {
                    State::Stale
                })
            }
            state => state,
        }
    }
}

/// A file that is written and has not got its name yet.
#[derive(Debug)]
struct Prepared {
    /// `None` once it has its name.
    target: Option<Target>,
}

/// What the file is called until then.
const NEW: &str = "new";

impl Prepared {
    fn new(file: &Wanted, target: Target, access: &Access) -> Result<Self, DeployError> {
        let failed = |error| DeployError::Write(file.path.clone(), error);
        let bytes = file.content.bytes(&file.path)?;
        // Never through a symlink, and for nobody else to read; before `access` says who may.
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
            // What stays is taken away before the next try.
            let _ = target.remove_beside(NEW);
        }
    }
}

/// The end of a name that says that files were written and the server has not been told.
const UNTOLD: &str = "untold";

/// Leaves word of that for the process after this one.
fn remember(spec: &DeploySpec, trust: &Trust) -> Result<(), DeployError> {
    let Some(target) = noted(spec, trust)? else {
        return Ok(());
    };
    match target.create_beside(UNTOLD) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(DeployError::Write(target.beside(UNTOLD), error))
        }
        _ => Ok(()),
    }
}

/// Whether there is word that the server has not been told, for who only looks.
pub(super) fn is_due(spec: &DeploySpec) -> Result<bool, DeployError> {
    is_noted(spec, &target::trust_to_look(spec))
}

fn is_noted(spec: &DeploySpec, trust: &Trust) -> Result<bool, DeployError> {
    Ok(noted(spec, trust)?.is_some_and(|target| target.is_beside(UNTOLD)))
}

/// The server has been told.
pub(super) fn forget(spec: &DeploySpec) -> Result<(), DeployError> {
    let Some(target) = noted(spec, &target::trust(spec))? else {
        return Ok(());
    };
    target
        .remove_beside(UNTOLD)
        .map_err(|error| DeployError::Write(target.beside(UNTOLD), error))
}

/// The file beside which that is left: the first; none where nobody is told of anything.
fn noted(spec: &DeploySpec, trust: &Trust) -> Result<Option<Target>, DeployError> {
    spec.reload
        .as_ref()
        .and(spec.files.first())
        .map(|output| Target::open(&output.path, trust))
        .transpose()
}

/// A rename is on the disk when its folder is. One that may be written and not be read comes to the
/// disk by itself.
fn sync(target: &Target) -> Result<(), DeployError> {
    match target.sync() {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            Err(DeployError::Write(target.path.clone(), error))
        }
        _ => Ok(()),
    }
}
