//! Which requests may be sent a second time if a kept connection breaks without a byte of an
//! answer. The server may have been closing the connection and not have seen the request.

use http::{Method, Request};
use hyper::body::Body;

use crate::route::upstream::Protocol;

/// Whether sending it twice has the same effect as once (RFC 9110, section 9.2.2), and it has no
/// body, which would be gone.
pub(super) fn may_repeat<B: Body>(request: &Request<B>, protocol: Protocol) -> bool {
    request.method().is_idempotent()
        && request.body().is_end_stream()
        && !is_long_poll(request, protocol)
        && !is_end_of_stream(request.method(), protocol)
}

/// The end of a stream of WHIP or WHEP: the server may have given its URL to another client by the
/// time that a second request comes.
fn is_end_of_stream(method: &Method, protocol: Protocol) -> bool {
    protocol == Protocol::Whip && method == Method::DELETE
}

/// A long poll of Janus removes the event that it returns, so a second one could lose an event.
/// Everything counts as a long poll that is not known to be something else, since Janus reads a
/// session's id from any text that begins with a digit.
fn is_long_poll<B>(request: &Request<B>, protocol: Protocol) -> bool {
    if protocol != Protocol::Janus || request.method() == Method::OPTIONS {
        return false;
    }
    let mut segments = request
        .uri()
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty());
    let is_information = matches!(segments.next_back(), Some("info" | "ping"));
    !is_information || segments.any(|segment| segment.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};
    use hyper::body::Bytes;

    use super::*;

    fn may(method: &str, path: &str, protocol: Protocol) -> bool {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Empty::<Bytes>::new())
            .unwrap();
        may_repeat(&request, protocol)
    }

    #[test]
    fn idempotent_requests_without_a_body() {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            assert!(may(method, "/x/1", Protocol::Http), "{method}");
        }
        for method in ["POST", "PATCH", "LINK"] {
            assert!(!may(method, "/x", Protocol::Http), "{method}");
        }
        let put = Request::put("/x").body(Full::<Bytes>::from("x")).unwrap();
        assert!(!may_repeat(&put, Protocol::Http));
    }

    #[test]
    fn never_the_end_of_a_stream_of_whip() {
        assert!(!may("DELETE", "/whip/resource/1", Protocol::Whip));
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(may(method, "/whip/resource/1", Protocol::Whip), "{method}");
        }
    }

    #[test]
    fn never_a_long_poll_of_janus() {
        for path in [
            "/janus/123",
            "/janus/123?maxev=5",
            "/janus/12abc",
            "/janus/1/info",
            "/x/janus/123",
            "/janus",
            "/",
        ] {
            assert!(!may("GET", path, Protocol::Janus), "{path}");
        }
        for path in ["/janus/info", "/janus/ping", "/a/b/janus/info?x=1"] {
            assert!(may("GET", path, Protocol::Janus), "{path}");
        }
        assert!(may("OPTIONS", "/janus/123", Protocol::Janus));
        assert!(may("GET", "/admin/info", Protocol::JanusAdmin));
    }
}
