//! The header fields that tokens stand in, taken apart.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The token of an `Authorization` header. Empty, and so not a token, if nothing or no UTF-8
/// follows the scheme.
pub(super) fn bearer(value: &HeaderValue) -> Option<&str> {
    const SCHEME: &[u8] = b"bearer";
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(SCHEME.len())?;
    let ends = rest.first().is_none_or(is_blank);
    (ends && scheme.eq_ignore_ascii_case(SCHEME)).then(|| {
        std::str::from_utf8(rest)
            .unwrap_or_default()
            .trim_matches([' ', '\t'])
    })
}

/// Separates a scheme from its parameters: a space (RFC 9110, section 11.4) and, for many parsers,
/// a tab.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The `name=value` parts of all cookie headers.
pub(super) fn crumbs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::COOKIE).iter();
    values
        .flat_map(|value| value.as_bytes().split(|b| *b == b';'))
        .map(<[u8]>::trim_ascii)
}

pub(super) fn crumb_value<'c>(crumb: &'c [u8], name: &str) -> Option<&'c [u8]> {
    let value = crumb
        .strip_prefix(name.as_bytes())?
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    Some(
        value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""))
            .unwrap_or(value),
    )
}

/// The offered subprotocols, as bytes: a token counts even if another subprotocol is not text.
pub(super) fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

pub(super) fn subprotocol_token(protocol: &[u8]) -> Option<&[u8]> {
    protocol
        .strip_prefix(b"bearer.")
        .or_else(|| protocol.strip_prefix(b"token."))
}

/// Replaces all values of a header.
pub(super) fn replace(
    headers: &mut HeaderMap,
    name: HeaderName,
    values: impl IntoIterator<Item = HeaderValue>,
) {
    headers.remove(&name);
    for value in values {
        headers.append(&name, value);
    }
}

/// Joins parts of header values to one value; `None` if there are no parts.
pub(super) fn joined(parts: &[&[u8]], by: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&parts.join(by))
        .ok()
        .filter(|value| !value.is_empty())
}
