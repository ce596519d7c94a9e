//! Files that are written whole: under a temporary name first, on the disk before they get their
//! own. A reader sees the old file or the new one, never a part.
//!
//! `tempfile` is not used for this: it renames by path, and in a folder that another user may write
//! to, only the descriptor of the folder is safe.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};

use super::Dir;

impl Dir {
    /// Writes a new file with this mode. A file of this name that a killed process has left is
    /// removed first. The caller may give the file another owner, and then has to sync it.
    ///
    /// # Errors
    /// As the system says. What was written is removed.
    pub fn write_new(
        &self,
        name: impl AsRef<OsStr>,
        mode: u32,
        content: &[u8],
    ) -> io::Result<File> {
        let name = name.as_ref();
        self.remove(name)?;
        let mut file = self.create(name, mode)?;
        match file.write_all(content) {
            Ok(()) => Ok(file),
            Err(error) => {
                // Frees the space; the first error says more than a second one.
                _ = self.remove(name);
                Err(error)
            }
        }
    }

    /// Replaces a file by way of a temporary name. `finish` may change the owner of the new file.
    /// The caller is the only writer in the folder.
    ///
    /// # Errors
    /// As the system says, or `finish`. The old file stays, and the temporary one is removed.
    pub fn replace(
        &self,
        name: impl AsRef<OsStr>,
        temporary: impl AsRef<OsStr>,
        mode: u32,
        content: &[u8],
        finish: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let temporary = temporary.as_ref();
        let file = self.write_new(temporary, mode, content)?;
        let replaced = finish(&file)
            .and_then(|()| file.sync_all())
            .and_then(|()| self.rename(temporary, name));
        if replaced.is_err() {
            _ = self.remove(temporary);
        }
        replaced.and_then(|()| self.sync())
    }
}
