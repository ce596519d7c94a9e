//! Descriptors: each proxied connection takes two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::Limits;

/// For listeners, logs, idle upstream connections and files.
const RESERVE: u64 = 200;

/// What the descriptors of the process are spent on.
#[derive(Debug)]
pub(super) struct Budget {
    /// Sockets to clients: `limits.connections`, or what there is.
    pub(super) connections: usize,
    /// Sockets to upstream servers: the rest.
    pub(super) upstream_sockets: usize,
}

/// Raises the process's limit as far as it goes and spends it.
pub(super) fn spend(limits: &Limits) -> Budget {
    let Some(descriptors) = raise() else {
        return Budget { connections: limits.connections, upstream_sockets: usize::MAX };
    };
    let there = usize::try_from(descriptors.saturating_sub(RESERVE)).unwrap_or(usize::MAX).max(2);
    let connections = limits.connections.min(there / 2);
    let budget = Budget { connections, upstream_sockets: there - connections };
    if connections == limits.connections {
        return budget;
    }
    if limits.connections == Limits::default().connections {
        tracing::info!(connections, descriptors, "limits.connections is what the descriptors allow (ulimit -n)");
    } else {
        tracing::warn!(
            wanted = limits.connections,
            clamped = connections,
            descriptors,
            "limits.connections needs more descriptors than the process may have (systemd: LimitNOFILE=)"
        );
    }
    budget
}

/// The number of descriptors that the process may have; `None` if there is no limit.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum;
    if limit.current < hard {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
        if raised.is_err() {
            return limit.current;
        }
    }
    hard
}
