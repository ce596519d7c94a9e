//! `[[passthrough]]`: TLS connections that are passed on undecrypted, by their server name.

use crate::host::{HostName, HostPattern};
use crate::route::upstream::ServerAddr;
use crate::telemetry::metrics::RouteName;

/// One `[[passthrough]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passthrough {
    /// The server names that are passed through.
    pub sni: HostPattern,
    /// The server that terminates their TLS.
    pub to: ServerAddr,
    /// Whether that server gets the client's address by PROXY protocol v2.
    pub proxy_protocol: bool,
}

impl Passthrough {
    /// The labels of its metrics.
    pub fn name(&self) -> RouteName {
        RouteName::passthrough(&self.sni)
    }
}

/// The entry for a server name; an exact one before a wildcard.
pub fn find<'p>(all: &'p [Passthrough], name: &HostName) -> Option<&'p Passthrough> {
    let mut matching = all.iter().filter(|entry| entry.sni.matches(name));
    let first = matching.next()?;
    let exact = |entry: &&Passthrough| matches!(entry.sni, HostPattern::Exact(_));
    Some(
        std::iter::once(first)
            .chain(matching)
            .find(exact)
            .unwrap_or(first),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_before_wildcard() {
        let entry = |sni: &str, port| Passthrough {
            sni: sni.parse().unwrap(),
            to: format!("http://127.0.0.1:{port}").parse().unwrap(),
            proxy_protocol: false,
        };
        let all = [entry("*.example.com", 1), entry("turn.example.com", 2)];
        let found =
            |name: &str| find(&all, &name.parse().unwrap()).map(|entry| entry.to.to_string());
        assert_eq!(found("turn.example.com").as_deref(), Some("127.0.0.1:2"));
        assert_eq!(found("a.example.com").as_deref(), Some("127.0.0.1:1"));
        assert_eq!(found("example.com"), None);
    }
}
