//! Files as a target: what `files` says.

use std::path::PathBuf;

/// A folder or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesSpec {
    /// What the route's path stands for. Looked up at each request: it may be made, replaced or
    /// mounted later.
    pub root: PathBuf,
    /// Whether symbolic links below the root lead anywhere. Debian's packages link libraries into
    /// their pages.
    pub follow_symlinks: bool,
}
