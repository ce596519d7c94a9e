//! Protects the gateway's own configuration, keys, secrets and certificate store, which no route
//! may serve.
//!
//! A folder that contains one of them is an error ([`overlaps`]). Other ways to them, such as a
//! link that is added while the gateway runs, are found when a file is opened ([`Guard`]): by its
//! identity, not by its name.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::clock;
use crate::exposure::{self, NamedFile, Use};
use crate::route::{RouteTable, Target};

/// How long the identities of the protected files are cached. A file that is replaced within that
/// time is recognized by its path.
const FRESH: Duration = Duration::from_secs(1);

/// The protected files, with their cached identities.
#[derive(Debug)]
pub struct Guard {
    files: Vec<NamedFile>,
    seen: ArcSwap<Seen>,
}

/// The identities of the protected files at one time.
#[derive(Debug)]
struct Seen {
    at: Instant,
    /// By device and inode, which are the same for links of any kind and for other mounts. The
    /// value is an index into the files.
    ids: HashMap<(u64, u64), usize>,
    /// The path of each file, even if it does not exist.
    paths: Vec<PathBuf>,
}

/// A request for a protected file. This is the error inside an [`io::Error`].
#[derive(Clone, Debug, thiserror::Error)]
#[error("it is private: {key} of the gateway's configuration names it")]
pub(super) struct Guarded {
    key: String,
}

impl Guard {
    /// Protects those files that are private.
    pub fn new(files: Vec<NamedFile>) -> Arc<Self> {
        let files: Vec<NamedFile> = files
            .into_iter()
            .filter(|file| file.is.is_private())
            .collect();
        let seen = ArcSwap::from_pointee(look(&files));
        Arc::new(Self { files, seen })
    }

    /// Whether an open file may be served. Otherwise the error is `PermissionDenied` with a
    /// [`Guarded`].
    pub(super) fn admit(&self, file: &File, metadata: &Metadata) -> io::Result<()> {
        let seen = self.seen();
        let found = seen
            .ids
            .get(&(metadata.dev(), metadata.ino()))
            .copied()
            .or_else(|| self.by_path(&seen, file));
        match found {
            None => Ok(()),
            Some(at) => {
                let key = self.files[at].key.clone();
                Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    Guarded { key },
                ))
            }
        }
    }

    /// Compares the real path of the file. Without `/proc` that is not available, and the identity
    /// must be enough.
    fn by_path(&self, seen: &Seen, file: &File) -> Option<usize> {
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        let is_it = |(at, private): (usize, &PathBuf)| match self.files[at].is == Use::STORE {
            true => path.starts_with(private),
            false => path == *private,
        };
        seen.paths.iter().enumerate().position(is_it)
    }

    fn seen(&self) -> arc_swap::Guard<Arc<Seen>> {
        let seen = self.seen.load();
        if seen.at.elapsed() < FRESH {
            return seen;
        }
        self.seen.store(Arc::new(look(&self.files)));
        self.seen.load()
    }
}

fn look(files: &[NamedFile]) -> Seen {
    let at = clock::monotonic();
    let mut ids = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let below = if file.is == Use::STORE {
            exposure::below(&file.path)
        } else {
            Vec::new()
        };
        for path in below.iter().chain([&file.path]) {
            if let Ok(there) = fs::metadata(path) {
                ids.insert((there.dev(), there.ino()), index);
            }
        }
    }
    Seen {
        at,
        ids,
        paths: files
            .iter()
            .map(|file| exposure::real(&file.path))
            .collect(),
    }
}

/// A route that would serve secrets of the gateway.
#[derive(Debug, thiserror::Error)]
#[error(
    "route {route}: files {} {problem}; put what is to be shown into a folder of its own",
    root.display()
)]
pub struct Overlap {
    route: String,
    root: PathBuf,
    problem: String,
}

/// All routes with files whose folder is `/`, or contains, is, or is inside of something private.
pub fn overlaps(routes: &RouteTable, files: &[NamedFile]) -> Vec<Overlap> {
    let private: Vec<&NamedFile> = files.iter().filter(|file| file.is.is_private()).collect();
    let overlap = |route: &crate::route::Route| {
        let Target::Files(spec) = &route.target else {
            return None;
        };
        let problem = problem(&spec.root, &private)?;
        Some(Overlap {
            route: route.path.to_string(),
            root: spec.root.clone(),
            problem,
        })
    };
    routes.routes().iter().filter_map(overlap).collect()
}

fn problem(root: &Path, private: &[&NamedFile]) -> Option<String> {
    let places = places(root);
    if places.iter().any(|place| place.parent().is_none()) {
        return Some("is the whole machine, with all of its secrets".to_owned());
    }
    let mut shown: Vec<String> = Vec::new();
    for file in private.iter().filter(|file| shows(root, &places, file)) {
        let text = format!("{} ({})", file.path.display(), file.key);
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    let more = shown.len().saturating_sub(MOST_NAMED);
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.truncate(MOST_NAMED);
    (!shown.is_empty())
        .then(|| format!("would show what is private: {}{and_more}", shown.join(", ")))
}

/// The most private files that one message lists.
const MOST_NAMED: usize = 3;

/// The path as written, and with its links resolved.
fn places(path: &Path) -> Vec<PathBuf> {
    let written = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in written.components() {
        match part {
            std::path::Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    vec![plain, exposure::real(path)]
}

fn shows(root: &Path, roots: &[PathBuf], file: &NamedFile) -> bool {
    let id = |path: &Path| {
        fs::metadata(path)
            .ok()
            .map(|there| (there.dev(), there.ino()))
    };
    let is_same = id(root).is_some_and(|root| id(&file.path) == Some(root));
    let pairs = || {
        places(&file.path)
            .into_iter()
            .flat_map(|file| roots.iter().map(move |root| (file.clone(), root)))
    };
    let contains = pairs().any(|(file, root)| file.starts_with(root));
    let lies_in = file.is == Use::STORE && pairs().any(|(store, root)| root.starts_with(&store));
    is_same || contains || lies_in
}
