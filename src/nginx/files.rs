//! Where configuration files come from: the disk, or a dump of `nginx -T`.

use std::io;
use std::path::{Path, PathBuf};

use super::glob;
use crate::disk;

/// Gives the text of a file, and the files that fit a pattern.
pub trait Files {
    /// The text of a file. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// That it cannot be read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The files that fit a pattern with `*`, `?` and `[…]`, sorted; none is no error.
    fn find(&self, pattern: &Path) -> Vec<PathBuf>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Disk {
    /// No configuration is larger.
    pub const LARGEST: u64 = 4 << 20;
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        let bytes = disk::read(path, Self::LARGEST)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn find(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.components() {
            let part = part.as_os_str().to_string_lossy().into_owned();
            found = match glob::is_pattern(&part) {
                false => found.into_iter().map(|path| path.join(&part)).collect(),
                true => found.iter().flat_map(|path| below(path, &part)).collect(),
            };
        }
        found.retain(|path| path.exists());
        found.sort();
        found
    }
}

/// The names in a folder that fit a pattern without a slash.
fn below(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let fitting = names.filter(|name| glob::fits(pattern, name));
    fitting.map(|name| folder.join(name)).collect()
}
