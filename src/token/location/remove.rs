//! Taking tokens out of a request.

use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::fields::{
    bearer, crumb_value, crumbs, joined, replace, subprotocol_token, subprotocols,
};
use super::query::remove_parameters;
use super::source::Source;

/// Removes the tokens in all of these places.
pub fn remove(headers: &mut HeaderMap, uri: &mut Uri, sources: &[Source]) {
    for source in sources {
        match source {
            Source::Header => remove_bearers(headers),
            Source::Cookie(name) => remove_cookie(headers, name),
            Source::Query(name) => remove_parameters(uri, |key| key == &**name),
            Source::Subprotocol => remove_subprotocols(headers),
        }
    }
}

/// The parameters in which Jitsi's pages and Prosody have a token.
pub const JITSI_PARAMETERS: [&str; 2] = ["token", "jwt"];

/// Removes what Prosody could read as a token, wherever the gateway looks for one. Some of its
/// modules read `Authorization` whatever its scheme is.
pub fn remove_for_jitsi(headers: &mut HeaderMap, uri: &mut Uri) {
    headers.remove(header::AUTHORIZATION);
    remove_parameters(uri, |key| {
        let mut names = JITSI_PARAMETERS.iter();
        names.any(|name| key.eq_ignore_ascii_case(name))
    });
}

/// Removes all of them: where no token is looked for, there may be several header lines.
fn remove_bearers(headers: &mut HeaderMap) {
    let is_token = |value: &HeaderValue| bearer(value).is_some();
    if headers.get_all(header::AUTHORIZATION).iter().any(is_token) {
        let all = headers.get_all(header::AUTHORIZATION).iter();
        let kept: Vec<HeaderValue> = all.filter(|value| !is_token(value)).cloned().collect();
        replace(headers, header::AUTHORIZATION, kept);
    }
}

/// Removes a cookie.
pub fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    if !crumbs(headers).any(|crumb| crumb_value(crumb, name).is_some()) {
        return;
    }
    let kept: Vec<&[u8]> = crumbs(headers)
        .filter(|crumb| crumb_value(crumb, name).is_none())
        .collect();
    let kept = joined(&kept, b"; ");
    replace(headers, header::COOKIE, kept);
}

fn remove_subprotocols(headers: &mut HeaderMap) {
    if !subprotocols(headers).any(|protocol| subprotocol_token(protocol).is_some()) {
        return;
    }
    let kept: Vec<&[u8]> = subprotocols(headers)
        .filter(|protocol| subprotocol_token(protocol).is_none())
        .collect();
    let kept = joined(&kept, b", ");
    replace(headers, header::SEC_WEBSOCKET_PROTOCOL, kept);
}
