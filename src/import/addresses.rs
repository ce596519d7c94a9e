//! The addresses of `listen`.

use std::collections::BTreeSet;

use crate::nginx::Directive;

/// An address with its port, or a text that is none.
pub(super) type Addresses = BTreeSet<String>;

/// The address of a `listen`, and whether TLS is spoken there.
pub(super) fn address(listen: &Directive) -> Option<String> {
    let text = listen.arg(0);
    if text.starts_with("unix:") {
        return None;
    }
    let is_port = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let full = match text {
        _ if is_port => format!("0.0.0.0:{text}"),
        text if text.starts_with("*:") => text.replacen('*', "0.0.0.0", 1),
        text if text.starts_with("localhost") => text.replacen("localhost", "127.0.0.1", 1),
        text => text.to_owned(),
    };
    let with_port = match full.parse::<std::net::SocketAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => format!("{full}:80")
            .parse::<std::net::SocketAddr>()
            .ok()?
            .to_string(),
    };
    Some(with_port)
}
