//! `[listen]`: health checks, and listeners for proxies.

use crate::addr::{ListenAddr, NetworkSet};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::route::local;
use crate::route::path::PathPrefix;

/// Listeners for proxies, of which none is known.
pub(super) fn note_plain(
    plain: &[Spanned<ListenAddr>],
    for_everybody: Option<&Spanned<bool>>,
    proxies: &[&NetworkSet],
    diag: &Diagnostics<'_>,
) {
    if let (Some(said), []) = (for_everybody.filter(|said| said.value), plain) {
        let text = "is about listen.plain, which is not here; write that, or take this out";
        diag.problem(&said.place, text);
    }
    let Some(first) = plain.first() else { return };
    if !proxies.iter().all(|networks| networks.is_empty()) {
        return;
    }
    let text = if for_everybody.is_some_and(|said| said.value) || first.value.0.ip().is_loopback() {
        "no proxy is in listen.trusted_proxies, so that for policies, limits and logs all clients \
         of one have its address; write trusted_proxies"
    } else {
        "no proxy is in listen.trusted_proxies, so that only this machine is served here; write \
         the addresses of your proxy there"
    };
    diag.warning(&first.place, text);
}

/// The path of health checks, which is none of the gateway's own URLs.
pub(super) fn health_path(path: &Spanned<PathPrefix>, diag: &Diagnostics<'_>) -> Box<str> {
    if local::below_own(path.value.as_str()).is_some() {
        let text = format!(
            "what is below {} belongs to the gateway itself; take another path",
            local::OWN
        );
        diag.problem(&path.place, text);
    }
    path.value.to_string().into()
}
