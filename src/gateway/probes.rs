//! Which servers of a snapshot are probed, and how they are reached.

use std::sync::Arc;

use crate::health::{AskedServer, ProbeTarget, Routed};
use crate::resolve::Resolver;
use crate::route::UpstreamId;
use crate::route::health::ServerState;
use crate::serve::snapshot::Snapshot;

/// The servers of all upstreams with `health`, each with the state that its probes write.
pub(super) fn targets(
    snapshot: &Snapshot,
    resolver: &Resolver,
) -> Vec<(ProbeTarget, Arc<ServerState>)> {
    let mut targets = Vec::new();
    for (at, upstream) in snapshot.upstreams.iter().enumerate() {
        let spec = &upstream.spec;
        let Some(health) = &spec.health else { continue };
        let routed = Routed::to(&snapshot.routes, UpstreamId(at));
        let names = spec.server_names();
        for ((addr, name), state) in spec.servers.iter().zip(names).zip(&upstream.states) {
            let server = AskedServer::new(
                addr,
                (&spec.tls, upstream.tls.as_ref()),
                routed.host.as_ref(),
                resolver,
                health.timeout,
            );
            let target = ProbeTarget {
                upstream: spec.name.clone(),
                name,
                spec: health.clone(),
                protocol: spec.protocol,
                domain: spec.domain.clone(),
                routed: routed.clone(),
                server,
            };
            targets.push((target, Arc::clone(state)));
        }
    }
    targets
}
