//! Pages for paths that have no file: the page of an application whose paths exist in the browser
//! only, and a page of one's own with status 404.

use std::io;
use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::{Method, Request, Response, StatusCode};

use super::folder::{Folder, off_thread};
use super::shown::Shown;
use super::{Error, FileBody, Guard, encode};
use crate::route::files::{FilesSpec, PageFile};

/// The page that the route shows for a path without a file, if it has one for this request.
///
/// # Errors
/// If the page itself cannot be served.
pub async fn fallback<B>(
    request: &Request<B>,
    spec: &FilesSpec,
    guard: &Arc<Guard>,
) -> Option<Result<Response<FileBody>, Error>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let is_of_app = is_of_app(request.uri().path());
    let (page, shown) = match (&spec.spa, &spec.not_found) {
        (Some(page), _) if is_of_app => (page, show(request, spec, page, guard).await),
        (_, Some(page)) => {
            let shown = show(&plain(request), spec, page, guard).await;
            (page, shown.map(not_found))
        }
        _ => return None,
    };
    Some(shown.map_err(|error| Error::at(|| spec.root.join(page.path()), error)))
}

/// Whether an application may have the path: its last segment has no dot. A script or image that
/// is missing is not answered with a page.
fn is_of_app(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    !last.contains('.') && !last.to_ascii_lowercase().contains("%2e")
}

/// The request without conditions and ranges: they are about the file that is not there.
fn plain<B>(request: &Request<B>) -> Request<()> {
    let mut plain = Request::new(());
    request.method().clone_into(plain.method_mut());
    for accepted in request.headers().get_all(header::ACCEPT_ENCODING) {
        let accepted = accepted.clone();
        plain
            .headers_mut()
            .append(header::ACCEPT_ENCODING, accepted);
    }
    plain
}

fn not_found(mut response: Response<FileBody>) -> Response<FileBody> {
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers: &mut HeaderMap = response.headers_mut();
    for name in [header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES] {
        headers.remove(name);
    }
    response
}

async fn show<B>(
    request: &Request<B>,
    spec: &FilesSpec,
    page: &PageFile,
    guard: &Arc<Guard>,
) -> io::Result<Response<FileBody>> {
    let path = page.path().to_owned();
    let folder = Folder::new(&spec.root, spec.follow_symlinks, Arc::clone(guard));
    let looked = folder.clone();
    let is_file = off_thread(move || Ok(looked.look(&path)?.is_file())).await?;
    if !is_file {
        return Err(io::ErrorKind::NotFound.into());
    }
    let target = page.names().map(encode).collect();
    let shown = Shown {
        folder,
        target,
        compress: spec.compress,
    };
    shown.answer(request).await
}
