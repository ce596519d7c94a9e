//! NGINX's files, as its own reader wants them.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Unread};
use super::place::Place;
use crate::nginx;

/// No configuration is larger.
const LARGEST: u64 = 1 << 20;

/// Reads below the root, and remembers what was read and what was not.
pub(super) struct Reader<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) read: RefCell<Vec<(String, Result<(), Unread>)>>,
}

impl Reader<'_> {
    /// The names in a folder. One that cannot be read is remembered: what it holds is not known.
    fn names(&self, folder: &str) -> Vec<String> {
        let names = self.files.list(folder);
        if let Err(why) = names {
            self.read.borrow_mut().push((folder.to_owned(), Err(why)));
        }
        names.unwrap_or_default()
    }
}

impl nginx::Files for Reader<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        let path = path.to_string_lossy().into_owned();
        let result = self.files.read(&path, LARGEST);
        let outcome = result.as_ref().map(|_| ()).map_err(|why| *why);
        self.read.borrow_mut().push((path, outcome));
        let text = result.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        text.map_err(|why| match why {
            Unread::Missing => io::ErrorKind::NotFound.into(),
            Unread::Denied => io::ErrorKind::PermissionDenied.into(),
            _ => io::Error::other("it cannot be read"),
        })
    }

    fn find(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![String::new()];
        for part in pattern
            .to_string_lossy()
            .split('/')
            .filter(|part| !part.is_empty())
        {
            let below = |folder: &String| match part.contains(['*', '?', '[']) {
                false => vec![format!("{folder}/{part}")],
                true => {
                    let names = self.names(folder);
                    let fitting = names.into_iter().filter(|name| fits(part, name));
                    fitting.map(|name| format!("{folder}/{name}")).collect()
                }
            };
            found = found.iter().flat_map(below).collect();
        }
        found.retain(|path| self.files.look(path).is_some());
        found.into_iter().map(PathBuf::from).collect()
    }
}

/// Whether a name fits a pattern with `*` and `?`. Sets of characters are rare and not known.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    if name.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    let (mut at, mut to, mut star) = (0, 0, None);
    while to < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, to));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[to] => (at, to) = (at + 1, to + 1),
            _ => match star {
                Some((before, from)) => {
                    star = Some((before, from + 1));
                    (at, to) = (before + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// A place of the other kind.
pub(super) fn place(of: &nginx::Place) -> Place {
    Place {
        file: Arc::from(of.file.to_string_lossy()),
        line: of.line,
        column: of.column,
    }
}

/// The place in an error: `file:line:column`.
pub(super) fn place_in(text: &str) -> Option<Place> {
    let (rest, column) = text.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some(Place {
        file: Arc::from(file),
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}
