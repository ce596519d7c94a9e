//! How a `[[deploy]]` stands, for whoever only looks: nothing is written and nobody is told.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::error::DeployError;
use super::files::{self, State};
use super::verify::{self, Patience};
use super::{DeploySpec, Place};
use crate::store::Stored;

/// How it stands.
#[derive(Debug)]
pub enum DeployState {
    /// The server has what it should.
    InSync,
    /// A file is not there.
    Missing(PathBuf),
    /// A file has another content, owner, group or mode, or is a symlink.
    Stale(PathBuf),
    /// A file cannot be read by whoever looks.
    Unreadable(PathBuf, io::Error),
    /// The files are there, and the server has not been told of them.
    Untold,
    /// The server shows another certificate.
    NotServed {
        /// Where it was asked.
        place: Place,
        /// The serial of what it shows.
        shown: String,
    },
    /// The server does not answer, or not by TLS.
    NoAnswer(Place, io::Error),
    /// It cannot be found out.
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
            Self::Untold => f.write_str("not reloaded yet"),
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

/// Compares the files with what would be written. Reads, so it blocks.
pub fn standing(spec: &DeploySpec, cert: &Stored) -> DeployState {
    match files::first_amiss(spec, cert) {
        Ok(Some((path, State::Missing))) => DeployState::Missing(path),
        Ok(Some((path, _))) => DeployState::Stale(path),
        Ok(None) => match files::is_due(spec) {
            Ok(true) => DeployState::Untold,
            Ok(false) => DeployState::InSync,
            Err(error) => error.into(),
        },
        Err(error) => error.into(),
    }
}

/// Asks the server, once; where nobody is to be asked, all is well.
pub async fn served(spec: &DeploySpec, cert: &Stored) -> DeployState {
    let Some(place) = &spec.verify else {
        return DeployState::InSync;
    };
    verify::shows(spec, place, cert, Patience::NONE)
        .await
        .map_or_else(DeployState::from, |()| DeployState::InSync)
}
