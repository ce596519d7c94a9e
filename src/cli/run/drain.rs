//! The end of `ianitor run`: a drain, which a second signal cuts short.

use std::process::ExitCode;

use ianitor::control::OpenRequests;
use ianitor::gateway::Running;

use super::super::output::EXIT_FAILED;
use super::super::signals::Signals;

/// Drains the gateway and stops it.
pub(super) async fn drain(
    mut running: Running,
    mut signals: Signals,
    requests: OpenRequests,
) -> ExitCode {
    running.stop_orders();
    tracing::info!(
        connections = running.connections(),
        "draining; a second signal stops at once"
    );
    let closed = tokio::select! {
        closed = running.drain(running.drain_to_stop()) => Some(closed),
        () = signals.stop() => None,
    };
    requests.finish().await;
    running.stop();
    match closed {
        Some(0) => tracing::info!("stopped"),
        Some(closed) => tracing::warn!(connections = closed, "stopped; connections were closed"),
        None => {
            tracing::warn!("stopped by a second signal");
            return ExitCode::from(EXIT_FAILED);
        }
    }
    ExitCode::SUCCESS
}
