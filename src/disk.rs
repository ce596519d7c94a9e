//! Files that an operator names: read whole, if they are files and not too large.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a file of at most so many bytes.
///
/// # Errors
/// As the system says; [`InvalidInput`](io::ErrorKind::InvalidInput) for what is no file, such as a pipe, which would be
/// waited for without end; [`FileTooLarge`](io::ErrorKind::FileTooLarge) for more.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}
