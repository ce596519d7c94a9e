//! Files that an operator names: read whole, if they are files and not too large. And folders that
//! other users of the machine may have a hand in ([`Dir`]), with the rule for whose links and
//! folders are trusted ([`Trust`]).

mod dir;
#[cfg(test)]
mod tests;
mod trust;
mod walk;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

pub use dir::Dir;
pub(crate) use trust::user_name;
pub use trust::{Trust, Untrusted, capabilities, has_rights};

/// There is something else than a file, such as a pipe, which would be waited for without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a file")]
pub struct NotAFile;

impl NotAFile {
    /// Whether an error of this module is this one.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// As the system says; [`NotAFile`] for what is none; [`FileTooLarge`](io::ErrorKind::FileTooLarge)
/// for more.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Before it is opened, since some devices act on that.
    is_file(&fs::metadata(path)?)?;
    read_open(open(path)?, most)
}

/// Opens a file for reading, if it is one. A pipe that is put in its place at this moment is not
/// waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    is_file(&file.metadata()?)?;
    Ok(file)
}

/// Reads an open file of at most so many bytes.
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

fn is_file(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, NotAFile))
    }
}
