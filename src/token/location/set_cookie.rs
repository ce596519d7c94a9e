//! The gateway's own cookie in answers.

use http::header::{self, HeaderMap, HeaderValue};

use super::fields::replace;
use super::source::COOKIE;

/// Whether a `Set-Cookie` would set the gateway's own cookie, as browsers parse it (RFC 6265bis,
/// section 5.6): a cookie without a name is sent as its bare value, and a prefix restricts who may
/// set a cookie.
pub fn sets_own_cookie(value: &HeaderValue) -> bool {
    let pair = value
        .as_bytes()
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let pair = pair
        .strip_prefix(b"=")
        .map_or(pair, <[u8]>::trim_ascii_start);
    let name = pair
        .split(|b| *b == b'=')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    without_prefix(name) == without_prefix(COOKIE.as_bytes())
}

/// The name of a cookie without a prefix that restricts who may set it.
fn without_prefix(name: &[u8]) -> &[u8] {
    const PREFIXES: [&[u8]; 4] = [b"__Host-Http-", b"__Host-", b"__Http-", b"__Secure-"];
    let has = |prefix: &[u8]| {
        name.get(..prefix.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(prefix))
    };
    PREFIXES
        .iter()
        .find(|prefix| has(prefix))
        .map_or(name, |prefix| &name[prefix.len()..])
}

/// Removes the gateway's own cookie from an answer. Returns whether it was there.
pub fn remove_own_set_cookie(headers: &mut HeaderMap) -> bool {
    if !headers
        .get_all(header::SET_COOKIE)
        .iter()
        .any(sets_own_cookie)
    {
        return false;
    }
    let all = headers.get_all(header::SET_COOKIE).iter();
    let kept: Vec<HeaderValue> = all
        .filter(|value| !sets_own_cookie(value))
        .cloned()
        .collect();
    replace(headers, header::SET_COOKIE, kept);
    true
}
