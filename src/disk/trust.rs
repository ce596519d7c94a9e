//! Which users' folders and links may lead this process to a file.
//!
//! Another user who owns a folder, or may write to it, could put a link there and so make this
//! process read or write where that user cannot. Two rules prevent that:
//!
//! - **Links** are followed if they belong to root or to this process's user, and lie in a folder
//!   that no other user can change. `/var/run` is such a link.
//! - **Folders**, for a process that has rights over other users' files ([`has_rights`]), have to
//!   belong to root or to this process's user, and no other user may write to them. A folder with
//!   the sticky bit, such as `/tmp`, may be on the way, but may not hold the file itself.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};

const ROOT: u32 = 0;

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The numbers of capabilities by which a process reaches files or processes of other users:
/// `CHOWN`, `DAC_OVERRIDE`, `DAC_READ_SEARCH`, `FOWNER`, `KILL`, `SETGID`, `SETUID`, `SYS_PTRACE`,
/// `SYS_ADMIN`, `SETFCAP`.
const RIGHTS: [u32; 10] = [0, 1, 2, 3, 5, 6, 7, 19, 21, 31];

/// Whether this process may do more with files or processes of other users than their permissions
/// say: it is root, or has a capability for that.
pub fn has_rights() -> bool {
    let has_one = |held: u64| RIGHTS.iter().any(|number| held & (1 << number) != 0);
    geteuid().is_root() || capabilities().is_some_and(has_one)
}

/// The capabilities in effect, a bit for each; `None` if they cannot be found out.
pub fn capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(held.trim(), 16).ok()
}

/// Which users are trusted with links and folders on the way to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub(super) user: u32,
    pub(super) group: u32,
    /// A user whose folders are trusted as well, though not its links.
    pub(super) also: Option<u32>,
    /// Whether the rule for folders is in force.
    pub(super) folders: bool,
}

impl Trust {
    /// The rule for links alone: for folders that may belong to another user.
    pub fn links() -> Self {
        Self {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
            also: None,
            folders: false,
        }
    }

    /// Both rules, whatever the rights of this process.
    pub fn strict() -> Self {
        Self {
            folders: true,
            ..Self::links()
        }
    }

    /// Both rules if this process has rights over other users' files, otherwise the one for links.
    /// `also` is the gateway's own user when root works in its place.
    pub fn by_rights(also: Option<u32>) -> Self {
        Self {
            also,
            folders: has_rights(),
            ..Self::links()
        }
    }

    /// Whether this user gains nothing by a link.
    pub fn is_trusted(&self, user: u32) -> bool {
        user == ROOT || user == self.user
    }

    /// Whether only trusted users can write to it, given that its owner is one.
    pub fn is_closed(&self, found: &Metadata) -> bool {
        let (mode, group) = (found.mode(), found.gid());
        let group_may = mode & WRITABLE_BY_GROUP != 0 && group != ROOT && group != self.group;
        !group_may && mode & WRITABLE_BY_ALL == 0
    }

    /// Whether a link may be followed that was found in this folder.
    pub(super) fn link(&self, path: &Path, link: &Metadata, folder: &Metadata) -> io::Result<()> {
        let keeps_names = self.is_closed(folder) || folder.mode() & STICKY != 0;
        if self.is_trusted(link.uid()) && self.is_trusted(folder.uid()) && keeps_names {
            return Ok(());
        }
        let owner = if self.is_trusted(link.uid()) {
            folder.uid()
        } else {
            link.uid()
        };
        Err(Untrusted::Link {
            path: path.to_owned(),
            owner: user_name(owner),
        }
        .into())
    }

    /// Whether a folder may be on the way to a file or, if it is the last, hold it.
    pub(super) fn folder(&self, path: &Path, folder: &Metadata, is_last: bool) -> io::Result<()> {
        if !self.folders {
            return Ok(());
        }
        let path = || path.to_owned();
        if !self.is_trusted(folder.uid()) && self.also != Some(folder.uid()) {
            let (owner, group) = (user_name(folder.uid()), group_name(folder.gid()));
            let to = user_name(self.also.unwrap_or(self.user));
            return Err(Untrusted::Folder {
                path: path(),
                owner,
                to,
                group,
            }
            .into());
        }
        if self.is_closed(folder) || (folder.mode() & STICKY != 0 && !is_last) {
            return Ok(());
        }
        Err(Untrusted::Writable {
            path: path(),
            mode: folder.mode() & 0o7777,
        }
        .into())
    }

    /// Whether a program may be run that was found in a trusted folder.
    ///
    /// # Errors
    /// That another user could have put it there, or could write to it.
    pub fn program(&self, path: &Path, program: &Metadata) -> io::Result<()> {
        if !self.folders || (self.is_trusted(program.uid()) && self.is_closed(program)) {
            return Ok(());
        }
        Err(Untrusted::Program {
            path: path.to_owned(),
            owner: user_name(program.uid()),
        }
        .into())
    }
}

/// Why a place is not trusted, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Another user decides where it leads.
    #[error(
        "{} is a symbolic link that the user \"{owner}\" can change, so it is not followed; links \
         of root and of ianitor's user are followed in folders that nobody else can write: name \
         the place itself, or replace the link",
        .path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// The user who can change it.
        owner: String,
    },
    /// Another user decides what is in it.
    #[error(
        "the folder {} belongs to the user \"{owner}\", who could put links and files there for \
         ianitor to take by its rights; chown {to}:{group} {0} && chmod 2750 {0}, or name a folder \
         of root's",
        .path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who should own it.
        to: String,
        /// The group that is to go on reading it.
        group: String,
    },
    /// The same, by the folder's mode.
    #[error(
        "the folder {} can be written by other users (mode {mode:04o}), who could put links and \
         files there for ianitor to take by its rights; chmod go-w {0}, or name another folder",
        .path.display()
    )]
    Writable {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It would run with our rights.
    #[error(
        "the program {} belongs to the user \"{owner}\" or can be written by other users, and \
         would run with ianitor's rights; chown root {0} && chmod go-w {0}",
        .path.display()
    )]
    Program {
        /// The program.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
}

impl Untrusted {
    /// Extracts it from an error of this module, or returns the error.
    ///
    /// # Errors
    /// Any other error.
    pub fn of(error: io::Error) -> Result<Self, io::Error> {
        error.downcast()
    }
}

impl From<Untrusted> for io::Error {
    fn from(why: Untrusted) -> Self {
        Self::other(why)
    }
}

/// The name of a user, or its number where it has none.
pub(crate) fn user_name(user: u32) -> String {
    User::from_uid(Uid::from_raw(user))
        .ok()
        .flatten()
        .map_or_else(|| user.to_string(), |user| user.name)
}

fn group_name(group: u32) -> String {
    Group::from_gid(Gid::from_raw(group))
        .ok()
        .flatten()
        .map_or_else(|| group.to_string(), |group| group.name)
}
