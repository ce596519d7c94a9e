//! The files that a configuration names, and what other users of the machine may do with each.
//!
//! *Other users* neither own a file nor are in its group: group access is deliberate, since coturn
//! or Prosody share keys with the gateway that way. A file is only as safe as the folders that lead
//! to it, because a user who can change a folder can replace the file.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

/// A file or folder that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The key that names it, such as `turn.coturn.secret_file`.
    pub key: String,
    /// The path.
    pub path: PathBuf,
    /// The use of the file.
    pub is: Use,
    /// Whether a change of the file takes effect while the gateway runs.
    pub is_watched: bool,
}

impl NamedFile {
    /// A file that is read only at a start and a reload, or not at all.
    pub fn new(key: impl Into<String>, path: &Path, is: Use) -> Self {
        Self {
            key: key.into(),
            path: path.to_owned(),
            is,
            is_watched: false,
        }
    }

    /// A file whose changes take effect while the gateway runs.
    pub fn watched(key: impl Into<String>, path: &Path, is: Use) -> Self {
        Self {
            is_watched: true,
            ..Self::new(key, path, is)
        }
    }
}

/// The use of a file, with its access rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The name in messages, with an article.
    what: &'static str,
    /// What other users must not do.
    others: Others,
    /// Whether the file must never be served to clients.
    is_private: bool,
}

/// What other users of the machine must not do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// They must not read or change it.
    Nothing,
    /// They must not change it.
    Read,
    /// The server that uses the file decides about its permissions; only its folders are checked.
    Anything,
}

impl Use {
    /// `gateway.toml` itself. Inline secrets are checked by the caller.
    pub const CONFIGURATION: Self = Self::new("the configuration", Others::Read, true);
    /// A private key.
    pub const KEY: Self = Self::new("a private key", Others::Nothing, true);
    /// A secret or password.
    pub const SECRET: Self = Self::new("a secret", Others::Nothing, true);
    /// API keys of clients.
    pub const API_KEYS: Self = Self::new("a list of API keys", Others::Nothing, true);
    /// Users with the hashes of their passwords.
    pub const PASSWORDS: Self = Self::new("a file of passwords", Others::Nothing, true);
    /// Who did what, with addresses and names.
    pub const AUDIT_LOG: Self = Self::new("the audit log", Others::Nothing, true);
    /// The certificate store.
    pub const STORE: Self = Self::new("the certificate store", Others::Read, true);
    /// A private key that `[[deploy]]` writes for another server, with the configured permissions.
    pub const DEPLOYED_KEY: Self =
        Self::new("a private key for another server", Others::Anything, true);
    /// Anything else that `[[deploy]]` writes.
    pub const DEPLOYED: Self =
        Self::new("a certificate for another server", Others::Anything, false);
    /// A certificate that is served.
    pub const CERTIFICATE: Self = Self::new("a certificate", Others::Read, false);
    /// CA certificates that the gateway trusts.
    pub const CA: Self = Self::new("a file of CAs to trust", Others::Read, false);
    /// Certificates that their CAs have revoked.
    pub const CRL: Self = Self::new("a list of revoked certificates", Others::Read, false);
    /// Public keys that verify tokens.
    pub const PUBLIC_KEYS: Self = Self::new("a file of keys to trust", Others::Read, false);
    /// Revoked tokens and subjects.
    pub const REVOKED: Self = Self::new("a list of revoked tokens", Others::Read, true);
    /// The pid file of a process that gets signals.
    pub const PID_FILE: Self = Self::new("a pid file", Others::Read, false);
    /// A program that the gateway runs.
    pub const PROGRAM: Self = Self::new("a program that the gateway runs", Others::Read, false);
    /// Files that are served to clients.
    pub const CONTENT: Self = Self::new("what clients are shown", Others::Read, false);
    /// The socket by which commands reach the gateway. It is made with its permissions, in a folder
    /// where other users must not be able to make one.
    pub const CONTROL_SOCKET: Self = Self::new("the control socket", Others::Anything, false);
    /// A socket of an upstream.
    pub const SOCKET: Self = Self::new("a socket", Others::Anything, false);

