//! `files` of a route: a folder or a file as the target.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A folder or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesSpec {
    /// The folder or file that the route's path stands for. Opened at each request, since it may be
    /// created, replaced or mounted later.
    pub root: PathBuf,
    /// Whether symbolic links below the root are followed. Pages of Debian's packages contain links
    /// to libraries.
    pub follow_symlinks: bool,
    /// Whether files are compressed while they are sent.
    pub compress: bool,
    /// The page of an application, for paths without a file whose last segment has no dot.
    pub spa: Option<PageFile>,
    /// The page with status 404, for all other paths without a file.
    pub not_found: Option<PageFile>,
}

/// A page in the folder of a route: the names from the folder down to the file, with `/` between
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFile(String);

impl PageFile {
    /// The names of the folders, and of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The path below the folder.
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// Why a text names no page in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPageFile {
    /// The path does not begin at the folder.
    #[error("begins with \"/\"; write the path below the folder of files, as \"index.html\"")]
    Absolute,
    /// An empty name, or one that routes never serve.
    #[error(
        "has a name that is empty, begins with a dot, or has a backslash or control character: \
         no file with such a name is served"
    )]
    Name,
}

impl FromStr for PageFile {
    type Err = BadPageFile;

    fn from_str(text: &str) -> Result<Self, BadPageFile> {
        if text.starts_with('/') {
            return Err(BadPageFile::Absolute);
        }
        let is_served = |name: &str| {
            !name.is_empty()
                && !name.starts_with('.')
                && !name.contains(|c: char| c == '\\' || c.is_ascii_control())
        };
        match text.split('/').all(is_served) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadPageFile::Name),
        }
    }
}

impl fmt::Display for PageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
