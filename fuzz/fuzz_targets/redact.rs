//! What a log line shows of a target does not depend on anything secret in it.
//!
//! Input: a target, `path?query`.
#![no_main]

use ianitor::telemetry::redact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let shown = target(path, query);

    // Of two targets that differ in their secrets only, the same is shown.
    for secret in ["s3cret", "a=b", "=x", "%26", "?x"] {
        let other = query.map(|query| with_values(query, secret));
        assert_eq!(
            target(path, other.as_deref()),
            shown,
            "a value shows in the query"
        );
    }
    for id in ["123456", "0000000000000000000000", "6849467271614562"] {
        assert_eq!(
            target(&with_ids(path, id), query),
            shown,
            "an id shows in the path"
        );
    }

    // What is longer than a field of the log is cut.
    if shown.len() > 400 {
        return;
    }
    // And the rest is what it was: as many segments, as many pairs.
    let (path_part, query_part) = (target(path, None), target("", query));
    assert_eq!(format!("{path_part}{query_part}"), shown);
    assert_eq!(path_part.split('/').count(), path.split('/').count());
    if let Some(query) = query {
        let pairs: Vec<&str> = query_part[1..].split('&').collect();
        assert_eq!(pairs.len(), query.split('&').count());
        assert!(
            pairs.iter().all(|pair| pair.ends_with('*')),
            "{query_part:?}"
        );
        bare_tokens(query, &pairs);
    }
});

fn target(path: &str, query: Option<&str>) -> String {
    let mut shown = Vec::new();
    redact::target(&mut shown, path, query);
    serde_json::from_slice(&shown).expect("what is shown of a text is a JSON string")
}

/// A token without a name is not taken for one because its Base64 ends in `=`.
fn bare_tokens(query: &str, shown: &[&str]) {
    for (pair, shown) in query.split('&').zip(shown) {
        if let Some(token) = pair
            .strip_suffix('=')
            .map(|token| token.trim_end_matches('='))
            && pair.len() % 4 == 0
            && token.len() >= 16
            && token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
        {
            assert!(!shown.contains(token), "a token that ends in '=' shows");
        }
    }
}

fn with_values(query: &str, secret: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        // Either a name without a value or a token that ends in `=`.
        Some((_, value)) if value.bytes().all(|b| b == b'=') => pair.to_owned(),
        Some((name, _)) => format!("{name}={secret}"),
        // Without a name it is all value, and a name is what it must not become.
        None => secret.replace('=', "-"),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn with_ids(path: &str, id: &str) -> String {
    let is_id = |segment: &str| segment.len() >= 6 && segment.bytes().all(|b| b.is_ascii_digit());
    let segments = path
        .split('/')
        .map(|segment| if is_id(segment) { id } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
