//! What the lines are written to.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Who may read the file: its owner and its group.
const MODE: u32 = 0o640;

/// Why the audit log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder of the file is missing.
    #[error("log.audit: the folder of {} does not exist; create it, or write another path",
            .0.display())]
    NoFolder(PathBuf),
    /// There is a folder under the name.
    #[error("log.audit: {} is a folder; write the path of a file", .0.display())]
    Folder(PathBuf),
    /// There is something that cannot be appended to.
    #[error("log.audit: {} is a pipe, a socket or a disk; write the path of a file, or \"stdout\" \
             for standard output", .0.display())]
    NotAFile(PathBuf),
    /// The system says why.
    #[error("log.audit: {} cannot be opened", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// Its thread could not be started.
    #[error("log.audit: the thread that writes it cannot be started")]
    Thread(#[source] io::Error),
}

/// Standard output, or a file.
pub(super) struct Output {
    pub(super) sink: Box<dyn Write + Send>,
    /// Whether the last line was written in part, so that the next one begins with a line feed.
    is_torn: bool,
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self::to(io::stdout())
    }

    pub(super) fn to(sink: impl Write + Send + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            is_torn: false,
        }
    }

    /// Opens a file to append to it, or creates it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            // A pipe without a reader is an error, and does not wait for one.
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path);
        let file: File = file.map_err(|error| match look(path) {
            Err(better) => better,
            Ok(()) => OpenError::Io(path.to_owned(), error),
        })?;
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| OpenError::Io(path.to_owned(), error))?;
        check(path, metadata.file_type())?;
        Ok(Self::to(file))
    }

    /// Writes a line at once.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.sink.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut left = line;
        while !left.is_empty() {
            match self.sink.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.is_torn = !left.is_empty();
        }
        self.sink.flush()
    }
}

/// What is wrong with the path of a file, without opening it.
pub(super) fn look(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(there) => check(path, there.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            match folder.is_none_or(Path::is_dir) {
                true => Ok(()),
                false => Err(OpenError::NoFolder(path.to_owned())),
            }
        }
        Err(error) => Err(OpenError::Io(path.to_owned(), error)),
    }
}

/// A terminal or `/dev/null` will do.
fn check(path: &Path, kind: FileType) -> Result<(), OpenError> {
    if kind.is_dir() {
        Err(OpenError::Folder(path.to_owned()))
    } else if kind.is_file() || kind.is_char_device() {
        Ok(())
    } else {
        Err(OpenError::NotAFile(path.to_owned()))
    }
}
