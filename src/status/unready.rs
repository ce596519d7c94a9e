//! Why the gateway is not ready: missing keys and certificates, or a drain.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::spoken::bytes;
use crate::acme::CertStatus;
use crate::clock::UnixTime;
use crate::host::{HostName, HostPattern};
use crate::route::{NoRoute, passthrough};
use crate::serve::snapshot::Snapshot;
use crate::tls::{HostCoverage, OutOfDate};

/// A reason why the gateway is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unready {
    /// The gateway is stopping.
    Draining,
    /// The process has nearly as much memory as `limits.memory`, which is this many bytes.
    Memory(u64),
    /// There is no certificate at all.
    NoCertificate,
    /// A route's host has no certificate.
    Host(HostPattern),
    /// A host has no certificate yet, and its order is in progress.
    Ordered(HostPattern),
    /// A host has no certificate yet, and its order failed. The next one is at this time.
    OrderFailed(HostPattern, UnixTime),
    /// All certificates of a route's host have expired or are not yet valid.
    OutOfDate(HostPattern, OutOfDate),
    /// All certificates have expired or are not yet valid.
    AllOutOfDate(OutOfDate),
    /// A route requires tokens of an issuer whose keys could not be fetched yet.
    Keys(Arc<str>),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("draining: the gateway is being stopped"),
            Self::Memory(limit) => write!(
                f,
                "limits.memory ({}) is nearly reached: new connections are rejected",
                bytes(*limit)
            ),
            Self::NoCertificate => f.write_str("there is no TLS certificate"),
            Self::Host(host) => write!(f, "no certificate serves {host}, which a route names"),
            Self::Ordered(host) => write!(f, "no certificate for {host} yet: it is being ordered"),
            Self::OrderFailed(host, next) => write!(
                f,
                "no certificate for {host} yet: the last order failed and the next is at {next}; \
                 `ianitor certs` says why"
            ),
            Self::OutOfDate(host, state) => {
                write!(
                    f,
                    "no certificate that is valid now serves {host}, which a route names: the last \
                     one {state}"
                )
            }
            Self::AllOutOfDate(state) => {
                write!(f, "no TLS certificate is valid now: the last one {state}")
            }
            Self::Keys(issuer) => {
                write!(
                    f,
                    "the keys of the issuer {issuer} could not be fetched yet"
                )
            }
        }
    }
}

/// Issuers whose tokens a route requires and whose keys were never fetched.
pub(super) fn without_keys(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<str>> {
    let needed = |name: &str| {
        let mut rules = snapshot
            .routes
            .routes()
            .iter()
            .filter_map(|route| route.policy.token_rule());
        rules.any(|rule| rule.issuers.iter().any(|accepted| *accepted.name == *name))
    };
    let lacking = snapshot.issuers.iter().filter(|issuer| issuer.lacks_keys());
    lacking
        .map(|issuer| &issuer.spec.name)
        .filter(move |name| needed(name))
}

/// Hosts without a certificate that clients accept.
pub(super) fn without_certificate(
    snapshot: &Snapshot,
    orders: &[CertStatus],
    now: SystemTime,
) -> Vec<Unready> {
    let certificates = &snapshot.certificates;
    if snapshot.tls_ports.is_empty() {
        return Vec::new();
    }
    match certificates.coverage_of_all(now) {
        HostCoverage::Unserved => return vec![Unready::NoCertificate],
        HostCoverage::OutOfDate(state) => return vec![Unready::AllOutOfDate(state)],
        HostCoverage::Served | HostCoverage::Ordered => {}
    }
    let ordered = certificates
        .ordered()
        .iter()
        .filter(|host| is_answered(snapshot, host));
    let ordered = ordered.cloned().map(HostPattern::Exact);
    let mut hosts: Vec<HostPattern> = snapshot.routes.hosts().cloned().chain(ordered).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let reason = |host: HostPattern| match certificates.coverage(&host, now) {
        HostCoverage::Served => None,
        HostCoverage::OutOfDate(state) => Some(Unready::OutOfDate(host, state)),
        HostCoverage::Ordered => Some(ordered_only(host, orders)),
        // A proxy in front may have the certificate.
        HostCoverage::Unserved if snapshot.has_plain => None,
        HostCoverage::Unserved => Some(Unready::Host(host)),
    };
    hosts.into_iter().filter_map(reason).collect()
}

/// The reason for a host whose certificate is being ordered.
fn ordered_only(host: HostPattern, orders: &[CertStatus]) -> Unready {
    let is_for = |order: &&CertStatus| {
        order
            .hosts
            .iter()
            .any(|name| name.parse().is_ok_and(|name| host.matches(&name)))
    };
    let is_waiting = |order: &CertStatus| order.failures > 0 && !order.is_ordering;
    let of_host: Vec<&CertStatus> = orders.iter().filter(is_for).collect();
    let next = of_host.iter().filter_map(|order| order.next).min();
    match next.filter(|_| of_host.iter().all(|order| is_waiting(order))) {
        Some(next) => Unready::OrderFailed(host, next),
        None => Unready::Ordered(host),
    }
}

/// Whether a route has the host. A certificate that is only for another server does not affect
/// readiness.
fn is_answered(snapshot: &Snapshot, host: &HostName) -> bool {
    passthrough::find(&snapshot.passthrough, host).is_none()
        && snapshot.routes.find(host, "/") != Err(NoRoute::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(hosts: &[&str], failures: u32, next: u64) -> CertStatus {
        CertStatus {
            name: hosts[0].parse().unwrap(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            not_after: None,
            next: Some(UnixTime(next)),
            why: String::new(),
            issued: 0,
            failed: u64::from(failures),
            failures,
            error: None,
            is_ordering: false,
        }
    }

    #[test]
    fn an_order_that_has_failed_does_not_go_on() {
        let said = |host: &str, orders: &[CertStatus]| {
            ordered_only(host.parse().unwrap(), orders).to_string()
        };
        let failed = order(&["a.test", "b.test"], 2, 1_800_000_000);
        let words = "yet: the last order failed and the next is at 2027-01-15T08:00:00Z; \
                     `ianitor certs` says why";
        for host in ["b.test", "*.test"] {
            assert_eq!(
                said(host, std::slice::from_ref(&failed)),
                format!("no certificate for {host} {words}")
            );
        }
        let ordering = CertStatus {
            is_ordering: true,
            ..failed.clone()
        };
        for orders in [
            &[][..],
            &[ordering],
            &[order(&["c.test"], 1, 5)],
            &[failed, order(&["b.test"], 0, 5)],
        ] {
            assert!(
                said("b.test", orders).ends_with("yet: it is being ordered"),
                "{orders:?}"
            );
        }
    }
}
