//! The files of a machine, or of an image of one.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::readlinkat;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2};
use rustix::io::Errno;

/// Why a file was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There is none.
    Missing,
    /// This user may not.
    Denied,
    /// No configuration is that large.
    TooLarge,
    /// A folder, a pipe or a device.
    NotAFile,
    /// The disk, or the network behind it.
    Failed,
}

/// What is known of a file without reading it. Symbolic links are followed.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The permissions.
    pub mode: u32,
    /// The number of the owner.
    pub owner: u32,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Where files are looked up. Paths begin with `/`, which is the root of the machine.
pub trait Files {
    /// Reads a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// That there is none, or that it cannot be read.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Unread>;

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// That there is none, or that it cannot be read.
    fn list(&self, folder: &str) -> Result<Vec<String>, Unread>;

    /// What a path leads to; `None` if nothing is there or nothing can be seen.
    fn look(&self, path: &str) -> Option<Look>;

    /// Where a symbolic link leads.
    fn link(&self, path: &str) -> Option<String>;
}

/// Files below a folder, which symbolic links do not leave.
#[derive(Debug)]
pub struct Below {
    /// `None` for the root of this machine.
    root: Option<OwnedFd>,
}

impl Below {
    /// Opens the root.
    ///
    /// # Errors
    /// That it is no folder, or cannot be opened.
    pub fn new(root: &Path) -> io::Result<Self> {
        if root == Path::new("/") {
            return Ok(Self { root: None });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(root, flags, Mode::empty())?;
        let is_able = openat2(&root, ".", flags, Mode::empty(), ResolveFlags::IN_ROOT);
        is_able.map_err(|error| {
            let text = format!("--root needs Linux 5.6 (openat2): {error}");
            io::Error::other(text)
        })?;
        Ok(Self { root: Some(root) })
    }

    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Unread> {
        // A pipe is not waited for; openat2 takes no such flag beside PATH.
        let flags = match flags.contains(OFlags::PATH) {
            true => flags | OFlags::CLOEXEC,
            false => flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
        };
        let opened = match &self.root {
            Some(root) => openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT),
            None => openat(CWD, path, flags, Mode::empty()),
        };
        opened.map_err(unread)
    }
}

fn unread(error: Errno) -> Unread {
    match error {
        Errno::NOENT | Errno::NOTDIR => Unread::Missing,
        Errno::ACCESS | Errno::PERM => Unread::Denied,
        Errno::ISDIR | Errno::NXIO => Unread::NotAFile,
        _ => Unread::Failed,
    }
}

impl Files for Below {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Unread> {
        let file = self.open(path, OFlags::RDONLY)?;
        let kind = FileType::from_raw_mode(fstat(&file).map_err(unread)?.st_mode);
        if kind != FileType::RegularFile {
            return Err(Unread::NotAFile);
        }
        let mut bytes = Vec::new();
        let mut file = File::from(file).take(limit + 1);
        file.read_to_end(&mut bytes).map_err(|_| Unread::Failed)?;
        match bytes.len() as u64 > limit {
            true => Err(Unread::TooLarge),
            false => Ok(bytes),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Unread> {
        let folder = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::new(folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            // A name that is not UTF-8 is not one of a configuration.
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn look(&self, path: &str) -> Option<Look> {
        let file = self.open(path, OFlags::PATH).ok()?;
        let stat = fstat(&file).ok()?;
        Some(Look {
            mode: stat.st_mode & 0o7777,
            owner: stat.st_uid,
            is_folder: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
        })
    }

    fn link(&self, path: &str) -> Option<String> {
        let path = PathBuf::from(path);
        let folder = self
            .open(path.parent()?.to_str()?, OFlags::PATH | OFlags::DIRECTORY)
            .ok()?;
        let target = readlinkat(folder, path.file_name()?, Vec::new()).ok()?;
        target.into_string().ok()
    }
}
