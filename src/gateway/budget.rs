//! Descriptors: each proxied connection takes two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::Limits;

/// For listeners, logs, idle upstream connections and files.
const RESERVE: u64 = 200;

/// Raises the process's limit as far as it goes and clamps `limits.connections` to what it allows.
pub(super) fn clamp(mut limits: Limits) -> Limits {
    let Some(descriptors) = raise() else { return limits };
    let fits = usize::try_from(descriptors.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX).max(1);
    if limits.connections > fits {
        tracing::warn!(
            wanted = limits.connections,
            clamped = fits,
            descriptors,
            "limits.connections needs more descriptors than the process may have (systemd: LimitNOFILE=)"
        );
        limits.connections = fits;
    }
    limits
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
