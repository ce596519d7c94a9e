//! A folder held by its descriptor. If its path leads elsewhere later, operations still happen in
//! this folder.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, readlinkat, renameat, unlinkat};
use rustix::io::Errno;

use super::read::{is_file, read_open};
use super::trust::Trust;
use super::walk::{FOLDER, PLACE, Walk};

/// How deep a folder may be that is removed with its content.
const DEEPEST: u32 = 16;

/// A folder that was reached over trusted folders and links. Links in it are not followed.
#[derive(Debug)]
pub struct Dir {
    folder: File,
    path: PathBuf,
}

impl Dir {
    /// Opens a folder.
    ///
    /// # Errors
    /// As the system says, and [`Untrusted`](super::Untrusted) for what is on the way to it.
    pub fn open(path: &Path, trust: &Trust) -> io::Result<Self> {
        let (folder, path) = Walk::new(path, trust, false)?.folder(None)?;
        Ok(Self { folder, path })
    }

    /// Opens a folder, and creates it with its parents if necessary. A new folder gets the owner of
    /// its parent, and is on the disk before it is used.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_make(path: &Path, trust: &Trust, mode: u32) -> io::Result<Self> {
        let make = |above: &File, found: &Metadata, name: &OsStr| make_in(above, found, name, mode);
        let (folder, path) = Walk::new(path, trust, false)?.folder(Some(&make))?;
        Ok(Self { folder, path })
    }

    /// Opens the folder in which a file is, and says what the file is called there. Links at the
    /// end of the path are followed by the same rule as those on the way.
    ///
    /// # Errors
    /// As [`open`](Self::open); also if there is no such file.
    pub fn of_file(path: &Path, trust: &Trust) -> io::Result<(Self, OsString)> {
        let (folder, path, name) = Walk::new(path, trust, true)?.file()?;
        Ok((Self { folder, path }, name))
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    /// As the system says, also if it is a link.
    pub fn below(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref();
        let opened = openat(&self.folder, name, FOLDER, Mode::empty());
        let folder = opened.map_err(|error| {
            if error == Errno::LOOP {
                Errno::NOTDIR
            } else {
                error
            }
        })?;
        Ok(Self {
            folder: folder.into(),
            path: self.path.join(name),
        })
    }

    /// Creates a folder in this one, with the same owner.
    ///
    /// # Errors
    /// As the system says.
    pub fn make(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Self> {
        let name = name.as_ref();
        mkdirat(&self.folder, name, Mode::from_raw_mode(mode))?;
        self.below(name)?.give_to_owner_of(&self.folder.metadata()?)
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known about the folder itself.
    ///
    /// # Errors
    /// As the system says.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.folder.metadata()
    }

    /// Metadata of what has this name; a link is not followed, and nothing is opened.
    ///
    /// # Errors
    /// As the system says.
    pub fn look(&self, name: impl AsRef<OsStr>) -> io::Result<Metadata> {
        File::from(openat(&self.folder, name.as_ref(), PLACE, Mode::empty())?).metadata()
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// As the system says.
    pub fn read_link(&self, name: impl AsRef<OsStr>) -> io::Result<PathBuf> {
        let to = readlinkat(&self.folder, name.as_ref(), Vec::new())?;
        Ok(OsString::from_vec(to.into_bytes()).into())
    }

    /// Opens a file for reading. A link is rejected, and a pipe does not block.
    ///
    /// # Errors
    /// As the system says; [`NotAFile`](super::NotAFile) for anything but a file.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.open_as(name.as_ref(), OFlags::RDONLY)
    }

    /// Opens a file to lock it, or creates it: then the second value is true.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file).
    pub fn open_lock(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<(File, bool)> {
        match self.create(&name, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok((self.open_as(name.as_ref(), OFlags::WRONLY)?, false))
            }
            created => Ok((created?, true)),
        }
    }

    /// Reads a file of at most `most` bytes.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file), and for a larger file.
    pub fn read(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Vec<u8>> {
        read_open(self.open_file(name)?, most)
    }

    /// Creates a file and opens it for writing.
    ///
    /// # Errors
    /// As the system says, also if something has the name, even a dangling link.
    pub fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(
            &self.folder,
            name.as_ref(),
            flags,
            Mode::from_raw_mode(mode),
        )?
        .into())
    }

    /// Gives a file that root has created here to the owner of the folder, so that a command run by
    /// root does not lock out the gateway, which runs as another user. If that is not permitted,
    /// the gateway reports what it cannot read.
    pub fn hand_over(&self, new: &File) {
        if let Ok(folder) = self.metadata() {
            hand_over(new, &folder);
        }
    }

    /// Renames something within this folder.
    ///
    /// # Errors
    /// As the system says.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(renameat(
            &self.folder,
            from.as_ref(),
            &self.folder,
            to.as_ref(),
        )?)
    }

    /// Removes a file or a link, if it exists.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match unlinkat(&self.folder, name.as_ref(), AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes a folder with its content, or whatever else has the name, if it exists.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove_all(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.remove_to(name.as_ref(), DEEPEST)
    }

    fn remove_to(&self, name: &OsStr, deepest: u32) -> io::Result<()> {
        let folder = match self.below(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return self.remove(name),
            other => other?,
        };
        let deeper = deepest
            .checked_sub(1)
            .ok_or(io::ErrorKind::DirectoryNotEmpty)?;
        for inner in folder.names()? {
            folder.remove_to(&inner, deeper)?;
        }
        Ok(unlinkat(&self.folder, name, AtFlags::REMOVEDIR)?)
    }

    /// The names in it, in no order.
    ///
    /// # Errors
    /// As the system says.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(self.open_itself()?)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            names.extend((name != "." && name != "..").then(|| name.to_owned()));
        }
        Ok(names)
    }

    /// Waits until everything created, renamed and removed in it is on the disk.
    ///
    /// # Errors
    /// As the system says, also if it may not be read.
    pub fn sync(&self) -> io::Result<()> {
        File::from(self.open_itself()?).sync_all()
    }

    pub(super) fn open_itself(&self) -> io::Result<std::os::fd::OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.folder, ".", flags, Mode::empty())?)
    }

    fn open_as(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        // Checked before it is opened, since opening some devices has effects.
        is_file(&self.look(name)?)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, name, flags, Mode::empty())?);
        is_file(&file.metadata()?)?;
        Ok(file)
    }

    /// For a folder that was just created.
    fn give_to_owner_of(self, above: &Metadata) -> io::Result<Self> {
        // A user who can write to the parent may have put another folder in its place. Giving away
        // an empty one does no harm.
        if self.names()?.is_empty() {
            hand_over(&File::from(self.open_itself()?), above);
        }
        Ok(self)
    }
}

fn make_in(above: &File, found: &Metadata, name: &OsStr, mode: u32) -> io::Result<()> {
    match mkdirat(above, name, Mode::from_raw_mode(mode)) {
        // Another process has created it in the meantime.
        Err(Errno::EXIST) => return Ok(()),
        made => made?,
    }
    let above = Dir {
        folder: above.try_clone()?,
        path: PathBuf::new(),
    };
    above.below(name)?.give_to_owner_of(found)?;
    above.sync()
}

fn hand_over(new: &File, above: &Metadata) {
    if rustix::process::geteuid().is_root() && above.uid() != 0 {
        _ = fchown(new, Some(above.uid()), Some(above.gid()));
    }
}
