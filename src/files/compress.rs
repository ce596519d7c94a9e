//! Compression of files while they are sent, by tower-http.

use std::convert::Infallible;
use std::future::ready;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Extensions, Request, Response, StatusCode, Version};
use tower::{ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::{Compression, CompressionBody};

use super::body::{CompressionPlace, FileBody};

/// Smaller files do not become smaller by much.
const SMALLEST: u64 = 1024;

/// The kinds of files that become smaller. Images, media and archives are compressed already.
const KINDS: [&str; 8] = [
    "text/",
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "application/xml",
    "application/xhtml+xml",
    "image/svg+xml",
];

/// Compresses a response, if the client accepts that and the file becomes smaller.
pub(super) async fn compress(
    asked: &HeaderMap,
    response: Response<FileBody>,
) -> Response<FileBody> {
    if !is_worth(&response) {
        return response;
    }
    let Some(place) = CompressionPlace::take() else {
        return response;
    };
    let mut request = Request::new(response);
    for accepted in asked.get_all(header::ACCEPT_ENCODING) {
        let accepted = accepted.clone();
        request
            .headers_mut()
            .append(header::ACCEPT_ENCODING, accepted);
    }
    let whole = service_fn(|request: Request<Response<FileBody>>| {
        ready(Ok::<_, Infallible>(request.into_body()))
    });
    let every = |_: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| true;
    let compression = Compression::new(whole)
        .quality(CompressionLevel::Fastest)
        .compress_when(every);
    let Ok(response) = compression.oneshot(request).await;
    finish(response, place)
}

/// Whether it is a whole file that would become smaller by much.
fn is_worth(response: &Response<FileBody>) -> bool {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    response.status() == StatusCode::OK
        && !headers.contains_key(header::CONTENT_ENCODING)
        && length.is_some_and(|length: u64| length >= SMALLEST)
        && KINDS.iter().any(|known| kind.starts_with(known))
}

fn finish(
    response: Response<CompressionBody<FileBody>>,
    place: CompressionPlace,
) -> Response<FileBody> {
    let (mut parts, body) = response.into_parts();
    if !parts.headers.contains_key(header::CONTENT_ENCODING) {
        // A client that accepts nothing gets the file all the same (RFC 9110, section 12.5.3).
        parts.status = StatusCode::OK;
        return Response::from_parts(parts, body.into_inner());
    }
    // Each compression has bytes of its own (RFC 9110, section 8.8.1).
    let tag = parts.headers.get(header::ETAG).map(HeaderValue::as_bytes);
    let weak = tag.filter(|tag| !tag.starts_with(b"W/"));
    if let Some(weak) = weak.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag].concat()).ok()) {
        parts.headers.insert(header::ETAG, weak);
    }
    Response::from_parts(parts, FileBody::compressed(body, place))
}
