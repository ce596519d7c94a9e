//! Header fields of requests and answers that are forwarded: which of them are removed.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::fields::Found;
use super::origin::{ClientFields, Origin};
use super::websocket::list_has;
use crate::telemetry::request_id::RequestId;

/// Makes a client's headers fit for the upstream: hop-by-hop fields are removed, and fields that
/// only the gateway may set. `found` is what these headers have.
pub(super) fn to_upstream(headers: &mut HeaderMap, found: Found) {
    if !found.is_clean() {
        let wants_trailers = list_has(headers, &header::TE, "trailers");
        remove_named_by_connection(headers);
        found.remove_from(headers);
        if wants_trailers {
            // TE is hop-by-hop as well. The gateway forwards trailers, so it may ask for them.
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
}

/// Makes a client's headers fit for the upstream, and adds the fields about the client: what both
/// steps of forwarding do together.
pub fn with_client_fields(headers: &mut HeaderMap, origin: &Origin, id: RequestId) {
    let found = Found::in_request(headers);
    to_upstream(headers, found);
    ClientFields { origin, id }.insert_into(headers);
}

/// Makes a client's trailers fit for the upstream. What is removed from headers is removed from
/// trailers too, as some servers merge them into the headers.
pub(super) fn trailers_to_upstream(trailers: &mut HeaderMap) {
    remove_named_by_connection(trailers);
    Found::in_request(trailers).remove_from(trailers);
    // RFC 9110, 6.5.1.
    const NOT_IN_TRAILERS: [HeaderName; 6] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::AUTHORIZATION,
        header::COOKIE,
        header::TRAILER,
    ];
    for name in NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// Makes an upstream's trailers fit for the client. HTTP/2 clients reset a stream that has
/// hop-by-hop fields in its trailers.
pub(super) fn trailers_to_client(trailers: &mut HeaderMap) {
    remove_named_by_connection(trailers);
    Found::in_answer(trailers).remove_from(trailers);
    // RFC 9110, 6.5.1.
    const NOT_IN_TRAILERS: [HeaderName; 7] = [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
        header::SET_COOKIE,
        header::TRAILER,
    ];
    for name in NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// Makes an upstream's headers fit for the client, and returns whether they may name a location.
pub fn to_client(headers: &mut HeaderMap) -> bool {
    let found = Found::in_answer(headers);
    if found.has_coding && headers.remove(header::TRANSFER_ENCODING).is_some() {
        // The coding overrides the length (RFC 9112, section 6.3), which may be wrong.
        headers.remove(header::CONTENT_LENGTH);
    }
    if found.has_lengths {
        declare_length_once(headers);
    }
    let has_location = found.has_location;
    if !found.is_clean() {
        remove_named_by_connection(headers);
        found.remove_from(headers);
    }
    has_location
}

/// Makes several equal lengths of an answer one (RFC 9110, section 8.6). [`super::h1`] has compared
/// those of an answer with a body; the others, of HEAD for instance, are removed if they differ.
fn declare_length_once(headers: &mut HeaderMap) {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return };
    if values.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let all = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut lengths = all
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(|length| std::str::from_utf8(length.trim_ascii()).ok()?.parse().ok());
    let first: Option<u64> = lengths.next().flatten();
    let is_same = lengths.all(|length| length == first);
    match first.filter(|_| is_same) {
        Some(length) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(headers.remove(header::CONTENT_LENGTH)),
    }
}

/// Removes `Connection` and the fields that it names, except those that framing and routing need.
fn remove_named_by_connection(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            .filter(|name| !is_kept(name))
            .collect();
        headers.remove(header::CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
}

/// `Connection: Host` or `Connection: Content-Length` must not change what a request means. Cookies
/// and credentials may be removed like this: the request has been authorized before.
fn is_kept(name: &HeaderName) -> bool {
    *name == header::HOST
        || *name == header::CONTENT_LENGTH
        || *name == header::TRANSFER_ENCODING
        || *name == header::TRAILER
        || *name == header::CACHE_CONTROL
        || name.as_str().starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::ClientAddr;
    use crate::telemetry::request_id::RequestIds;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        headers
    }

    fn forwarded(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(pairs);
        let origin = Origin::new(ClientAddr::new("192.0.2.1".parse().unwrap()), 443);
        with_client_fields(&mut headers, &origin, RequestIds::new().next());
        headers
    }

    #[test]
    fn only_the_gateway_speaks_about_the_client() {
        let headers = forwarded(&[
            ("host", "media.example.com"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("X-Real-IP", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-forwarded-user", "root"),
            ("x-forwarded", "for=10.0.0.1"),
            ("x.forwarded.for", "10.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "mine"),
            ("forwarded", "for=10.0.0.1"),
            ("x-other", "kept"),
        ]);
        let all = |name: &str| {
            headers
                .get_all(name)
                .iter()
                .map(|v| v.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("x-forwarded-for"), ["192.0.2.1"]);
        assert_eq!(all("x-real-ip"), ["192.0.2.1"]);
        assert_eq!(all("x-forwarded-proto"), ["https"]);
        assert_eq!(all("x-forwarded-host"), ["media.example.com"]);
        assert_eq!(all("x-forwarded-port"), ["443"]);
        assert_eq!(all("x-other"), ["kept"]);
        assert_eq!(all("x-request-id")[0].len(), 16);
        for gone in [
            "x_forwarded_for",
            "x-forwarded-user",
            "x-forwarded",
            "x.forwarded.for",
            "forwarded",
        ] {
            assert!(all(gone).is_empty(), "{gone}");
        }
    }

    #[test]
    fn hop_by_hop_headers_end_here() {
        let headers = forwarded(&[
            ("host", "a"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("connection", "close, X-Mine , host"),
            ("connection", "x-forwarded-for, content-length"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("content-length", "5"),
            ("expect", "100-continue"),
        ]);
        for gone in [
            "x-mine",
            "keep-alive",
            "upgrade",
            "proxy-authorization",
            "expect",
            "http2-settings",
        ] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["host"], "a");
        assert_eq!(headers["content-length"], "5");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["connection"], "te");
    }

    #[test]
    fn trailers_cannot_say_what_headers_cannot() {
        let mut trailers = map(&[
            ("x-forwarded-for", "6.6.6.6"),
            ("x_real_ip", "6.6.6.6"),
            ("host", "a"),
            ("x-sum", "1"),
        ]);
        trailers_to_upstream(&mut trailers);
        assert_eq!(
            trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-sum"]
        );
    }

    #[test]
    fn an_answers_trailers_have_no_fields_of_a_connection() {
        let mut trailers = map(&[
            ("connection", "x-a"),
            ("x-a", "1"),
            ("set-cookie", "a=1"),
            ("x-accel-redirect", "/"),
            ("x-sum", "1"),
        ]);
        trailers_to_client(&mut trailers);
        assert_eq!(
            trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-sum"]
        );
    }

    #[test]
    fn an_answer_declares_its_length_once() {
        for (values, length) in [
            (&["5"][..], Some("5")),
            (&["5", "5"], Some("5")),
            (&["5, 5"], Some("5")),
            (&["5,5", " 5"], Some("5")),
            (&["5", "6"], None),
            (&["5, 6"], None),
            (&["5,"], None),
        ] {
            let pairs: Vec<_> = values
                .iter()
                .map(|value| ("content-length", *value))
                .collect();
            let mut headers = map(&pairs);
            to_client(&mut headers);
            let all: Vec<_> = headers.get_all("content-length").iter().collect();
            assert_eq!(all, length.as_slice(), "{values:?}");
        }
    }

    #[test]
    fn answers_lose_theirs_too() {
        let mut headers = map(&[
            ("connection", "x-a"),
            ("x-a", "1"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x-t"),
        ]);
        to_client(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["trailer"]
        );
    }
}
