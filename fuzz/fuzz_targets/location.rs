//! `Location` and `Link` lead back to the gateway or to where the upstream said, never to a third
//! place.
//!
//! Input, a line each: a `Location`, the route's path, its `strip_prefix`, its `rewrite`, a public
//! path.
#![no_main]

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use ianitor::host::Authority;
use ianitor::proxy::link;
use ianitor::proxy::location::{self, Public};
use ianitor::route::PathChange;
use ianitor::route::path::{NormalPath, PathPrefix};
use libfuzzer_sys::fuzz_target;

const PUBLIC: &str = "media.example.com";
const UPSTREAM: &str = "127.0.0.1:8088";

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let value = line();
    let [path, strip, rewrite] = [line(), line(), line()].map(prefix);
    let Some(change) = change(path.clone(), strip, rewrite) else {
        return;
    };

    if let (Ok(asked), Some(path)) = (NormalPath::parse(line()), path)
        && path.covers(asked.as_str())
    {
        there_and_back(&change, asked.as_str());
        resolve(value, &change, asked.as_str());
    }
    if let Ok(value) = HeaderValue::from_str(value)
        && let Ok(before) = value.to_str()
    {
        check(before, &rewritten(&value, &change), &change);
    }
});

/// Only what can be the path of a URL: configurations bring nothing else.
fn prefix(text: &str) -> Option<PathPrefix> {
    text.parse().ok().filter(|_| {
        PathAndQuery::try_from(text)
            .is_ok_and(|target| target.as_str() == text && !text.contains('?'))
    })
}

/// As `gateway.toml` allows it: one of the two, and what is stripped is the front of the route's
/// path.
fn change(
    path: Option<PathPrefix>,
    strip: Option<PathPrefix>,
    rewrite: Option<PathPrefix>,
) -> Option<PathChange> {
    let path = path?;
    match (strip.filter(|strip| !strip.as_str().is_empty()), rewrite) {
        (None, None) => Some(PathChange::default()),
        (Some(strip), None) if strip.covers(path.as_str()) => Some(PathChange {
            strip: strip.as_str().into(),
            add: "".into(),
        }),
        (None, Some(rewrite)) => Some(PathChange {
            strip: path.as_str().into(),
            add: rewrite.as_str().into(),
        }),
        _ => None,
    }
}

/// The upstream hears a path, and if it redirects to that, the client asks for what it asked for
/// before.
fn there_and_back(change: &PathChange, asked: &str) {
    let heard = change.to_upstream(asked);
    assert!(
        heard.starts_with('/') && !heard.starts_with("//"),
        "{asked:?} became {heard:?}"
    );
    let back = change
        .to_public(&heard)
        .unwrap_or_else(|| panic!("{heard:?} has no public form"));
    // A path that was stripped to nothing is sent as the root.
    assert_eq!(back.trim_end_matches('/'), asked.trim_end_matches('/'));
}

/// A relative reference becomes a path of this host, and a second time nothing; in a `Link` too,
/// where the rest stays.
fn resolve(reference: &str, change: &PathChange, asked: &str) {
    let authority = PUBLIC.parse().expect("an authority");
    let to = Public {
        servers: &[],
        host: None,
        path: change,
        tenant: None,
        authority: &authority,
    };
    let heard = change.to_upstream(asked);
    let resolved = |reference: &str| to.resolve(reference, &heard);
    if let Some(path) = resolved(reference) {
        assert!(path.starts_with('/') && !path.starts_with("//"), "{path:?}");
        assert!(!path.starts_with("/\\"), "{path:?}");
        assert_eq!(resolved(&path), None, "{path:?}");
    }
    let same = |target: &str| Some(target.to_owned());
    let unchanged = link::rewrite(reference, same);
    assert!(unchanged.is_none_or(|unchanged| unchanged == reference));
    if !reference.contains(['<', '>', '"', '\\']) {
        let value = format!("<{reference}>; rel=\"a,<b>\", <{reference}>; rel=c");
        let want = resolved(reference).map(|to| format!("<{to}>; rel=\"a,<b>\", <{to}>; rel=c"));
        assert_eq!(link::rewrite(&value, resolved), want);
    }
}

fn check(before: &str, after: &str, change: &PathChange) {
    if before == after {
        return;
    }
    let fragment = |text: &str| {
        text.split_once('#')
            .map(|(_, fragment)| fragment.to_owned())
    };
    assert_eq!(
        fragment(before),
        fragment(after),
        "{before:?} became {after:?}"
    );
    // `//host` would be another server.
    let is_path = |text: &str| text.starts_with('/') && !text.starts_with("//");
    if is_path(before) {
        assert!(
            !change.is_none() && is_path(after),
            "{before:?} became {after:?}"
        );
        return;
    }
    assert!(after.starts_with("https://"), "{before:?} became {after:?}");
    assert_eq!(
        authority(after),
        PUBLIC.parse().ok(),
        "{before:?} became {after:?}"
    );
    let from = authority(before).map(|from| (from.host.to_string(), from.port.unwrap_or(80)));
    let known = [("media.example.com", 80), ("127.0.0.1", 8088)]
        .map(|(host, port)| Some((host.to_owned(), port)));
    assert!(known.contains(&from), "{before:?} became {after:?}");
}

/// Of a URL; a relative reference has none.
fn authority(text: &str) -> Option<Authority> {
    let (_, rest) = text.split_once("://")?;
    rest.split(['/', '?', '#']).next()?.parse().ok()
}

fn rewritten(value: &HeaderValue, change: &PathChange) -> String {
    let to = Public {
        servers: &[format!("http://{UPSTREAM}").parse().expect("a server")],
        host: None,
        path: change,
        tenant: None,
        authority: &PUBLIC.parse().expect("an authority"),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value.clone());
    location::rewrite(&mut headers, to);
    headers[header::LOCATION]
        .to_str()
        .expect("still text")
        .to_owned()
}
