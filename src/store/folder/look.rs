//! A look at a store that changes nothing.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::Access;

use super::super::StoreError;
use super::files;

/// Whether a folder is there and may be written, or can be made.
pub(super) fn may_be_written(folder: &Path) -> Result<(), StoreError> {
    let absolute = std::path::absolute(folder).map_err(files::unreadable(folder))?;
    // What is not there is made in the nearest folder that is. A link that leads nowhere is there.
    let nearest = absolute
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok())
        .unwrap_or(&absolute);
    is_writable(nearest).map_err(files::unwritable(if nearest == absolute {
        folder
    } else {
        nearest
    }))
}

/// Whether the folders in a folder may be written, as far as they are there.
pub(super) fn below(folder: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(files::unreadable(folder)(error)),
    };
    is_writable(folder).map_err(files::unwritable(folder))?;
    for entry in entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
    {
        is_writable(&entry.path()).map_err(files::unwritable(&entry.path()))?;
    }
    Ok(())
}

fn is_writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    // Also says that the file system is read-only, which root may not write either.
    Ok(rustix::fs::access(
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}
