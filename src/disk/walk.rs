//! Walks a path by descriptors, one name at a time, so that no part of it can be exchanged in
//! between.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::trust::Trust;

/// Flags for descriptors that only locate something, without opening it.
pub(super) const PLACE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
pub(super) const FOLDER: OFlags = PLACE.union(OFlags::DIRECTORY);

/// The number of links that Linux follows.
const MOST_LINKS: u32 = 40;

/// Somewhere on a path.
#[derive(Debug)]
pub(super) struct Walk<'t> {
    trust: &'t Trust,
    /// The folder that has been reached, and what is known about it.
    at: File,
    found: Metadata,
    /// Where that is, for people.
    path: PathBuf,
    /// The names that are left, the next one at the end.
    left: Vec<OsString>,
    links: u32,
    /// Whether the last name may be that of a file.
    to_file: bool,
}

/// Creates a missing folder of this name in a folder.
pub(super) type Make<'m> = &'m dyn Fn(&File, &Metadata, &OsStr) -> io::Result<()>;

impl<'t> Walk<'t> {
    /// Before the first name. A relative path begins in the current folder.
    pub(super) fn new(path: &Path, trust: &'t Trust, to_file: bool) -> io::Result<Self> {
        let (start, shown) = match path.is_absolute() {
            true => (Path::new("/"), PathBuf::from("/")),
            false => (Path::new("."), std::env::current_dir().unwrap_or_default()),
        };
        let at = File::from(openat(CWD, start, FOLDER, Mode::empty())?);
        let found = at.metadata()?;
        let mut walk = Self {
            trust,
            at,
            found,
            path: shown,
            left: Vec::new(),
            links: 0,
            to_file,
        };
        walk.push(path);
        walk.is_trusted()?;
        Ok(walk)
    }

    /// Walks to the folder at the end; `make` creates missing ones.
    pub(super) fn folder(mut self, make: Option<Make<'_>>) -> io::Result<(File, PathBuf)> {
        while let Some(name) = self.left.pop() {
            match (self.step(&name), make) {
                (Err(error), Some(make)) if error.kind() == io::ErrorKind::NotFound => {
                    make(&self.at, &self.found, &name)?;
                    self.step(&name)?;
                }
                (other, _) => other?,
            }
        }
        Ok((self.at, self.path))
    }

    /// Walks to the folder of the file at the end, and returns the file's name there. That name is
    /// not a link.
    pub(super) fn file(mut self) -> io::Result<(File, PathBuf, OsString)> {
        while let Some(name) = self.left.pop() {
            if !self.left.is_empty() {
                self.step(&name)?;
                continue;
            }
            let last = File::from(openat(&self.at, &name, PLACE, Mode::empty())?);
            if !last.metadata()?.is_symlink() {
                return Ok((self.at, self.path, name));
            }
            self.follow(&name)?;
        }
        Err(Errno::ISDIR.into())
    }

    fn step(&mut self, name: &OsStr) -> io::Result<()> {
        match openat(&self.at, name, FOLDER, Mode::empty()) {
            Ok(folder) => self.enter(folder.into(), name),
            Err(Errno::NOTDIR | Errno::LOOP) => self.follow(name),
            Err(error) => Err(error.into()),
        }
    }

    fn enter(&mut self, folder: File, name: &OsStr) -> io::Result<()> {
        self.found = folder.metadata()?;
        self.at = folder;
        match name == ".." {
            true => _ = self.path.pop(),
            false => self.path.push(name),
        }
        self.is_trusted()
    }

    fn is_trusted(&self) -> io::Result<()> {
        self.trust.folder(
            &self.path,
            &self.found,
            self.left.is_empty() && !self.to_file,
        )
    }

    fn follow(&mut self, name: &OsStr) -> io::Result<()> {
        let link = File::from(openat(&self.at, name, PLACE, Mode::empty())?);
        let found = link.metadata()?;
        if !found.is_symlink() {
            return Err(Errno::NOTDIR.into());
        }
        self.trust
            .link(&self.path.join(name), &found, &self.found)?;
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let to = PathBuf::from(OsString::from_vec(
            readlinkat(&link, "", Vec::new())?.into_bytes(),
        ));
        self.push(&to);
        if to.is_absolute() {
            self.at = File::from(openat(CWD, "/", FOLDER, Mode::empty())?);
            (self.found, self.path) = (self.at.metadata()?, PathBuf::from("/"));
        }
        self.is_trusted()
    }

    fn push(&mut self, path: &Path) {
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        self.left.extend(names);
    }
}
