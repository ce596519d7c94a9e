//! The socket file: made for its owner alone, never taken from a gateway that listens on it,
//! removed at the end.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

/// Only the owner may connect.
const MODE: u32 = 0o600;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 64;

/// The longest path in bytes: `sun_path` of unix(7), less the zero at its end.
const LONGEST: usize = 107;

/// How long to wait for another gateway that is opening its socket in the same folder.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path does not fit into an address.
    #[error(
        "the path of the control socket, {}, has {} bytes, and the system allows {LONGEST}; write \
            a shorter one in listen.control",
        .0.display(),
        .0.as_os_str().len()
    )]
    TooLong(PathBuf),
    /// The folder is missing.
    #[error(
        "the folder of the control socket {} cannot be opened; create it (systemd: \
            RuntimeDirectory=ianitor), or write \
         another path in listen.control",
        .0.display()
    )]
    Folder(PathBuf, #[source] io::Error),
    /// Another process listens there.
    #[error(
        "another gateway has the control socket {}; stop it, or write another path in \
            listen.control of one of them",
        .0.display()
    )]
    InUse(PathBuf),
    /// There is a folder.
    #[error(
        "{} is a folder; write the path of a socket in it in listen.control, such as {}",
        .0.display(),
        .0.join("control.sock").display()
    )]
    IsFolder(PathBuf),
    /// There is a file of another kind.
    #[error("{} is not a socket, so it is not replaced; move it, or write another path in \
        listen.control", .0.display())]
    NotASocket(PathBuf),
    /// The socket cannot be made.
    #[error(
        "cannot open the control socket {}; the user that runs ianitor must be able to write in \
            its folder (systemd: \
         RuntimeDirectory=ianitor), or write another path in listen.control",
        .0.display()
    )]
    Io(PathBuf, #[source] io::Error),
}

/// A socket that listens. Its file is removed when this is dropped.
#[derive(Debug)]
pub(super) struct ControlSocket {
    // Dropped first: once nothing listens, a successor may put its own file in this place.
    file: SocketFile,
    listener: UnixListener,
}

impl OpenError {
    /// Whether this is only that the folder is not there. systemd makes it at the service's start.
    pub fn is_no_folder(&self) -> bool {
        matches!(self, Self::Folder(_, error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl ControlSocket {
    /// Makes the socket. A file that a gateway has left behind is replaced.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        check_length(path)?;
        let _lock = lock_folder(path)?;
        let failed = |error| OpenError::Io(path.to_owned(), error);
        let socket = match bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path)?;
                bind(path)
            }
            bound => bound,
        };
        let socket = socket.map_err(failed)?;
        let file = SocketFile::of(path).map_err(failed)?;
        Ok(Self {
            file,
            listener: OwnedFd::from(socket).into(),
        })
    }

    /// Uses a socket that the process was started with. Its file stays when this is dropped, until
    /// [`SocketFile::own`].
    pub(super) fn adopt(path: &Path, listener: UnixListener) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Io(path.to_owned(), error);
        let file = SocketFile::of(path).map_err(failed)?;
        file.disown();
        let socket = SockRef::from(&listener);
        let prepared = socket
            .set_cloexec(true)
            .and_then(|()| socket.set_nonblocking(true));
        prepared.map_err(failed)?;
        Ok(Self { file, listener })
    }

    /// The parts: what removes the file when it is dropped, and what listens.
    pub(super) fn into_parts(self) -> (SocketFile, UnixListener) {
        (self.file, self.listener)
    }
}

/// What keeps a socket from being made at a path, as far as it shows without making one.
pub(super) fn look(path: &Path) -> Result<(), OpenError> {
    check_length(path)?;
    match fs::metadata(folder(path)) {
        Ok(found) if !found.is_dir() => {
            let error = io::ErrorKind::NotADirectory.into();
            return Err(OpenError::Folder(path.to_owned(), error));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Folder(path.to_owned(), error));
        }
        // The gateway's user may see more than this one.
        Ok(_) | Err(_) => {}
    }
    fs::symlink_metadata(path).map_or(Ok(()), |found| check_kind(path, &found))
}

fn check_length(path: &Path) -> Result<(), OpenError> {
    if path.as_os_str().len() > LONGEST {
        return Err(OpenError::TooLong(path.to_owned()));
    }
    Ok(())
}

