//! The files that a configuration names, each by what it is, and what other users of this machine
//! may do with it.
//!
//! *Other users* are those that neither own a file nor are in its group: letting a group in is a
//! choice, and how coturn or Prosody share a key with the gateway. A file is as safe as the folders
//! that lead to it: who may change one of those can put another file in its place.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// A file or folder that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The key that names it, such as `turn.coturn.secret_file`.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub is: Use,
    /// Whether a change of the file takes effect while the gateway runs.
    pub is_watched: bool,
}

impl NamedFile {
    /// A file that is read at a start and a reload only, or that is not read at all.
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

/// What a file is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// With its article, in the middle of a sentence.
    what: &'static str,
    /// What other users may do with it.
    others: Others,
    /// Whether it must never be shown to clients.
    is_private: bool,
}

/// What other users of the machine may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// They must not even read it.
    Nothing,
    /// They must not change it.
    Read,
    /// Its permissions are the business of the server that uses it; only its place must be safe.
    Anything,
}

impl Use {
    /// `gateway.toml` itself. Secrets that are written in it are looked at by who reads it.
    pub const CONFIGURATION: Self = Self::new("the configuration", Others::Read, true);
    /// A private key.
    pub const KEY: Self = Self::new("a private key", Others::Nothing, true);
    /// A secret or password.
    pub const SECRET: Self = Self::new("a secret", Others::Nothing, true);
    /// Keys that clients show.
    pub const API_KEYS: Self = Self::new("a list of API keys", Others::Nothing, true);
    /// The folder of the accounts, certificates and keys that are ordered.
    pub const STORE: Self = Self::new("the certificate store", Others::Read, true);
    /// A private key that `[[deploy]]` writes for another server, with the permissions that it
    /// says.
    pub const DEPLOYED_KEY: Self =
        Self::new("a private key for another server", Others::Anything, true);
    /// Anything else that `[[deploy]]` writes.
    pub const DEPLOYED: Self =
        Self::new("a certificate for another server", Others::Anything, false);
    /// A certificate that is served.
    pub const CERTIFICATE: Self = Self::new("a certificate", Others::Read, false);
    /// Whom the gateway trusts as a client of others.
    pub const CA: Self = Self::new("a file of CAs to trust", Others::Read, false);
    /// Public keys, by which tokens are verified.
    pub const PUBLIC_KEYS: Self = Self::new("a file of keys to trust", Others::Read, false);
    /// Tokens and subjects that are not let in any more.
    pub const REVOKED: Self = Self::new("a list of revoked tokens", Others::Read, true);
    /// The number of a process that is sent signals.
    pub const PID_FILE: Self = Self::new("a pid file", Others::Read, false);
    /// A program that the gateway runs.
    pub const PROGRAM: Self = Self::new("a program that the gateway runs", Others::Read, false);
    /// What clients are shown.
    pub const CONTENT: Self = Self::new("what clients are shown", Others::Read, false);
    /// A socket of an upstream.
    pub const SOCKET: Self = Self::new("a socket", Others::Anything, false);

    const fn new(what: &'static str, others: Others, is_private: bool) -> Self {
        Self {
            what,
            others,
            is_private,
        }
    }

    /// Whether it must never be shown to clients.
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
/// Of a folder's mode: only its owner may rename or remove another user's file.
const STICKY: u32 = 0o1000;

/// What the mode gives to everybody.
fn bits(there: &Metadata) -> u32 {
    there.permissions().mode() & 0o7
}

/// What other users may do and should not, a line for each file and for each folder. What is not
/// there is passed over: who needs the file says so.
pub fn warnings(files: &[NamedFile]) -> Vec<String> {
    let mut warned = HashSet::new();
    // Several keys may name one file: as a certificate, and as its key.
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

/// Of what was written into the store by the gateway, which closes it, and was opened by somebody
/// since.
fn of_store(store: &NamedFile) -> Vec<String> {
    // An order that is open is kept with its key; what was damaged may hold one too.
    let keys = ["key.pem", "privkey.pem", "order.json", "order.json.damaged"];
    let is_key = |path: &Path| {
        path.file_name()
            .is_some_and(|name| keys.iter().any(|key| name == *key))
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

/// More than any store has.
const MOST_ENTRIES: usize = 10_000;

/// What lies in a folder and in those below it; links are not followed, and not everything of a
/// boundless folder is found.
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

/// Each folder once, with the keys of the files that could be replaced through it.
fn of_folders(files: &[NamedFile]) -> Vec<String> {
    let mut open: Vec<(PathBuf, Vec<&str>)> = Vec::new();
    for file in files {
        for folder in on_the_way(&file.path)
            .into_iter()
            .filter(|folder| is_open(folder))
        {
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

fn of_folder(folder: &Path, keys: &[&str]) -> String {
    let folder = folder.display();
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
        "{}: every user can change the folder {folder} and so put another file in the place of \
         this one{more}; close it \
         with `chmod o-w {folder}`",
        keys[0]
    )
}

/// Where other users can rename what is not theirs.
fn is_open(folder: &Path) -> bool {
    fs::metadata(folder)
        .is_ok_and(|there| bits(&there) & WRITE != 0 && there.permissions().mode() & STICKY == 0)
}

/// More links than the system follows.
const MOST_LINKS: usize = 40;

/// The folders in which a name is looked up on the way to the file: those of its path, and those of
/// each link in it.
fn on_the_way(path: &Path) -> Vec<PathBuf> {
    let Ok(absolute) = std::path::absolute(path) else {
        return Vec::new();
    };
    let (mut passed, mut links) = (Vec::new(), 0);
    let mut at = PathBuf::from("/");
    let mut left = names(&absolute);
    while let Some(name) = left.pop() {
        if name == ".." {
            // `at` has no links in it.
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

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let is_name =
        |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components()
        .filter(is_name)
        .map(|part| part.as_os_str().to_owned())
        .rev()
        .collect()
}

/// A path without links as far as it is there, and what is not there behind that.
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
