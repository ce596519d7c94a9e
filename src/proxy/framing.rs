//! How the length of a body is declared, and what else the two versions of HTTP write differently.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri};

use super::error::Error;
use super::request_body::RequestBody;
use crate::route::PathChange;
use crate::route::tenant::{Tenant, jitsi_query};
use crate::route::upstream::Protocol;

/// Leaves one declaration of the body's length, written in one way: `chunked`, or a plain decimal
/// number, or none.
pub(super) fn frame_once(headers: &mut HeaderMap) -> Result<(), Error> {
    // hyper decodes chunked alone. The body would stay in any other coding without saying so.
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(first) = codings.next() {
        if codings.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Error::TransferCoding);
        }
        headers.remove(header::CONTENT_LENGTH);
        return Ok(());
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(());
    };
    let is_single = lengths.next().is_none();
    let digits = first
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    let length: u64 = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::Length)?;
    let is_plain =
        is_single && digits.is_some_and(|digits| digits == "0" || !digits.starts_with('0'));
    if is_plain {
        return Ok(());
    }
    let mut all = headers.get_all(header::CONTENT_LENGTH).iter();
    if all.any(|other| other != first) {
        return Err(Error::Length);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(())
}

/// Declares the body as JSON of this length, which takes the place of the one that the client sent.
///
/// # Errors
/// If the length of the client's was not declared in one way.
pub fn declare_json(headers: &mut HeaderMap, length: usize) -> Result<(), Error> {
    declare_length(headers, length)?;
    headers.remove(header::CONTENT_ENCODING);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    Ok(())
}

/// Declares the length of a body that is in memory.
///
/// # Errors
/// If the length of the client's was not declared in one way.
pub fn declare_length(headers: &mut HeaderMap, length: usize) -> Result<(), Error> {
    frame_once(headers)?;
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::TRAILER);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(())
}

/// The request's target in origin form, with the route's changes; `None` if it may stay as it is.
///
/// # Errors
/// If it is longer than a request target can be.
pub(super) fn upstream_target(
    uri: &Uri,
    protocol: Protocol,
    change: &PathChange,
    tenant: Option<Tenant<'_>>,
) -> Result<Option<Uri>, Error> {
    let query = match protocol {
        Protocol::Jitsi => jitsi_query(uri.query(), tenant.map(|tenant| tenant.name)),
        _ => None,
    };
    if change.is_none() && query.is_none() {
        let absolute = uri.authority().is_some() || uri.scheme().is_some();
        let target = uri.path_and_query().filter(|_| absolute);
        return Ok(target.cloned().map(Uri::from));
    }
    let mut target = match tenant {
        Some(tenant) => change.to_upstream(&tenant.route.without_tenant(uri.path())),
        None => change.to_upstream(uri.path()),
    };
    match (query, uri.query()) {
        (Some(query), _) => target.push_str(&query),
        (None, Some(query)) => target.extend(["?", query]),
        (None, None) => {}
    }
    // The client's own target must not go on in its place.
    let target = PathAndQuery::try_from(target).map_err(|_| Error::TargetTooLong)?;
    Ok(Some(Uri::from(target)))
}

/// Adds what HTTP/1.1 needs and HTTP/2 does without: cookies in one line (RFC 9113, section 8.2.3),
/// and `chunked` for a body of unknown length.
pub(super) fn frame_h2(request: &mut Request<RequestBody>) {
    let is_streaming = !hyper::body::Body::is_end_stream(request.body());
    let headers = request.headers_mut();
    if is_streaming && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_some() && cookies.next().is_some() {
        let crumbs: Vec<&[u8]> = headers
            .get_all(header::COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        // Parts that are header values make a header value.
        if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(header::COOKIE, whole);
        }
    }
}

/// Whether a request declares a body above the limit.
pub fn declares_more_than<B>(request: &Request<B>, limit: u64) -> bool {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    declared
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .is_some_and(|declared| declared > limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_declared_once_and_plainly() {
        for (values, want) in [
            (&["0"][..], Some("0")),
            (&["5"], Some("5")),
            (&["5", "5"], Some("5")),
            (&["005"], Some("5")),
            (&["00"], Some("0")),
            (&["05", "05"], Some("5")),
            (&["5", "05"], None),
            (&["5", "6"], None),
            (&["5, 5"], None),
            (&["+5"], None),
            (&[""], None),
            (&["18446744073709551616"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            let framed = frame_once(&mut headers).is_ok();
            assert_eq!(framed, want.is_some(), "{values:?}");
            if let Some(want) = want {
                let all: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
                assert_eq!(all, [want], "{values:?}");
            }
        }
    }
}
