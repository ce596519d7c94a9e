//! Hosts have one spelling: what is shown parses to the same again.
#![no_main]

use std::fmt::{Debug, Display};
use std::net::IpAddr;
use std::str::FromStr;

use ianitor::host::{Authority, HostName, HostPattern};
use ianitor::route::upstream::ServerAddr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(host) = text.parse::<HostName>() {
        check(&host);
        let upper: HostName = text
            .to_ascii_uppercase()
            .replace("0X", "0x")
            .parse()
            .expect("case does not matter");
        assert_eq!(upper, host);
    }
    if let Ok(authority) = text.parse::<Authority>() {
        round_trips(&authority);
        check(&authority.host);
        // No other part of a URL hides in it.
        assert!(
            !text.contains(['@', '/', '?', '#', '%', '\\', ','])
                && !text.contains(char::is_whitespace)
        );
        match format!("http://{authority}").parse::<ServerAddr>() {
            Ok(server) => assert!(server.is(&authority), "{server} is not {authority}"),
            Err(error) => assert_eq!(authority.port, Some(0), "{error}"),
        }
    }
    if let Ok(pattern) = text.parse::<HostPattern>() {
        round_trips(&pattern);
        match &pattern {
            HostPattern::Exact(host) => assert!(pattern.matches(host)),
            HostPattern::Wildcard(parent) => {
                assert!(parent.ip().is_none() && !pattern.matches(parent));
                let children = [format!("a.{parent}"), format!("b.a.{parent}")]
                    .map(|child| child.parse::<HostName>());
                // The longest names have no room for another label.
                if let [Ok(child), Ok(grandchild)] = children {
                    assert!(pattern.matches(&child) && !pattern.matches(&grandchild));
                }
            }
        }
    }
    if let Ok(server) = text.parse::<ServerAddr>() {
        let scheme = if matches!(server, ServerAddr::Tcp { tls: false, .. }) {
            "http://"
        } else {
            ""
        };
        assert_eq!(format!("{scheme}{server}").parse().as_ref(), Ok(&server));
    }
});

fn check(host: &HostName) {
    round_trips(host);
    let text = host.as_str();
    assert!(!text.is_empty() && text.len() <= 253 && text == text.to_ascii_lowercase());
    match host.ip() {
        // Nothing else must look like an address to a resolver.
        None => {
            let last = text.rsplit('.').next().unwrap_or(text);
            assert!(
                last.parse::<u64>().is_err() && !last.starts_with("0x"),
                "{text:?} ends in a number"
            );
            assert!(
                !text.contains(':') && text.split('.').all(|label| (1..=63).contains(&label.len()))
            );
        }
        Some(ip) => {
            assert_eq!(HostName::from(ip), *host);
            assert_eq!(
                host.to_string().starts_with('['),
                matches!(ip, IpAddr::V6(_))
            );
            assert_eq!(host.parent(), None);
        }
    }
}

fn round_trips<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(value: &T) {
    assert_eq!(value.to_string().parse::<T>().as_ref().ok(), Some(value));
}