    const fn new(what: &'static str, others: Others, is_private: bool) -> Self {
        Self {
            what,
            others,
            is_private,
        }
    }

    /// Whether the file must never be served to clients.
    pub fn is_private(self) -> bool {
        self.is_private
    }
}

/// Whether every user of the machine may read the file.
pub fn others_may_read(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| bits(&there) & READ != 0)
}

const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
/// The sticky bit of a folder: only the owner of a file can rename or remove it.
const STICKY: u32 = 0o1000;

/// The permissions of other users.
fn bits(there: &Metadata) -> u32 {
    there.permissions().mode() & 0o7
}

/// What other users can do and should not, a line for each file and folder. Missing files are
/// skipped, because their readers report them.
pub fn warnings(files: &[NamedFile]) -> Vec<String> {
    let mut warned = HashSet::new();
    // Several keys may name the same file, such as a certificate with its key.
    let mut by_rank: Vec<&NamedFile> = files.iter().collect();
    by_rank.sort_by_key(|file| file.is.others != Others::Nothing);
    let found = by_rank
        .into_iter()
        .filter_map(|file| Some((&file.path, of_file(file)?)));
    let mut lines: Vec<String> = found
        .filter(|(path, _)| warned.insert(path.to_owned()))
        .map(|(_, line)| line)
        .collect();
    lines.extend(
        files
            .iter()
            .filter(|file| file.is == Use::STORE)
            .flat_map(of_store),
    );
    lines.extend(of_folders(files));
    lines
}

fn of_file(file: &NamedFile) -> Option<String> {
    let there = fs::metadata(&file.path)
        .ok()
        .filter(|there| there.is_file() || there.is_dir())?;
    let NamedFile { key, path, is, .. } = file;
    let (done, option) = match (is.others, bits(&there) & (READ | WRITE)) {
        (Others::Nothing, READ) => ("read", "o-r"),
        (Others::Nothing, WRITE) | (Others::Read, WRITE) => ("change", "o-w"),
        (Others::Nothing, both) if both != 0 => ("read and change", "o-rw"),
        (Others::Read, both) if both & WRITE != 0 => ("change", "o-w"),
        _ => return None,
    };
    let path = path.display();
    Some(format!(
        "{key}: {path} is {} that every user can {done}; close it with `chmod {option} {path}`",
        is.what
    ))
}

/// Files in the store whose permissions were widened after the gateway wrote them.
fn of_store(store: &NamedFile) -> Vec<String> {
    // An open order is stored with its private key. What was damaged has a longer name.
    let keys = ["key.pem", "privkey.pem", "order.json"];
    let is_key = |path: &Path| {
        let name = path.file_name().map(OsStr::as_encoded_bytes);
        name.is_some_and(|name| keys.iter().any(|key| name.starts_with(key.as_bytes())))
    };
    let of = |path: PathBuf| {
        let is = if is_key(&path) {
            Use::KEY
        } else {
            Use {
                what: "a part of the certificate store",
                ..Use::STORE
            }
        };
        of_file(&NamedFile::new(&store.key, &path, is))
    };
    below(&store.path).into_iter().filter_map(of).collect()
}

/// More than a store has.
const MOST_ENTRIES: usize = 10_000;

/// The contents of a folder and its subfolders, up to a limit. Links are not followed.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut at) = (Vec::new(), 0);
    let entries = |folder: &Path| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
    };
    found.extend(entries(folder).take(MOST_ENTRIES));
    while let Some(entry) = found.get(at).filter(|_| found.len() < MOST_ENTRIES) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let room = MOST_ENTRIES - found.len();
            let more: Vec<_> = entries(&entry.path()).take(room).collect();
            found.extend(more);
        }
        at += 1;
    }
    let is_link = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
    found
        .into_iter()
        .filter(|entry| !is_link(entry))
        .map(|entry| entry.path())
        .collect()
}

