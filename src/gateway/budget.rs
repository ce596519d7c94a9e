//! Distributes the file descriptors of the process: each proxied connection needs two, each open
//! file one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::limits::Limits;
use crate::route::Target;

/// Reserved for logs, connections to CAs, issuers and the status listener, and so on.
const RESERVE: u64 = 200;

/// Descriptors of a worker beside its listening sockets.
const PER_WORKER: usize = 6;

/// Open files may use one in `FILES_PART` descriptors, but never more than `MOST_FILES`.
const FILES_PART: usize = 8;
const MOST_FILES: usize = 4096;

/// If connections are limited by descriptors, one client may have one in `CLIENT_PART` of them, so
/// that others can still connect.
const CLIENT_PART: usize = 4;

/// Fewer connections than this are logged as a warning, even if the limit is the default.
const FEW: usize = 5_000;

/// What a configuration needs descriptors for.
#[derive(Debug)]
pub(super) struct Wants {
    connections: usize,
    connections_per_client: usize,
    /// Whether any route serves files.
    files: bool,
    /// Descriptors of all workers, listening sockets included.
    workers: usize,
}

impl Wants {
    pub(super) fn of(config: &Config) -> Self {
        let sockets = crate::gateway::listeners::keys(&config.listen).len() + PER_WORKER;
        Self {
            connections: config.limits.connections,
            connections_per_client: config.limits.connections_per_client,
            files: config
                .routes
                .routes()
                .iter()
                .any(|route| matches!(route.target, Target::Files(_))),
            workers: super::listeners::worker_count(&config.listen).saturating_mul(sockets),
        }
    }
}

/// How the descriptors of the process are distributed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Sockets to clients: `limits.connections`, or as many as there are descriptors for.
    pub(super) connections: usize,
    /// `limits.connections_per_client`, or a quarter of a lowered `connections`.
    pub(super) connections_per_client: usize,
    /// Open files.
    pub(super) open_files: usize,
    /// Sockets to upstream servers: the rest.
    pub(super) upstream_sockets: usize,
}

/// Raises the process's limit of descriptors as far as possible, and distributes them.
pub(super) fn spend(wants: &Wants) -> Budget {
    let descriptors = raise();
    let budget = distribute(wants, descriptors);
    if let Some(descriptors) = descriptors.filter(|_| budget.connections < wants.connections) {
        report(wants, &budget, descriptors);
    }
    budget
}

fn distribute(wants: &Wants, descriptors: Option<u64>) -> Budget {
    let Wants {
        connections,
        connections_per_client,
        files,
        workers,
    } = *wants;
    let open_files = if files { MOST_FILES } else { 0 };
    let Some(descriptors) = descriptors else {
        return Budget {
            connections,
            connections_per_client,
            open_files,
            upstream_sockets: usize::MAX,
        };
    };
    let reserve = RESERVE.max(RESERVE / 2 + workers as u64);
    let available = usize::try_from(descriptors.saturating_sub(reserve))
        .unwrap_or(usize::MAX)
        .max(8);
    let open_files = open_files.min(available / FILES_PART);
    let clamped = connections.min(available / 2);
    let per_client = match clamped < connections {
        true => connections_per_client.min((clamped / CLIENT_PART).max(1)),
        false => connections_per_client,
    };
    Budget {
        connections: clamped,
        connections_per_client: per_client,
        open_files,
        upstream_sockets: available - clamped - open_files,
    }
}

/// Logs by how much the limits were lowered.
fn report(wants: &Wants, budget: &Budget, descriptors: u64) {
    let Budget {
        connections,
        connections_per_client,
        open_files,
        upstream_sockets,
    } = *budget;
    if wants.connections == Limits::default().connections && connections >= FEW {
        tracing::info!(
            connections,
            connections_per_client,
            upstream_sockets,
            open_files,
            descriptors,
            "limits.connections is what the descriptors allow (ulimit -n)"
        );
    } else {
        tracing::warn!(
            wanted = wants.connections,
            clamped = connections,
            connections_per_client,
            upstream_sockets,
            open_files,
            descriptors,
            "limits.connections needs more descriptors than the process may have \
             (systemd: LimitNOFILE=)"
        );
    }
}

/// Raises the limit of descriptors; `None` if there is none.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum;
    if limit.current < hard {
        let raised = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: hard,
                maximum: hard,
            },
        );
        if raised.is_err() {
            return limit.current;
        }
    }
    hard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(connections: usize, per_client: usize) -> Wants {
        Wants {
            connections,
            connections_per_client: per_client,
            files: true,
            workers: 16,
        }
    }

    #[test]
    fn where_connections_are_clamped_a_client_gets_a_quarter() {
        let budget = distribute(&wants(50_000, 5_000), Some(1024));
        let want = Budget {
            connections: 412,
            connections_per_client: 103,
            open_files: 103,
            upstream_sockets: 309,
        };
        assert_eq!(budget, want);
        let lower = distribute(&wants(50_000, 50), Some(1024));
        assert_eq!(lower.connections_per_client, 50, "what is lower stays");
    }

    #[test]
    fn what_fits_is_not_clamped() {
        let budget = distribute(&wants(300, 300), Some(1024));
        assert_eq!(
            (
                budget.connections,
                budget.connections_per_client,
                budget.upstream_sockets
            ),
            (300, 300, 421)
        );
        let budget = distribute(&wants(300, 300), None);
        assert_eq!(
            (budget.connections_per_client, budget.upstream_sockets),
            (300, usize::MAX)
        );
    }

    #[test]
    fn never_more_than_there_is() {
        for descriptors in [0, 64, 256, 1024, 20_000, 1 << 20] {
            for files in [false, true] {
                let budget = distribute(
                    &Wants {
                        files,
                        ..wants(50_000, 5_000)
                    },
                    Some(descriptors),
                );
                let all = budget.connections + budget.open_files + budget.upstream_sockets;
                assert!(
                    all as u64 <= descriptors.saturating_sub(RESERVE).max(8),
                    "{descriptors}: {budget:?}"
                );
                assert!(
                    budget.connections > 0 && budget.upstream_sockets > 0,
                    "{descriptors}: {budget:?}"
                );
                assert!(!files || budget.open_files > 0, "{descriptors}: {budget:?}");
            }
        }
        let many_workers = distribute(
            &Wants {
                workers: 512,
                ..wants(50_000, 5_000)
            },
            Some(1024),
        );
        assert_eq!(many_workers.connections, 206);
    }
}
