//! `listen.control`: where the socket is.

use std::path::{Path, PathBuf};

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
