//! Requests on the control socket: each body is understood as one request, or rejected with 400.
//!
//! Input: a method, a path and a body, `POST /v1/reload {}`.
#![no_main]

use http::{Method, StatusCode};
use ianitor::control::endpoints;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b' ');
    let (method, path) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let (Ok(method), Ok(path)) = (Method::from_bytes(method), std::str::from_utf8(path)) else {
        return;
    };
    let body = parts.next().unwrap_or_default();
    match endpoints::find(&method, path) {
        Ok(read) => match read(body) {
            Ok(request) => assert_eq!(read(body).as_ref(), Ok(&request)),
            Err(failure) => assert_eq!(failure.status, StatusCode::BAD_REQUEST),
        },
        Err(failure) => assert!(
            [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&failure.status)
        ),
    }
});
