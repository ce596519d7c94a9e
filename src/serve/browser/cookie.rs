//! The cookies: for this host alone, for one path alone, out of reach of scripts and of other
//! sites.

use http::HeaderValue;
use http::header::{self, HeaderMap};

use crate::host::HostName;
use crate::route::local::OWN;
use crate::route::{Route, RouteTable};
use crate::token::location::COOKIE;

/// What browsers keep of a cookie: its name and its value together (RFC 6265bis, section 5.6).
pub(super) const MOST: usize = 4096 - COOKIE.len();

/// Signs in at a route.
pub(super) fn sign_in(
    headers: &mut HeaderMap,
    token: &str,
    seconds: u64,
    at: &Route,
    all: &RouteTable,
    host: &HostName,
) {
    give(headers, token, seconds, at.path.as_str(), &paths(all, host));
}

/// Goes on with a newer token, where one has been signed in: at a page's route, or it is not known
/// where. Which cookies the browser has it does not say. So the newer one goes to the highest path
/// above that one can be signed in at, or renewing would sign out there; and to the root, whose
/// cookie comes to the gateway's own URLs too.
pub(super) fn renew(
    headers: &mut HeaderMap,
    token: &str,
    seconds: u64,
    at: Option<&Route>,
    all: &RouteTable,
    host: &HostName,
) {
    let (paths, page) = (paths(all, host), at.map_or("", |route| route.path.as_str()));
    match paths.iter().find(|path| below(page, path)) {
        Some(highest) => give(headers, token, seconds, highest, &paths),
        None => append(headers, set(OWN, token, seconds)),
    }
}

/// The cookies of a path and of the gateway's own URLs. Others, that would go to the same requests
/// and say something else, are taken back: nobody could tell which one counts.
fn give(headers: &mut HeaderMap, token: &str, seconds: u64, path: &str, all: &[&str]) {
    meeting(path, all)
        .filter(|other| *other != path)
        .for_each(|other| append(headers, clear(other)));
    append(headers, set(path, token, seconds));
    append(headers, set(OWN, token, seconds));
}

/// Signs out, at one route or at all that the host has. The cookie of a path above would go on
/// opening this one.
pub(super) fn sign_out(
    headers: &mut HeaderMap,
    at: Option<&Route>,
    all: &RouteTable,
    host: &HostName,
) {
    let path = at.map_or("", |route| route.path.as_str());
    meeting(path, &paths(all, host)).for_each(|other| append(headers, clear(other)));
    append(headers, clear(OWN));
}

/// The paths whose cookies and the one of this path go to the same requests. With the root's all
/// do.
fn meeting<'t>(path: &str, all: &[&'t str]) -> impl Iterator<Item = &'t str> {
    all.iter()
        .copied()
        .filter(move |other| below(other, path) || below(path, other))
}

/// Where one can be signed in; what is above comes before what is below it.
fn paths<'t>(all: &'t RouteTable, host: &HostName) -> Vec<&'t str> {
    let mut paths: Vec<&str> = all
        .routes()
        .iter()
        .filter(|route| route.serves(host) && route.sign_in().is_some())
        .map(|r| r.path.as_str())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
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

/// Its parts stand in any header: a token that is verified, and a route's path.
fn append(headers: &mut HeaderMap, cookie: String) {
    if let Ok(value) = HeaderValue::try_from(cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}
