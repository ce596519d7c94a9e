//! The end of `ianitor run`: a drain, which a second signal cuts short.

use std::process::ExitCode;
use std::time::Duration;

use ianitor::control::OpenRequests;
use ianitor::gateway::Running;
use ianitor::systemd;

use super::super::output::EXIT_FAILED;
use super::super::signals::Signals;
use super::beat;

/// The time after a drain: for the last close frames, and for background tasks.
const REST: Duration = Duration::from_secs(10);

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
    let how = running.drain_to_stop();
    systemd::stopping(&beat::state("draining", &running), how.longest() + REST);
    let closed = {
        let mut drained = std::pin::pin!(running.drain(how));
        let mut beat = systemd::Beat::new();
        loop {
            tokio::select! {
                closed = &mut drained => break Some(closed),
                () = signals.stop(None) => break None,
                () = beat.next() => beat::report("draining", &running),
            }
        }
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
