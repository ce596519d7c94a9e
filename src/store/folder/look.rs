//! Checks whether a store can be written, without changing anything.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::Access;

use super::super::StoreError;
use super::files;

/// Checks that a folder exists and can be written, or can be created.
pub(super) fn may_be_written(folder: &Path) -> Result<(), StoreError> {
    let absolute = std::path::absolute(folder).map_err(files::unreadable(folder))?;
    // Missing folders are created in the nearest one that exists. A broken link counts as existing.
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

/// Checks that a folder and its subfolders can be written, if they exist.
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
    // Also fails on a read-only file system, which root cannot write either.
    Ok(rustix::fs::access(
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}
