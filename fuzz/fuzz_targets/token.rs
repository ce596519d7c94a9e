//! A token is found or there are two, and nothing of it is left where it was looked for; taking one
//! apart never panics, and what is taken for a token has one spelling.
//!
//! Input: a target, then header lines, `name: value`.
#![no_main]

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use ianitor::token::jws;
use ianitor::token::location::{Source, find, remove};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|b| *b == b'\n');
    let Ok(mut uri) = Uri::try_from(lines.next().unwrap_or_default()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (name, value) = (
            HeaderName::from_bytes(&line[..colon]),
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()),
        );
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let sources = [
        Source::Header,
        Source::Cookie("ianitor".into()),
        Source::Query("token".into()),
        Source::Subprotocol,
    ];

    let path = uri.path().to_owned();
    let found = find(&headers, &uri, &sources);
    if let Ok(Some(located)) = &found {
        assert!(located.places != 0 && located.places < 1 << sources.len());
        one_spelling(&located.text);
    }
    let found = format!("{found:?}");
    let before = headers.clone();
    remove(&mut headers, &mut uri, &sources);
    assert_eq!(uri.path(), path);
    // Two `Authorization` headers are refused, whatever they say; they go on where the address
    // alone is enough.
    if headers.get_all("authorization").iter().count() < 2 {
        assert_eq!(
            find(&headers, &uri, &sources),
            Ok(None),
            "something was left of {found}"
        );
    }
    // Whatever else there was is still there.
    for name in before.keys().filter(|name| {
        !["authorization", "cookie", "sec-websocket-protocol"].contains(&name.as_str())
    }) {
        assert!(
            before.get_all(name).iter().eq(headers.get_all(name).iter()),
            "{name}"
        );
    }
});

/// No two texts are the same token.
fn one_spelling(text: &str) {
    let Ok(parts) = jws::split(text) else { return };
    assert_eq!(text, format!("{}.{}", parts.signed, parts.signature));
    for other in [format!("{text}="), format!(" {text}"), format!("{text}.")] {
        assert!(jws::split(&other).is_err());
    }
}
