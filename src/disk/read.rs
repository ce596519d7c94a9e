//! Reads files that an operator names, if they are files and not too large.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Something that is not a file, such as a pipe, on which a read could wait without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a file")]
pub struct NotAFile;

impl NotAFile {
    /// Whether an error of this module is this one.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// As the system says; [`NotAFile`] for anything but a file;
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge) for a larger one.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Checked before it is opened, since opening some devices has effects.
    is_file(&fs::metadata(path)?)?;
    read_open(open(path)?, most)
}

/// Opens a file for reading. A pipe that takes its place at this moment does not block.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    is_file(&file.metadata()?)?;
    Ok(file)
}

/// Reads an open file of at most `most` bytes.
///
/// # Errors
/// As [`read`].
pub fn read_open(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        Err(io::ErrorKind::FileTooLarge.into())
    } else {
        Ok(bytes)
    }
}

pub(super) fn is_file(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, NotAFile))
    }
}
