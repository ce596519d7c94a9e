//! `listen.control`: where the socket is.

use std::path::{Path, PathBuf};

use super::socket::{self, OpenError};
use crate::exposure::{NamedFile, Use};

/// The folder that systemd makes for a service with `RuntimeDirectory=ianitor`.
const RUN: &str = "/run/ianitor";

/// The socket's name where the configuration does not name it.
const NAME: &str = "control.sock";

/// Where the control socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlSpec {
    /// There is none.
    Off,
    /// At this path.
    At(PathBuf),
    /// Not configured: in `/run/ianitor` where that folder exists, else in the folder of the
    /// configuration.
    Default {
        /// The folder of the configuration.
        folder: PathBuf,
    },
}

impl ControlSpec {
    /// The path of the socket. It is found out at each call, since a folder may come or go.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Off => None,
            Self::At(path) => Some(path.clone()),
            Self::Default { folder } => Some(default_folder(Path::new(RUN), folder).join(NAME)),
        }
    }

    /// What keeps the socket from being opened, as far as it shows without opening it.
    ///
    /// # Errors
    /// As when it is opened.
    pub fn look(&self) -> Result<(), OpenError> {
        self.path().map_or(Ok(()), |path| socket::look(&path))
    }

    /// The socket, if its folder is not that of the configuration anyway.
    pub fn files(&self) -> Vec<NamedFile> {
        let path = match self {
            Self::Default { folder } => self.path().filter(|path| path.parent() != Some(folder)),
            Self::Off | Self::At(_) => self.path(),
        };
        let named = path.map(|path| NamedFile::new("listen.control", &path, Use::CONTROL_SOCKET));
        named.into_iter().collect()
    }

    /// Whether the path was chosen here: a gateway then runs without the socket if it cannot have
    /// one.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Default { .. })
    }
}

fn default_folder<'p>(run: &'p Path, folder: &'p Path) -> &'p Path {
    if run.is_dir() { run } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_service_folder_where_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let config = Path::new("/etc/ianitor");
        assert_eq!(default_folder(folder.path(), config), folder.path());
        assert_eq!(default_folder(&missing, config), config);
    }
}
