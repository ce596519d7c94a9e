//! The slips that are made with hosts, and what to write.

use super::quoted;
use crate::host::{Authority, HostName, HostPattern};

/// What is wrong with a text that is no host. It follows the text.
pub(super) fn bad_host(text: &str) -> String {
    let is_host = |text: &str| text.parse::<HostPattern>().is_ok();
    let parts: Vec<&str> = text
        .split([' ', ',', ';'])
        .filter(|part| !part.is_empty())
        .collect();
    if let Some((_, rest)) = text.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        return match rest[..end].parse::<Authority>() {
            Ok(authority) => is_url(&authority.host),
            Err(_) => "is a URL; write the host name alone".to_owned(),
        };
    }
    if let Some((host, _)) = text.split_once('/') {
        return match host.parse::<HostName>() {
            Ok(host) => format!("has a path; write the host name alone, {}", quoted(host)),
            Err(_) => "is a URL; write the host name alone".to_owned(),
        };
    }
    if text.starts_with(['~', '^']) || text.ends_with('$') {
        return "is a regular expression, and hosts are names; write each name, or \
                \"*.example.com\""
            .to_owned();
    }
    if let Some(name) = text.strip_prefix('.').filter(|name| is_host(name)) {
        return format!(
            "begins with a dot; write {} for one label more, and {} for itself",
            quoted(format!("*.{name}")),
            quoted(name)
        );
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!(
            "needs brackets around the address: {}",
            quoted(format!("[{text}]"))
        );
    }
    if let Ok(authority) = text.parse::<Authority>() {
        let host = quoted(authority.host);
        return format!("has a port; write the host name alone, {host}: its port does not matter");
    }
    if text.contains('*') {
        return "has a wildcard where none can be; only the first label of a route's host can be \
                \"*\""
            .to_owned();
    }
    if !text.is_ascii() {
        return "is not ASCII; write the \"xn--\" form of the name".to_owned();
    }
    if parts.len() > 1 && parts.iter().all(|part| is_host(part)) {
        return "is more than one host; write each on its own".to_owned();
    }
    "is not a host name or IP address".to_owned()
}

fn is_url(host: &HostName) -> String {
    format!("is a URL; write the host name alone, {}", quoted(host))
}
