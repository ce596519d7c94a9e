//! `health` of upstreams.

use crate::config::diagnostics::Diagnostics;
use crate::config::read::valid;
use crate::config::tables::RawHealth;
use crate::route::health::HealthSpec;
use crate::route::upstream::Protocol;

/// How the servers of an upstream with this protocol are probed.
pub(super) fn spec(raw: RawHealth, protocol: Protocol, diag: &Diagnostics<'_>) -> HealthSpec {
    let places = [
        raw.path.as_ref().map(|path| &path.place),
        raw.status.as_ref().map(|status| &status.place),
    ];
    for place in places.into_iter().flatten() {
        if !matches!(protocol, Protocol::Http | Protocol::Whip) {
            let text = format!(
                "is about plain HTTP, and servers that speak {} are asked by that; take it out",
                protocol.name()
            );
            diag.problem(place, text);
        }
    }
    if let Some(status) = raw.status.as_ref().filter(|list| list.value.is_empty()) {
        diag.problem(
            &status.place,
            "is empty; write the statuses that are right, or take it out",
        );
    }
    let statuses = raw.status.map_or_else(Vec::new, |list| valid(list.value));
    HealthSpec {
        every: raw.every,
        timeout: raw.timeout,
        up_after: raw.up_after,
        down_after: raw.down_after,
        path: raw.path.map(|path| path.value),
        statuses: statuses.into_iter().map(|status| status.value).collect(),
    }
}
