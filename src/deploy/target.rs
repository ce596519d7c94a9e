//! A file of a `[[deploy]]` in its folder. The folder is held by its descriptor, so that a user who
//! can write in it cannot redirect a write or a change of owner to another place.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::DeploySpec;
use super::error::DeployError;
use crate::disk::{Dir, Trust, Untrusted};

/// Where a file is or is to be.
#[derive(Debug)]
pub(super) struct Target {
    /// As configured.
    pub(super) path: PathBuf,
    dir: Dir,
    name: OsString,
}

impl Target {
    /// Opens the folder of a file.
    pub(super) fn open(path: &Path, trust: &Trust) -> Result<Self, DeployError> {
        let dir = open_folder(folder(path), trust)?;
        Ok(Self {
            path: path.to_owned(),
            dir,
            name: path.file_name().unwrap_or_default().to_owned(),
        })
    }

    /// Its metadata; links are not followed.
    pub(super) fn look(&self) -> io::Result<Metadata> {
        self.dir.look(&self.name)
    }

    pub(super) fn read_link(&self) -> io::Result<PathBuf> {
        self.dir.read_link(&self.name)
    }

    pub(super) fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        self.dir.read(&self.name, most)
    }

    /// Writes a hidden file beside this one, with mode 0600.
    pub(super) fn write_beside(&self, what: &str, content: &[u8]) -> io::Result<File> {
        self.dir.write_new(self.hidden(what), 0o600, content)
    }

    /// Creates a hidden file beside this one, with mode 0600.
    pub(super) fn create_beside(&self, what: &str) -> io::Result<File> {
        self.dir.create(self.hidden(what), 0o600)
    }

    /// Whether the hidden file exists.
    pub(super) fn is_beside(&self, what: &str) -> bool {
        self.dir.look(self.hidden(what)).is_ok()
    }

    /// Removes the hidden file if it exists.
    pub(super) fn remove_beside(&self, what: &str) -> io::Result<()> {
        self.dir.remove(self.hidden(what))
    }

    /// Renames the hidden file to this one.
    pub(super) fn take_from_beside(&self, what: &str) -> io::Result<()> {
        self.dir.rename(self.hidden(what), &self.name)
    }

    /// The path of the hidden file, for messages.
    pub(super) fn beside(&self, what: &str) -> PathBuf {
        self.path.with_file_name(self.hidden(what))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.dir.sync()
    }

    fn hidden(&self, what: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(format!(".ianitor-{what}"));
        name
    }
}

/// Whose folders may hold files of a `[[deploy]]`, and whose links are followed on the way there.
pub(super) fn trust(spec: &DeploySpec) -> Trust {
    Trust::by_rights(gateway(spec))
}

/// The same for commands that only look: root may run them for a gateway of another user, which has
/// no elevated rights.
pub(super) fn trust_to_look(spec: &DeploySpec) -> Trust {
    let us = geteuid().as_raw();
    if gateway(spec).is_some_and(|gateway| gateway != us) {
        Trust::links()
    } else {
        trust(spec)
    }
}

/// The gateway's user: the owner of the store, if that exists.
fn gateway(spec: &DeploySpec) -> Option<u32> {
    fs::metadata(&spec.store).ok().map(|store| store.uid())
}

/// Opens a folder that files are written to.
pub(super) fn open_folder(folder: &Path, trust: &Trust) -> Result<Dir, DeployError> {
    Dir::open(folder, trust).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            DeployError::NoFolder(folder.to_owned())
        }
        _ => untrusted(error, |error| {
            DeployError::Unreadable(folder.to_owned(), error)
        }),
    })
}

/// Separates what is not trusted from errors of the system.
pub(super) fn untrusted(
    error: io::Error,
    other: impl FnOnce(io::Error) -> DeployError,
) -> DeployError {
    Untrusted::of(error).map_or_else(other, DeployError::Untrusted)
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
