//! `files` of a route: a folder or a file as the target.

use std::path::PathBuf;

/// A folder or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesSpec {
    /// The folder or file that the route's path stands for. Opened at each request, since it may be
    /// created, replaced or mounted later.
    pub root: PathBuf,
    /// Whether symbolic links below the root are followed. Pages of Debian's packages contain links
    /// to libraries.
    pub follow_symlinks: bool,
}
