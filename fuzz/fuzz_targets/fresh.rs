//! However an issuer says how long its keys are fresh, they are fetched again between a minute and
//! a day later.
//!
//! Input: lines of `name: value`.
#![no_main]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use ianitor::jwks::fresh_for;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut headers = HeaderMap::new();
    for (name, value) in text
        .lines()
        .take(64)
        .filter_map(|line| line.split_once(':'))
    {
        if let (Ok(name), Ok(value)) = (
            name.parse::<HeaderName>(),
            value.trim().parse::<HeaderValue>(),
        ) {
            headers.append(name, value);
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let fresh = fresh_for(&headers, now).as_secs();
    assert!((60..=86_400).contains(&fresh), "{fresh} s");

    // Who says nothing of it changes nothing.
    headers.insert("x-other", HeaderValue::from_static("max-age=70"));
    assert_eq!(fresh_for(&headers, now).as_secs(), fresh);
});
