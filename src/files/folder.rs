//! Finds and opens the files of a route, by file descriptors from the root folder down.

use std::fs::{File, Metadata};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs;

use super::guard::Guard;

/// A folder, and whether links below it are followed. Its paths are relative and have no dot
/// segments.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: Arc<Path>,
    follow_symlinks: bool,
    guard: Arc<Guard>,
}

impl Folder {
    pub(super) fn new(root: &Path, follow_symlinks: bool, guard: Arc<Guard>) -> Self {
        // The parent of a bare file name is empty.
        let root = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            root
        };
        Self {
            root: root.into(),
            follow_symlinks,
            guard,
        }
    }

    /// Looks up a path: a folder or a regular file. Nothing is opened, since opening some devices
    /// has side effects.
    ///
    /// # Errors
    /// `NotFound` for everything else, including links that are not followed; the error of the
    /// guard for private files.
    pub(super) fn look(&self, path: &Path) -> io::Result<Metadata> {
        self.open_as(path, OFlags::PATH)
            .map(|(_, metadata)| metadata)
    }

    /// Opens a regular file. Does not block even if it is replaced by a pipe at this moment.
    fn open(&self, path: &Path) -> io::Result<(File, Metadata)> {
        is_file(&self.look(path)?)?;
        let (file, metadata) =
            self.open_as(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        is_file(&metadata)?;
        Ok((file, metadata))
    }

    fn open_as(&self, path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
        let file = File::from(self.descend(path, flags).map_err(as_not_found)?);
        let metadata = file.metadata()?;
        if metadata.is_file() {
            self.guard.admit(&file, &metadata)?;
        }
        if metadata.is_dir() || metadata.is_file() {
            Ok((file, metadata))
        } else {
            Err(not_found())
        }
    }

    /// The kernel rejects links during the walk, so a link cannot be inserted between a check and
    /// the opening.
    fn descend(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
        let mut folder = openat(CWD, &*self.root, FOLDER, Mode::empty())?;
        let last = OFlags::CLOEXEC | flags;
        if self.follow_symlinks {
            return openat(&folder, or_dot(path), last, Mode::empty());
        }
        if let Some(parent) = path.parent() {
            for name in parent {
                folder = openat(&folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
            }
        }
        openat(
            &folder,
            or_dot(Path::new(path.file_name().unwrap_or_default())),
            last | OFlags::NOFOLLOW,
            Mode::empty(),
        )
    }
}

fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

fn is_file(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(not_found())
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Whether an error means that there is nothing to serve: a link that is not followed, a file in
/// place of a folder, or an impossible name.
fn as_not_found(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::NAMETOOLONG => not_found(),
        error => error.into(),
    }
}

/// The files that tower-http serves.
impl fs::Backend for Folder {
    type File = Opened;
    type Metadata = Metadata;
    type OpenFuture = Pin<Box<dyn Future<Output = io::Result<Opened>> + Send>>;
    type MetadataFuture = Pin<Box<dyn Future<Output = io::Result<Metadata>> + Send>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let folder = self.clone();
        Box::pin(async move {
            let (file, metadata) = off_thread(move || folder.open(&path)).await?;
            Ok(Opened {
                file: tokio::fs::File::from_std(file),
                metadata,
            })
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let folder = self.clone();
        // tower-http looks for the file, and for compressed siblings of it.
        let look = move || {
            folder
                .look(&path)
                .and_then(|metadata| is_file(&metadata).map(|()| metadata))
        };
        Box::pin(off_thread(look))
    }
}

/// Runs on a thread of its own, because disks may be slow and workers must not block.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// An open file with its metadata.
#[derive(Debug)]
pub(super) struct Opened {
    file: tokio::fs::File,
    metadata: Metadata,
}

impl fs::File for Opened {
    type Metadata = Metadata;
    type MetadataFuture<'a> = std::future::Ready<io::Result<Metadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        std::future::ready(Ok(self.metadata.clone()))
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buf)
    }
}

impl AsyncSeek for Opened {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn unguarded(root: &Path, follow_symlinks: bool) -> Folder {
        Folder::new(root, follow_symlinks, Guard::new(Vec::new()))
    }

    #[test]
    fn links_and_special_files() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::write(at("folder/file"), "x").unwrap();
        symlink("folder/file", at("link")).unwrap();
        symlink("folder", at("linked")).unwrap();
        symlink("nowhere", at("broken")).unwrap();
        symlink("loop", at("loop")).unwrap();
        rustix::fs::mknodat(
            CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        symlink("pipe", at("to-pipe")).unwrap();
        let long = "x".repeat(300);
        for (path, followed, strict) in [
            ("folder/file", true, true),
            ("link", true, false),
            ("linked/file", true, false),
            ("broken", false, false),
            ("loop", false, false),
            ("pipe", false, false),
            ("to-pipe", false, false),
            ("folder", false, false),
            ("folder/file/x", false, false),
            ("", false, false),
            (&long, false, false),
        ] {
            for (follow, want) in [(true, followed), (false, strict)] {
                match unguarded(root.path(), follow).open(Path::new(path)) {
                    Ok(_) => assert!(want, "{path} {follow}"),
                    Err(error) => {
                        assert!(
                            !want && error.kind() == io::ErrorKind::NotFound,
                            "{path} {follow}: {error}"
                        )
                    }
                }
            }
        }
        let strict = unguarded(root.path(), false);
        assert!(strict.look(Path::new("")).unwrap().is_dir());
        assert!(strict.look(Path::new("folder")).unwrap().is_dir());
        assert!(strict.look(Path::new("linked")).is_err());
        let by_link = unguarded(&at("linked"), false);
        assert!(
            by_link.open(Path::new("file")).is_ok(),
            "the root itself is the operator's to choose"
        );
    }
}
