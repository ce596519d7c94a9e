//! Files on disk: a folder or one file behind a route.
//!
//! This module maps paths to files and rejects requests; [`folder`](self) opens the files, and
//! [`shown`](self) answers with one. [`fallback`] is the page for a path that has no file.
//!
//! 1. A path is percent-decoded exactly once, and is the name of one file or of none.
//! 2. Names that begin with a dot are not served, folders are not listed, and only regular files
//!    are opened.
//! 3. The gateway's own configuration, keys and secrets are not served, whatever path leads to
//!    them.
//! 4. A body is as long as its head announced. If the file shrinks meanwhile, the response is cut
//!    off, which the client notices.

mod body;
mod compress;
mod fallback;
mod folder;
mod guard;
mod shown;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};

use crate::route::files::{FilesSpec, PageFile};
use crate::route::path::PathPrefix;
use crate::route::{Route, RouteTable, Target};
pub use body::FileBody;
pub use fallback::fallback;
use folder::{Folder, off_thread};
use guard::Guarded;
pub use guard::{Guard, Overlap, overlaps};
use shown::Shown;

/// The response of tower-http.
const INDEX: &str = "index.html";

/// Answers a request below the route. Its path is normalised.
///
/// # Errors
/// Why no file is served.
pub async fn serve<B>(
    request: &Request<B>,
    spec: &FilesSpec,
    route: &PathPrefix,
    guard: &Arc<Guard>,
) -> Result<Response<FileBody>, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::Method);
    }
    let below = request
        .uri()
        .path()
        .strip_prefix(route.as_str())
        .ok_or(Error::NotFound)?;
    let path = relative(below).ok_or(Error::NotFound)?;
    let asked = Asked {
        spec: spec.clone(),
        guard: Arc::clone(guard),
        path,
        below: below.to_owned(),
    };
    let is_index_of_root = below.is_empty() || (below == "/" && route.as_str().is_empty());
    let found = off_thread(move || asked.find(is_index_of_root)).await;
    match found.map_err(|error| Error::new(spec, below, error))? {
        Found::File(shown) => shown
            .answer(request)
            .await
            .map_err(|error| Error::new(spec, below, error)),
        Found::Folder => to_folder(request.uri()),
    }
}

/// The path below the root folder, of a path below the route; `None` if no file can have it.
fn relative(below: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for segment in below.split('/').filter(|segment| !segment.is_empty()) {
        let name = decode(segment)?;
        // Normalised paths have neither, but here it would be dangerous if they had.
        let is_name = !name.starts_with('.')
            && !name
                .bytes()
                .any(|b| matches!(b, b'/' | b'\\' | 0..=0x1f | 0x7f));
        if !is_name {
            return None;
        }
        path.push(name);
    }
    Some(path)
}