/// Only a socket may be replaced.
fn check_kind(path: &Path, found: &Metadata) -> Result<(), OpenError> {
    if found.is_dir() {
        return Err(OpenError::IsFolder(path.to_owned()));
    }
    if !found.file_type().is_socket() {
        return Err(OpenError::NotASocket(path.to_owned()));
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Two gateways that start at once must not both find the same file stale. The lock, if it can be
/// had in time, ends with the file that is returned.
fn lock_folder(path: &Path) -> Result<File, OpenError> {
    let failed = |error| OpenError::Folder(path.to_owned(), error);
    let folder = File::open(folder(path)).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(folder),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                std::thread::sleep(LOCK_PAUSE);
            }
            // Not every file system has locks, and a read-only one fails below.
            Err(_) => return Ok(folder),
        }
    }
    // Any user that can read the folder can hold its lock, and must not be able to deny the socket.
    Ok(folder)
}

/// The mode is set before there is a file: Linux makes it with that of the descriptor.
fn bind(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let socket = File::from(OwnedFd::from(socket));
    socket.set_permissions(Permissions::from_mode(MODE))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes the file of a gateway that has ended without doing so.
fn remove_stale(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io(path.to_owned(), error);
    let found = fs::symlink_metadata(path).map_err(failed)?;
    check_kind(path, &found)?;
    if is_served(path).map_err(failed)? {
        return Err(OpenError::InUse(path.to_owned()));
    }
    fs::remove_file(path).map_err(failed)
}

/// Whether a process listens: otherwise connections are refused.
fn is_served(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener whose queue is full would be waited for.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        connected => connected.map(|()| true),
    }
}

/// Removes the file when dropped, unless another one is in its place by then, or it belongs to
/// another process.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
    is_owned: AtomicBool,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            inode: inode(&fs::symlink_metadata(path)?),
            is_owned: AtomicBool::new(true),
        })
    }

    /// Has the file removed at the end.
    pub(super) fn own(&self) {
        self.is_owned.store(true, Ordering::Relaxed);
    }

    /// Whether the file is removed at the end.
    pub(super) fn is_owned(&self) -> bool {
        self.is_owned.load(Ordering::Relaxed)
    }

    /// Has the file stay at the end: another process listens on it.
    pub(super) fn disown(&self) {
        self.is_owned.store(false, Ordering::Relaxed);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a path, by any spelling or link, leads to this file. The inode belongs to it for as
    /// long as something listens, even if the file is removed.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| inode(&found) == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_owned() {
            return;
        }
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| inode(&found) == self.inode) {
            // A file that stays is stale, and is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn the_file_is_its_owners_alone_and_goes_with_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let socket = ControlSocket::open(&path).unwrap();
        assert_eq!(mode(&path), MODE);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves it behind");
        let first = ControlSocket::open(&path).unwrap();
        assert_eq!(mode(&path), MODE);
        let error = ControlSocket::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::InUse(_)), "{error}");
        assert!(path.exists());
        // The file of another gateway stays.
        fs::remove_file(&path).unwrap();
        let second = ControlSocket::open(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_is_held_delays_the_socket_and_does_not_deny_it() {
        let folder = tempfile::tempdir().unwrap();
        let held = File::open(folder.path()).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        let path = folder.path().join("control.sock");
        ControlSocket::open(&path).unwrap();
    }

    #[test]
    fn other_files_and_missing_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        fs::write(&path, "text").unwrap();
        let error = ControlSocket::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::NotASocket(_)), "{error}");
        let error = ControlSocket::open(&folder.path().join("none/control.sock")).unwrap_err();
        assert!(error.is_no_folder(), "{error}");
        let error = ControlSocket::open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::IsFolder(_)), "{error}");
    }

    #[test]
    fn a_path_may_have_107_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let rest = LONGEST - folder.path().as_os_str().len() - 1;
        let longest = folder.path().join("a".repeat(rest));
        ControlSocket::open(&longest).unwrap();
        let error = ControlSocket::open(&folder.path().join("a".repeat(rest + 1))).unwrap_err();
        assert!(matches!(error, OpenError::TooLong(_)), "{error}");
    }

    #[test]
    fn a_look_finds_what_opening_would() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "text").unwrap();
        for path in [
            folder.path().to_owned(),
            file.clone(),
            file.join("control.sock"),
            folder.path().join("none/control.sock"),
            folder.path().join("a".repeat(200)),
        ] {
            assert!(look(&path).is_err(), "{}", path.display());
            assert!(ControlSocket::open(&path).is_err(), "{}", path.display());
        }
        let path = folder.path().join("control.sock");
        look(&path).unwrap();
        let _open = ControlSocket::open(&path).unwrap();
        look(&path).unwrap();
    }

    #[test]
    fn a_file_is_known_by_every_spelling_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let (file, _listener) = ControlSocket::open(&path).unwrap().into_parts();
        let link = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [&path, &link, &folder.path().join("./control.sock")] {
            assert!(file.is_at(path), "{}", path.display());
        }
        fs::remove_file(&path).unwrap();
        assert!(!file.is_at(&path));
        drop(UnixListener::bind(&path).unwrap());
        assert!(!file.is_at(&path));
    }
}
