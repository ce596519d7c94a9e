//! The end of `ianitor run` after an upgrade: the old process drains while the new one serves.

use std::process::ExitCode;
use std::time::Duration;

use ianitor::control::Control;
use ianitor::gateway::{Running, Update};
use ianitor::systemd;
use ianitor::upgrade::Successor;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::super::signals::Signals;
use super::drain::drain;

/// How often the new process is told of what is left in this one.
const REPORT: Duration = Duration::from_secs(1);

/// The name of the process in `ps` and `top`: at most 15 bytes.
const NAME: &str = "ianitor-drained";

/// Drains a gateway that another process has replaced, and stops it.
pub(super) async fn replaced(
    mut running: Running,
    control: Control,
    mut signals: Signals,
    mut successor: Successor,
    mut older: Option<mpsc::Receiver<Update>>,
) -> ExitCode {
    // The new process has these sockets.
    let requests = control.leave();
    running.leave_status();
    running.stop_orders();
    // Only a name for people.
    let _ = std::fs::write("/proc/self/comm", NAME);
    if let Some(pid) = successor.pid() {
        systemd::hand_over(pid);
    }
    tracing::info!(
        pid = std::process::id(),
        successor = successor.pid(),
        connections = running.connections(),
        "upgraded: the new process accepts connections, and this one drains; SIGTERM to it closes \
         its connections"
    );
    let mut report = tokio::time::interval(REPORT);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let closed = {
        let mut drained = std::pin::pin!(running.drain(running.drain_replaced()));
        let mut has_successor = true;
        loop {
            tokio::select! {
                closed = &mut drained => break Some(closed),
                () = signals.stop() => break None,
                update = next_update(&mut older) => running.take_update(update),
                () = successor.wait(), if has_successor => has_successor = false,
                _ = report.tick(), if has_successor => {
                    let update = running.draining();
                    has_successor = successor.update(&update).await.is_ok();
                }
            }
        }
    };
    let Some(closed) = closed else {
        return drain(running, signals, requests).await;
    };
    requests.finish().await;
    running.stop();
    tracing::info!(connections = closed, "the replaced process has stopped");
    ExitCode::SUCCESS
}

/// What the process that this one has replaced says. `None` when it has ended; without one, this
/// waits for ever.
pub(super) async fn next_update(older: &mut Option<mpsc::Receiver<Update>>) -> Option<Update> {
    let Some(updates) = older else {
        return std::future::pending().await;
    };
    let update = updates.recv().await;
    if update.is_none() {
        *older = None;
    }
    update
}
