//! The users of a file of passwords, and which passwords were right.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::hash::Kind;
use crate::clock;
use crate::token::issuer::Tag;

/// How long a password that was right is not computed again.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The most passwords that are remembered.
const MOST: usize = 4096;

/// The users of a file. Read again, the file makes another one, which remembers no password.
pub struct Users {
    path: PathBuf,
    by_name: HashMap<Box<str>, Hashed>,
    /// The same in the order of the file.
    all: Box<[Hashed]>,
    /// Keyed hashes of names with passwords that were right, and since when.
    verified: Mutex<HashMap<Tag, Instant>>,
}

/// A hash as it stands in the file.
#[derive(Clone)]
pub(super) struct Hashed {
    pub(super) kind: Kind,
    pub(super) text: Arc<str>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("path", &self.path)
            .field("users", &self.by_name.len())
            .finish_non_exhaustive()
    }
}

impl Users {
    pub(super) fn new(path: &Path, users: Vec<(Box<str>, Hashed)>) -> Self {
        Self {
            path: path.to_owned(),
            all: users.iter().map(|(_, hashed)| hashed.clone()).collect(),
            by_name: users.into_iter().collect(),
            verified: Mutex::default(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a user still has the password with this hash.
    pub fn has(&self, name: &str, hash: &str) -> bool {
        self.find(name).is_some_and(|found| *found.text == *hash)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Hashed> {
        self.by_name.get(name)
    }

    /// The hash that an unknown name is compared with: it takes as long as that of a user, and the
    /// same name gets the same one.
    pub(super) fn instead(&self, tag: Tag) -> &Hashed {
        let number = u64::from_le_bytes([
            tag[0], tag[1], tag[2], tag[3], tag[4], tag[5], tag[6], tag[7],
        ]);
        let count = self.all.len() as u64;
        &self.all[usize::try_from(number % count).unwrap_or_default()]
    }

    /// Whether a name with this password was right a short time ago.
    pub(super) fn was_right(&self, tag: &Tag) -> bool {
        let since = self.verified.lock().get(tag).copied();
        since.is_some_and(|since| clock::monotonic().duration_since(since) < LIFETIME)
    }

    /// Remembers a name with its password.
    pub(super) fn note_right(&self, tag: Tag) {
        let now = clock::monotonic();
        let mut verified = self.verified.lock();
        if verified.len() >= MOST {
            verified.retain(|_, since| now.duration_since(*since) < LIFETIME);
        }
        if verified.len() >= MOST {
            verified.clear();
        }
        verified.insert(tag, now);
    }
}
