//! Answers that do not wait for the request's body.

use http::header::{self, HeaderValue};
use http::{Response, Version};
use hyper::body::Body as _;

use super::Inbound;
use super::control::ConnControl;
use super::response_body::ResponseBody;

/// Closes the connection after an answer to a request whose body has not been read: on HTTP/1.1 the
/// rest of the body could not be told from the next request.
pub(super) fn close_if_unread(inbound: &Inbound, response: &mut Response<ResponseBody>) {
    if inbound.request.version() < Version::HTTP_2 && !inbound.request.body().is_end_stream() {
        close_after(response, &inbound.conn.control);
    }
}

/// Closes the connection after this answer. The client may still be sending, and closing the socket
/// at once could destroy the answer before the client reads it; so what it sends is read first.
pub(super) fn close_after(response: &mut Response<ResponseBody>, conn: &ConnControl) {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    conn.set_lingers();
}