/// Each folder once, with the keys of the files that could be replaced in it.
fn of_folders(files: &[NamedFile]) -> Vec<String> {
    let mut open: Vec<(PathBuf, Vec<&str>)> = Vec::new();
    for file in files {
        for folder in open_folders(file) {
            match open.iter_mut().find(|(known, _)| *known == folder) {
                Some((_, keys)) => keys.push(&file.key),
                None => open.push((folder, vec![&file.key])),
            }
        }
    }
    open.iter()
        .map(|(folder, keys)| of_folder(folder, keys))
        .collect()
}

/// The folders in which other users can put another file in place of this one, or, with a
/// control socket, make it first.
fn open_folders(file: &NamedFile) -> Vec<PathBuf> {
    let mut folders = on_the_way(&file.path);
    let last = folders.last().cloned();
    let is_made = file.is == Use::CONTROL_SOCKET;
    folders.retain(|folder| match fs::metadata(folder) {
        Ok(there) if is_made && last.as_ref() == Some(folder) => bits(&there) & WRITE != 0,
        found => found.is_ok_and(|there| is_open(&there)),
    });
    folders
}

/// Whether other users can have a socket of their own at the path of a control socket.
pub fn others_may_listen(path: &Path) -> bool {
    !open_folders(&NamedFile::new("", path, Use::CONTROL_SOCKET)).is_empty()
}

fn of_folder(folder: &Path, keys: &[&str]) -> String {
    let is_shared = fs::metadata(folder).is_ok_and(|there| !is_open(&there));
    let folder = folder.display();
    if is_shared {
        return format!(
            "{}: every user can write in the folder {folder} and so have a socket there first; \
             put it into a folder where only the gateway's user can write",
            keys[0]
        );
    }
    let mut others: Vec<&str> = keys[1..]
        .iter()
        .copied()
        .filter(|key| *key != keys[0])
        .collect();
    others.dedup();
    let more = match others.as_slice() {
        [] => String::new(),
        few if few.len() <= 3 => format!(", as those of {}", few.join(", ")),
        many => format!(
            ", as those of {} and {} more keys",
            many[..2].join(", "),
            many.len() - 2
        ),
    };
    format!(
        "{}: every user can change the folder {folder} and so put another file in place of \
         this one{more}; close it \
         with `chmod o-w {folder}`",
        keys[0]
    )
}

/// Whether other users can rename files in a folder that are not theirs.
fn is_open(folder: &Metadata) -> bool {
    bits(folder) & WRITE != 0 && folder.permissions().mode() & STICKY == 0
}

/// More symbolic links than the system follows.
const MOST_LINKS: usize = 40;

/// The folders on the way to a file: those of its path, and those of each link in it.
fn on_the_way(path: &Path) -> Vec<PathBuf> {
    let Ok(absolute) = std::path::absolute(path) else {
        return Vec::new();
    };
    let (mut passed, mut links) = (Vec::new(), 0);
    let mut at = PathBuf::from("/");
    let mut left = names(&absolute);
    while let Some(name) = left.pop() {
        if name == ".." {
            // `at` contains no links.
            at.pop();
            continue;
        }
        if !passed.contains(&at) {
            passed.push(at.clone());
        }
        let next = at.join(&name);
        match fs::read_link(&next) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                left.extend(names(&target));
            }
            _ => at = next,
        }
    }
    passed
}

/// The components of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let is_name =
        |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components()
        .filter(is_name)
        .map(|part| part.as_os_str().to_owned())
        .rev()
        .collect()
}

/// Whether two paths are one file, also by links.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino())).ok();
    real(one) == real(other) || id(one).is_some_and(|one| id(other) == Some(one))
}

/// The existing part of a path with its links resolved, followed by the part that does not exist.
pub fn real(path: &Path) -> PathBuf {
    let Ok(absolute) = std::path::absolute(path) else {
        return path.to_owned();
    };
    let mut missing = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(mut real) = there.canonicalize() {
            real.extend(missing.iter().rev());
            return real;
        }
        let (Some(above), Some(name)) = (there.parent(), there.file_name()) else {
            return absolute;
        };
        missing.push(name.to_owned());
        there = above;
    }
}

#[cfg(test)]
mod tests;
