//! The response with one file. tower-http handles ranges, conditional requests, content types and
//! precompressed siblings. Three things that it lacks are added: `If-Range`, that a `Range` in
//! another unit, with HEAD or of an empty file is ignored, and that the last bytes of a shorter
//! file are all of it.

use std::io;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use tower_http::services::ServeDir;

use super::body::FileBody;
use super::compress::compress;
use super::folder::Folder;

/// The number of bytes that are read ahead for each client.
const CHUNK: usize = 16 * 1024;

/// One file to be served.
pub(super) struct Shown {
    pub(super) folder: Folder,
    /// The path below the folder, encoded.
    pub(super) target: String,
    /// Whether it is compressed on the way.
    pub(super) compress: bool,
}

impl Shown {
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> io::Result<Response<FileBody>> {
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
        if self.compress {
            response = compress(request.headers(), response).await;
        }
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
            Some(length) if asked.method() == Method::GET => FileBody::exact(body, length),
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
