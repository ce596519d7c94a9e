//! Paths have one spelling, with one reading, and keep their place under a prefix.
//!
//! Input: a path; after a newline, if there is one, a prefix or the path of a route.
#![no_main]

use http::uri::PathAndQuery;
use ianitor::route::local::{LocalUrl, below_own};
use ianitor::route::path::{NormalPath, PathPrefix};
use ianitor::route::tenant::{RoutePath, Tenant, jitsi_query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (raw, prefix) = text.split_once('\n').unwrap_or((text, ""));
    stays_here(raw);
    one_tenant(raw);
    let route: Option<RoutePath> = prefix.parse().ok();
    let prefix: Option<PathPrefix> = prefix.parse().ok().filter(|_| is_path(prefix));
    if !is_path(raw) {
        return;
    }
    let Ok(path) = NormalPath::parse(raw) else {
        return;
    };

    one_spelling(raw, &path);
    one_reading(path.as_str());
    assert!(
        is_path(path.as_str()),
        "no request can be sent with {:?}",
        path.as_str()
    );
    if let Some(prefix) = prefix {
        under_prefix(raw, path.as_str(), &prefix);
    }
    if let Some(route) = route {
        of_route(path.as_str(), &route);
    }
});

/// Wherever a browser is sent after signing in, it is a place of the same host.
fn stays_here(text: &str) {
    let Ok(url) = text.parse::<LocalUrl>() else {
        return;
    };
    let whole = url.as_str();
    assert!(
        whole.starts_with('/') && !whole.starts_with("//") && !whole.contains('\\'),
        "{text:?} leads to {whole:?}"
    );
    assert!(
        whole.bytes().all(|byte| byte.is_ascii_graphic()),
        "{text:?} leads to {whole:?}"
    );
    assert!(below_own(url.path()).is_none() && whole.starts_with(url.path()));
    assert_eq!(whole.parse().as_ref(), Ok(&url));
}

fn one_spelling(raw: &str, path: &NormalPath<'_>) {
    let again = NormalPath::parse(path.as_str());
    assert_eq!(
        again.as_ref(),
        Ok(path),
        "normalising twice is not normalising once"
    );
    assert!(
        path.was_changed() || path.as_str() == raw,
        "changed, and says it is not"
    );
    assert_eq!(
        decode(raw.as_bytes()),
        decode(path.as_str().as_bytes()),
        "another path than the one asked for"
    );
}

/// What a server could take for structure is not there, however often it decodes.
fn one_reading(path: &str) {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        assert_eq!(bytes.first(), Some(&b'/'));
        assert!(
            !bytes.contains(&b'\\') && !bytes.iter().any(u8::is_ascii_control),
            "structure in {path:?}"
        );
        let mut segments = bytes[1..].split(|b| *b == b'/').peekable();
        while let Some(segment) = segments.next() {
            let name = segment.split(|b| *b == b';').next().unwrap_or(segment);
            assert!(name != b"." && name != b"..", "dot segment in {path:?}");
            assert!(
                !segment.is_empty() || segments.peek().is_none(),
                "empty segment in {path:?}"
            );
        }
        let decoded = decode(&bytes);
        assert_eq!(
            count(&decoded, b'/'),
            count(&bytes, b'/'),
            "encoded slash in {path:?}"
        );
        if decoded == bytes {
            return;
        }
        bytes = decoded;
    }
}

/// Whether it can be the path of a URL: requests and configurations bring nothing else.
fn is_path(text: &str) -> bool {
    PathAndQuery::try_from(text)
        .is_ok_and(|target| target.path() == text && target.query().is_none())
}

fn under_prefix(raw: &str, path: &str, prefix: &PathPrefix) {
    // Text below the prefix stays below it.
    let text = prefix.as_str();
    if raw
        .strip_prefix(text)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        assert!(prefix.covers(path), "{raw:?} left {text:?}");
    }
    // And what comes below it means something below it.
    if let Some(rest) = prefix.rest(path) {
        assert_eq!(format!("{text}{rest}"), path);
        let segments = |path: &str| -> Vec<Vec<u8>> {
            path.split('/').map(|s| decode(s.as_bytes())).collect()
        };
        assert!(
            segments(raw).starts_with(&segments(text)),
            "{raw:?} came below {text:?}"
        );
    }
    assert_eq!(prefix.to_string().parse().as_ref(), Ok(prefix));
}

/// A tenant is in its path once, and comes back to where it was.
fn of_route(path: &str, route: &RoutePath) {
    assert_eq!(route.to_string().parse().as_ref(), Ok(route));
    let at_server = route.without_tenant(path);
    let Some(name) = route.tenant(path) else {
        assert_eq!(at_server, path);
        assert!(!route.has_tenant() || !route.covers(path));
        return;
    };
    assert!(route.covers(path) && path.contains(&format!("/{name}/")));
    assert!(
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    );
    assert_eq!(
        count(at_server.as_bytes(), b'/') + 1,
        count(path.as_bytes(), b'/')
    );
    assert!(route.without_variable().covers(&at_server));
    let tenant = Tenant { route, name };
    assert_eq!(tenant.insert(&at_server).as_deref(), Some(path));
}

/// Whatever a client's query is, Prosody reads no `prefix` in it but the gateway's.
fn one_tenant(query: &str) {
    for tenant in [None, Some("acme")] {
        let changed = jitsi_query(Some(query), tenant);
        let seen = changed
            .as_deref()
            .map_or(query, |text| text.strip_prefix('?').unwrap_or(text));
        let pairs = seen.split('&').filter_map(|pair| pair.split_once('='));
        let prefixes = pairs.filter(|(name, _)| decode(name.as_bytes()) == b"prefix");
        let values: Vec<&str> = prefixes.map(|(_, value)| value).collect();
        assert_eq!(values, Vec::from_iter(tenant), "{query:?} became {seen:?}");
    }
}

/// Percent-decodes once, whatever it is; broken escapes stay.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .filter(|hex| bytes[at] == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

fn count(bytes: &[u8], byte: u8) -> usize {
    bytes.iter().filter(|b| **b == byte).count()
}
