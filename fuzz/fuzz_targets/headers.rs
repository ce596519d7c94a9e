//! Only the gateway speaks for the client, whatever a request's headers say, and `Connection`
//! cannot take away what framing and routing rest on.
//!
//! Input: header lines, `name: value`.
#![no_main]

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ianitor::addr::ClientAddr;
use ianitor::proxy::headers::{to_client, with_client_fields};
use ianitor::proxy::origin::Origin;
use ianitor::telemetry::request_id::RequestIds;
use libfuzzer_sys::fuzz_target;

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const KEPT: [HeaderName; 3] = [header::HOST, header::CONTENT_LENGTH, header::TRAILER];
const ENDS_HERE: [&str; 7] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "upgrade",
    "http2-settings",
];

fuzz_target!(|data: &[u8]| {
    let mut before = HeaderMap::new();
    for line in data.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (name, value) = (
            HeaderName::from_bytes(&line[..colon]),
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()),
        );
        if let (Ok(name), Ok(value)) = (name, value) {
            before.append(name, value);
        }
    }

    let id = RequestIds::new().next();
    let mut after = before.clone();
    let origin = Origin::new(ClientAddr::new(CLIENT.into()), 443);
    with_client_fields(&mut after, &origin, id);
    check_passed(&before, &after);
    let wants_trailers = after.contains_key(header::TE);
    assert_eq!(
        all(&after, &header::CONNECTION),
        if wants_trailers { vec!["te"] } else { vec![] }
    );
    assert!(!after.contains_key(header::FORWARDED) && !after.contains_key(header::EXPECT));
    for name in after.keys().map(|name| name.as_str().replace('_', "-")) {
        let known = ["for", "proto", "host", "port"]
            .iter()
            .any(|part| name == format!("x-forwarded-{part}"));
        assert!(known || !name.starts_with("x-forwarded-"), "{name} passed");
    }
    let text = |name: &str| {
        let same = after
            .keys()
            .filter(|key| key.as_str().replace('_', "-") == name);
        same.flat_map(|key| all(&after, key)).collect::<Vec<_>>()
    };
    assert_eq!(text("x-forwarded-for"), ["192.0.2.1"]);
    assert_eq!(text("x-real-ip"), ["192.0.2.1"]);
    assert_eq!(text("x-forwarded-proto"), ["https"]);
    assert_eq!(text("x-forwarded-port"), ["443"]);
    assert_eq!(text("x-request-id"), [id.to_string()]);
    assert_eq!(after.get("x-forwarded-host"), after.get(header::HOST));

    let mut after = before.clone();
    to_client(&mut after);
    check_passed(&before, &after);
    assert!(
        !after.contains_key(header::CONNECTION) && !after.contains_key(header::TRANSFER_ENCODING)
    );
});

fn check_passed(before: &HeaderMap, after: &HeaderMap) {
    for name in &KEPT {
        let (before, after) = (all(before, name), all(after, name));
        // Several lengths of an answer are made one, if they are equal.
        let is_one_length = *name == header::CONTENT_LENGTH && after.len() <= 1;
        let were_several = before.len() > 1 || before.iter().any(|value| value.contains(','));
        assert!(before == after || is_one_length && were_several, "{name}");
    }
    assert!(ENDS_HERE.iter().all(|name| !after.contains_key(*name)));
}

fn all<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<std::borrow::Cow<'h, str>> {
    headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect()
}
