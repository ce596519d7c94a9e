//! A store in a folder.

use std::path::PathBuf;

/// A folder with accounts and certificates.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
}