fn decode(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Encodes a file name as one segment of a path.
fn encode(name: &str) -> String {
    let mut out = String::from("/");
    for byte in name.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A request for a file.
struct Asked {
    spec: FilesSpec,
    guard: Arc<Guard>,
    /// The path below the route: empty, or beginning with a slash.
    below: String,
    /// The path below the root folder.
    path: PathBuf,
}

enum Found {
    File(Shown),
    /// A folder that was requested without a slash: relative links in its index page would be
    /// wrong.
    Folder,
}

impl Asked {
    fn find(self, is_index_of_root: bool) -> io::Result<Found> {
        let root = &self.spec.root;
        if std::fs::metadata(root)?.is_file() {
            // The configuration names this file, even if it is a link; links of siblings are not
            // included.
            let real = if self.spec.follow_symlinks {
                root.clone()
            } else {
                root.canonicalize()?
            };
            let name = real
                .file_name()
                .and_then(|name| name.to_str())
                .filter(|_| is_index_of_root);
            let name = name.ok_or(io::ErrorKind::NotFound)?;
            let parent = real.parent().unwrap_or(Path::new(""));
            let folder = Folder::new(parent, self.spec.follow_symlinks, self.guard);
            return Ok(Found::File(Shown {
                folder,
                target: encode(name),
                compress: self.spec.compress,
            }));
        }
        let folder = Folder::new(root, self.spec.follow_symlinks, self.guard);
        let is_dir = folder.look(&self.path)?.is_dir();
        let target = match (is_dir, self.below.ends_with('/')) {
            (true, false) => return Ok(Found::Folder),
            (false, true) => return Err(io::ErrorKind::NotFound.into()),
            (true, true) if folder.look(&self.path.join(INDEX))?.is_file() => self.below + INDEX,
            (true, true) => return Err(io::ErrorKind::NotFound.into()),
            (false, false) => self.below,
        };
        let compress = self.spec.compress;
        Ok(Found::File(Shown {
            folder,
            target,
            compress,
        }))
    }
}

/// A redirect to the folder, relative to the host and port that the client uses.
fn to_folder(uri: &Uri) -> Result<Response<FileBody>, Error> {
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let location =
        HeaderValue::try_from(format!("{}/{query}", uri.path())).map_err(|_| Error::NotFound)?;
    let mut response = Response::new(FileBody::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The files and folders of routes that do not exist, a line each. Only a warning, since they may
/// be mounted later.
pub fn missing(routes: &RouteTable) -> Vec<String> {
    let look = |route: &Route| {
        let Target::Files(spec) = &route.target else {
            return Vec::new();
        };
        let root = spec.root.display();
        let problem = match std::fs::metadata(&spec.root) {
            Ok(metadata) if metadata.is_dir() => return missing_pages(route, spec),
            Ok(metadata) if metadata.is_file() => return pages_of_a_file(route, spec),
            Ok(_) => "is neither a folder nor a file".to_owned(),
            Err(error) => format!("cannot be found: {error}"),
        };
        vec![format!(
            "route {}: files {root} {problem}; every request gets 404 meanwhile",
            route.path
        )]
    };
    routes.routes().iter().flat_map(look).collect()
}

fn missing_pages(route: &Route, spec: &FilesSpec) -> Vec<String> {
    let pages = [("spa", &spec.spa), ("error_pages.404", &spec.not_found)];
    let look = |(key, page): (&str, &Option<PageFile>)| {
        let file = spec.root.join(page.as_ref()?.path());
        let is_file = std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file());
        (!is_file).then(|| {
            format!(
                "route {}: the file of {key}, {}, cannot be found; paths without a file get the \
                 gateway's own 404 meanwhile",
                route.path,
                file.display()
            )
        })
    };
    pages.into_iter().filter_map(look).collect()
}

fn pages_of_a_file(route: &Route, spec: &FilesSpec) -> Vec<String> {
    let has_pages = spec.spa.is_some() || spec.not_found.is_some();
    let text = || {
        format!(
            "route {}: files {} is one file, and spa and error_pages name files of a folder; they \
             have no effect",
            route.path,
            spec.root.display()
        )
    };
    has_pages.then(text).into_iter().collect()
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The method is not GET or HEAD.
    #[error("files are only read")]
    Method,
    /// There is no such file, or it may not be served.
    #[error("no such file")]
    NotFound,
    /// The gateway has no permission to read the file. The client gets 404.
    #[error("{} may not be read", .0.display())]
    Forbidden(PathBuf, #[source] io::Error),
    /// The path leads to a secret of the gateway. The client gets 404.
    #[error("{} must not be shown", .0.display())]
    Private(PathBuf, #[source] io::Error),
    /// The disk failed, or too many files are open.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
}

impl Error {
    /// Whether the client cannot tell it from a file that is not there.
    pub fn is_shown_as_not_found(&self) -> bool {
        matches!(
            self,
            Self::NotFound | Self::Forbidden(..) | Self::Private(..)
        )
    }

    fn new(spec: &FilesSpec, below: &str, error: io::Error) -> Self {
        Self::at(
            || spec.root.join(relative(below).unwrap_or_default()),
            error,
        )
    }

    fn at(path: impl FnOnce() -> PathBuf, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            _ if error.get_ref().is_some_and(|inner| inner.is::<Guarded>()) => {
                Self::Private(path(), error)
            }
            io::ErrorKind::PermissionDenied => Self::Forbidden(path(), error),
            _ => Self::Unreadable(path(), error),
        }
    }
}

#[cfg(test)]
mod tests;
