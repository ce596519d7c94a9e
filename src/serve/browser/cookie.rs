//! The cookies: for one host and one path each, out of reach of scripts and other sites.

use http::HeaderValue;
use http::header::{self, HeaderMap};

use crate::host::HostName;
use crate::route::local::OWN;
use crate::route::{Route, RouteTable};
use crate::token::location::COOKIE;

/// The longest token that fits into a cookie. Browsers limit name and value together (RFC 6265bis,
/// section 5.6).
pub(in crate::serve) const LONGEST_TOKEN: usize = 4096 - COOKIE.len();

/// Sets the cookies for signing in at a route.
pub(super) fn sign_in(
    headers: &mut HeaderMap,
    token: &str,
    seconds: u64,
    at: &Route,
    all: &RouteTable,
    host: &HostName,
) {
    give(headers, token, seconds, path_of(at), &paths(all, host));
}

/// Replaces the token of a browser that is signed in: at the route of a page, or at an unknown one.
/// The gateway does not know which cookies the browser has. So the newer token goes to the highest
/// path above the page that has sign-in, as renewing would sign out there otherwise.
pub(in crate::serve) fn renew(
    headers: &mut HeaderMap,
    token: &str,
    seconds: u64,
    at: Option<&Route>,
    all: &RouteTable,
    host: &HostName,
) {
    let (paths, page) = (paths(all, host), at.map_or("", path_of));
    match paths.iter().find(|path| below(page, path)) {
        Some(highest) => give(headers, token, seconds, highest, &paths),
        None => append(headers, set(OWN, token, seconds)),
    }
}

/// Sets the cookies of a path and of the gateway's own URLs, and clears all others that would come
/// with the same requests: which one counts would be unclear.
fn give(headers: &mut HeaderMap, token: &str, seconds: u64, path: &str, all: &[&str]) {
    meeting(path, all)
        .filter(|other| *other != path)
        .for_each(|other| append(headers, clear(other)));
    append(headers, set(path, token, seconds));
    append(headers, set(OWN, token, seconds));
}

/// Clears the cookies of one route, or of all that the host has. Cookies of paths above and below
/// are cleared too: they would still be sent to the route.
pub(super) fn sign_out(
    headers: &mut HeaderMap,
    at: Option<&Route>,
    all: &RouteTable,
    host: &HostName,
) {
    let path = at.map_or("", path_of);
    meeting(path, &paths(all, host)).for_each(|other| append(headers, clear(other)));
    append(headers, clear(OWN));
}

/// The paths whose cookies are sent with the same requests as the cookie of `path`.
fn meeting<'t>(path: &str, all: &[&'t str]) -> impl Iterator<Item = &'t str> {
    all.iter()
        .copied()
        .filter(move |other| below(other, path) || below(path, other))
}

/// The paths with sign-in, each before those below it.
fn paths<'t>(all: &'t RouteTable, host: &HostName) -> Vec<&'t str> {
    let mut paths: Vec<&str> = all
        .routes()
        .iter()
        .filter(|route| route.serves(host) && route.sign_in().is_some())
        .map(path_of)
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The path of a cookie for a route with sign-in, which has no tenants.
fn path_of(route: &Route) -> &str {
    route.path.front().as_str()
}

fn below(path: &str, front: &str) -> bool {
    path.strip_prefix(front)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn set(path: &str, token: &str, seconds: u64) -> String {
    let path = if path.is_empty() { "/" } else { path };
    format!("{COOKIE}={token}; Path={path}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict")
}

fn clear(path: &str) -> String {
    set(path, "", 0)
}

/// A verified token and a route's path have no characters that a header could not have.
fn append(headers: &mut HeaderMap, cookie: String) {
    if let Ok(value) = HeaderValue::try_from(cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}
