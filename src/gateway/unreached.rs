//! Certificates that are configured in vain: no client is shown them, or no route has their names.

use crate::config::Config;
use crate::host::HostPattern;
use crate::tls::{CertInfo, CertTable};

/// A warning about each certificate that no client gets, or that is of no use to those who get it.
pub fn unreached_certificates<'c>(
    table: &'c CertTable,
    config: &'c Config,
) -> impl Iterator<Item = String> + 'c {
    let certificates = table.entries().filter(|info| !info.is_placeholder());
    certificates.filter_map(|info| {
        let why = why(info, config)?;
        let (key, names) = (&info.config_key, listed(&info.names));
        Some(format!("{key}: {why} ({names})"))
    })
}

fn why(info: &CertInfo, config: &Config) -> Option<&'static str> {
    if is_deployed(info, config) {
        return None;
    }
    let is_passed = |name: &HostPattern| {
        let mut entries = config.passthrough.iter();
        entries.any(|entry| overlaps(&entry.sni, name))
    };
    if info.names.iter().all(is_passed) {
        return Some("is never served: TLS for all of its names is passed through");
    }
    let mut routes = config.routes.routes().iter();
    let is_routed = routes.any(|route| {
        let host = route.host.as_ref();
        host.is_none_or(|host| info.names.iter().any(|name| overlaps(host, name)))
    });
    // The certificate may be shown for another name, or without one.
    let is_alone = !config.tls.default && config.listen.trusted_proxies.is_empty();
    (!is_routed && is_alone && !is_of_address(info))
        .then_some("no route serves any of its names, so that their requests get 421")
}

/// Other servers get it: it need not be served here.
fn is_deployed(info: &CertInfo, config: &Config) -> bool {
    let ordered = config.acme.iter().flat_map(|acme| &acme.certificates);
    let mut of_key = ordered.filter(|cert| cert.config_key == info.config_key);
    of_key.next().is_some_and(|cert| {
        let mut deployments = config.deploy.iter();
        deployments.any(|deploy| deploy.certificate == cert.name)
    })
}

/// Clients by address may be health checks.
fn is_of_address(info: &CertInfo) -> bool {
    let is_address =
        |name: &HostPattern| matches!(name, HostPattern::Exact(host) if host.ip().is_some());
    info.names.iter().all(is_address)
}

fn overlaps(one: &HostPattern, other: &HostPattern) -> bool {
    one == other
        || match (one, other) {
            (HostPattern::Exact(host), pattern) | (pattern, HostPattern::Exact(host)) => {
                pattern.matches(host)
            }
            (HostPattern::Wildcard(_), HostPattern::Wildcard(_)) => false,
        }
}

fn listed(names: &[HostPattern]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::config;
    use crate::tls::Mode;

    fn warnings(more: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[listen]\nhttps = [\"127.0.0.1:0\"]\n\
             [tls]\nself_signed = [\"media.test\", \"turn.test\", \"old.test\", \"192.0.2.1\"]\n\
             [[passthrough]]\nsni = \"turn.test\"\nto = \"127.0.0.1:1\"\n\
             [upstreams.app]\nservers = [\"http://127.0.0.1:1\"]\n\
             [[routes]]\nhost = \"media.test\"\npath = \"/\"\nupstream = \"app\"\n\
             policy = \"open\"\n{more}"
        );
        let loaded = config::parse(&folder.path().join("gateway.toml"), &text).unwrap();
        let config = loaded.config;
        let (table, _) = CertTable::load(&config.tls, clock::wall(), Mode::Make).unwrap();
        unreached_certificates(&table, &config).collect()
    }

    #[test]
    fn certificates_that_are_of_no_use_are_named() {
        let all = warnings("");
        let [passed, unrouted] = &all[..] else {
            panic!("{all:?}")
        };
        assert!(passed.contains("passed through (turn.test"), "{passed}");
        assert!(unrouted.contains("get 421 (old.test"), "{unrouted}");
        let route = "[[routes]]\npath = \"/x\"\nupstream = \"app\"\npolicy = \"open\"\n";
        // A route without a host serves every name.
        assert_eq!(warnings(route).len(), 1);
    }
}
