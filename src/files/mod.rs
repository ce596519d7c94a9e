//! Files on disk: a folder or one file behind a route.
//!
//! This module maps paths to files and rejects requests; [`folder`](self) opens the files, and
//! tower-http handles ranges, conditional requests, content types and precompressed siblings. Three
//! things that it lacks are added: `If-Range`, that a `Range` in another unit, with HEAD or of an
//! empty file is ignored, and that the last bytes of a shorter file are all of it.
//!
//! 1. A path is percent-decoded exactly once, and is the name of one file or of none.
//! 2. Names that begin with a dot are not served, folders are not listed, and only regular files
//!    are opened.
//! 3. The gateway's own configuration, keys and secrets are not served, whatever path leads to
//!    them.
//! 4. A body is as long as its head announced. If the file shrinks meanwhile, the response is cut
//!    off, which the client notices.

mod body;
mod folder;
mod guard;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use tower_http::services::ServeDir;

use crate::route::files::FilesSpec;
use crate::route::path::PathPrefix;
use crate::route::{RouteTable, Target};
pub use body::FileBody;
use folder::{Folder, off_thread};
use guard::Guarded;
pub use guard::{Guard, Overlap, overlaps};

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
        Ok(Found::File(Shown { folder, target }))
    }
}

/// The number of bytes that are read ahead for each client.
const CHUNK: usize = 16 * 1024;

/// One file to be served.
struct Shown {
    folder: Folder,
    /// The path below the folder, encoded.
    target: String,
}

impl Shown {
    async fn answer<B>(&self, request: &Request<B>) -> io::Result<Response<FileBody>> {
        let mut asked = self.conditions(request);
        let mut response = self.call(&asked).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && asks_for_last(&asked) {
            // RFC 9110, section 14.1.2.
            let all = HeaderValue::from_static("bytes=0-");
            asked.headers_mut().insert(header::RANGE, all);
            response = self.call(&asked).await?;
        }
        let is_ranged = matches!(
            response.status(),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
        );
        if is_ranged
            && (is_empty_part(&response) || !if_range_holds(request.headers(), response.headers()))
        {
            let mut whole = asked;
            whole.headers_mut().remove(header::RANGE);
            response = self.call(&whole).await?;
        }
        if response.status() == StatusCode::NOT_FOUND {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.describe(response.headers_mut());
        if response.status() == StatusCode::NOT_MODIFIED {
            // tower-http sets it only on complete responses (RFC 9110, section 15.4.5).
            response
                .headers_mut()
                .entry(header::VARY)
                .or_insert(HeaderValue::from_static("accept-encoding"));
        }
        let is_head = request.method() == Method::HEAD;
        Ok(response.map(|body| if is_head { FileBody::empty() } else { body }))
    }

    /// The headers of the request that the response depends on.
    fn conditions<B>(&self, request: &Request<B>) -> Request<()> {
        const TAKEN: [HeaderName; 5] = [
            header::ACCEPT_ENCODING,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_UNMODIFIED_SINCE,
        ];
        let mut asked = Request::new(());
        request.method().clone_into(asked.method_mut());
        // It was part of a URI, or consists of characters that are valid in one.
        *asked.uri_mut() = self.target.parse().unwrap_or_default();
        for name in TAKEN {
            for value in request.headers().get_all(&name) {
                asked.headers_mut().append(&name, value.clone());
            }
        }
        let is_bytes = |range: &&HeaderValue| {
            range
                .as_bytes()
                .split_at_checked(6)
                .is_some_and(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes="))
        };
        let range = request.headers().get(header::RANGE).filter(is_bytes);
        if let Some(range) = range.filter(|_| request.method() == Method::GET) {
            asked.headers_mut().insert(header::RANGE, range.clone());
        }
        asked
    }

    async fn call(&self, asked: &Request<()>) -> io::Result<Response<FileBody>> {
        let mut library = ServeDir::with_backend("", self.folder.clone())
            .append_index_html_on_directories(false)
            .with_buf_chunk_size(CHUNK)
            .ignore_multi_range_requests(true)
            .precompressed_br()
            .precompressed_zstd()
            .precompressed_gzip();
        let response = library.try_call(asked.clone()).await?;
        let (parts, body) = response.into_parts();
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let body = match length {
            Some(length) if asked.method() == Method::GET => FileBody::new(body, length),
            _ => FileBody::empty(),
        };
        Ok(Response::from_parts(parts, body))
    }

    fn describe(&self, headers: &mut HeaderMap) {
        // An outdated page would request scripts that no longer exist.
        if self.target.ends_with(".html") || self.target.ends_with(".htm") {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        let Some(kind) = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
        else {
            return;
        };
        if kind.starts_with("text/")
            && !kind.contains(';')
            && let Ok(kind) = HeaderValue::try_from(format!("{kind}; charset=utf-8"))
        {
            headers.insert(header::CONTENT_TYPE, kind);
        }
    }
}

/// Whether it is a part of an empty file, which no range can describe.
fn is_empty_part<B>(response: &Response<B>) -> bool {
    let length = response.headers().get(header::CONTENT_LENGTH);
    response.status() == StatusCode::PARTIAL_CONTENT && length.is_some_and(|length| length == "0")
}

/// Whether the range is a number of bytes at the end, and not none.
fn asks_for_last(request: &Request<()>) -> bool {
    let range = request.headers().get(header::RANGE);
    let range = range.and_then(|range| range.to_str().ok()?.split_once('='));
    let count = range.and_then(|(_, range)| range.trim().strip_prefix('-'));
    count.is_some_and(|count| {
        count.bytes().all(|b| b.is_ascii_digit()) && count.bytes().any(|b| b != b'0')
    })
}

/// A range of another version than the client has would not fit (RFC 9110, section 13.1.5).
fn if_range_holds(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else {
        return true;
    };
    [header::ETAG, header::LAST_MODIFIED]
        .iter()
        .any(|name| answer.get(name) == Some(condition))
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
    let look = |route: &crate::route::Route| {
        let Target::Files(spec) = &route.target else {
            return None;
        };
        let root = spec.root.display();
        let problem = match std::fs::metadata(&spec.root) {
            Ok(metadata) if metadata.is_dir() || metadata.is_file() => return None,
            Ok(_) => "is neither a folder nor a file".to_owned(),
            Err(error) => format!("cannot be found: {error}"),
        };
        Some(format!(
            "route {}: files {root} {problem}; every request gets 404 meanwhile",
            route.path
        ))
    };
    routes.routes().iter().filter_map(look).collect()
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
    fn new(spec: &FilesSpec, below: &str, error: io::Error) -> Self {
        let path = || spec.root.join(relative(below).unwrap_or_default());
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
