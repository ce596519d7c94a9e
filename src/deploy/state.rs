//! Whether a server has its certificate, for commands: this neither writes nor notifies anything.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::error::DeployError;
use super::files::{self, FileState};
use super::verify::{self, Patience};
use super::{DeploySpec, Place};
use crate::store::Stored;

/// The state of one `[[deploy]]`.
#[derive(Debug)]
pub enum DeployState {
    /// The server has what it should.
    InSync,
    /// A file is not there.
    Missing(PathBuf),
    /// A file has another content, owner, group or mode, or is a symlink.
    Stale(PathBuf),
    /// This user cannot read a file.
    Unreadable(PathBuf, io::Error),
    /// The files are up to date, and the server has not been notified of them.
    NotReloaded,
    /// The server shows another certificate.
    NotServed {
        /// Where it was asked.
        place: Place,
        /// The serial of what it shows.
        shown: String,
    },
    /// The server does not answer, or not by TLS.
    NoAnswer(Place, io::Error),
    /// The state cannot be determined.
    Unclear(DeployError),
}

/// Short, for a table.
impl fmt::Display for DeployState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InSync => f.write_str("in sync"),
            Self::Missing(path) => write!(f, "missing: {}", path.display()),
            Self::Stale(path) => write!(f, "stale: {}", path.display()),
            Self::Unreadable(path, error) => write!(f, "unreadable: {}: {error}", path.display()),
            Self::NotReloaded => f.write_str("not reloaded yet"),
            Self::NotServed { place, shown } => write!(f, "{place} shows {shown}"),
            Self::NoAnswer(place, error) => write!(f, "no answer: {place}: {error}"),
            Self::Unclear(error) => write!(f, "unclear: {error}"),
        }
    }
}

impl From<DeployError> for DeployState {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Unreadable(path, error) => Self::Unreadable(path, error),
            DeployError::NotServed { place, shown, .. } => Self::NotServed { place, shown },
            DeployError::Unreachable {
                place,
                cause: error,
                ..
            }
            | DeployError::NoHandshake(place, error) => Self::NoAnswer(place, error),
            error => Self::Unclear(error),
        }
    }
}

/// Compares the files with what would be written. It reads files, so it blocks.
pub fn state(spec: &DeploySpec, cert: &Stored) -> DeployState {
    match files::first_mismatch(spec, cert) {
        Ok(Some((path, FileState::Missing))) => DeployState::Missing(path),
        Ok(Some((path, _))) => DeployState::Stale(path),
        Ok(None) => match files::is_marked(spec) {
            Ok(true) => DeployState::NotReloaded,
            Ok(false) => DeployState::InSync,
            Err(error) => error.into(),
        },
        Err(error) => error.into(),
    }
}

/// Connects to the server once; without `verify` it counts as in sync.
pub async fn served(spec: &DeploySpec, cert: &Stored) -> DeployState {
    let Some(place) = &spec.verify else {
        return DeployState::InSync;
    };
    verify::shows(spec, place, cert, Patience::NONE)
        .await
        .map_or_else(DeployState::from, |()| DeployState::InSync)
}
