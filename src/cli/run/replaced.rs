//! The end of `ianitor run` after an upgrade: the old process drains while the new one serves.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ianitor::control::Control;
use ianitor::gateway::{FILE_CHECK_INTERVAL, Running, Update};
use ianitor::systemd;
use ianitor::telemetry::panics::caught_in;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use super::super::signals::Signals;
use super::drain::drain;
use super::upgrade::Replacement;

/// How often it is looked what is left. Seldom: WebSockets may go on for a day.
const LOOK: Duration = Duration::from_millis(500);

/// How often the new process learns what is left in this one.
const REPORT: Duration = Duration::from_secs(1);

/// How often it learns which sessions are used, so that it does not forget those that are only
/// used here.
const SESSIONS: Duration = Duration::from_secs(60);

/// The name of the process in `ps` and `top`: at most 15 bytes.
const NAME: &str = "ianitor-drained";

/// Drains a gateway that another process has replaced, and stops it.
pub(super) async fn replaced(
    mut running: Running,
    control: Control,
    mut signals: Signals,
    new: Replacement,
    mut older: Option<mpsc::Receiver<Update>>,
) -> ExitCode {
    let Replacement {
        mut successor,
        mut changes,
    } = new;
    // The new process has these sockets.
    let requests = control.leave();
    let mut draining = running.begin_replaced();
    // Only a name for people.
    let _ = std::fs::write("/proc/self/comm", NAME);
    let pid = successor.pid();
    if let Some(pid) = pid {
        systemd::hand_over(pid);
    }
    tracing::info!(
        pid = std::process::id(),
        successor = pid,
        connections = running.connections(),
        "upgraded: the new process accepts connections, and this one drains; SIGTERM to it closes \
         its connections"
    );
    let mut look = interval(LOOK);
    let mut files = interval(FILE_CHECK_INTERVAL);
    let mut report = interval(REPORT);
    let mut sessions = interval(SESSIONS);
    let challenges = Arc::clone(running.challenges());
    let mut is_relay = false;
    let closed = loop {
        // What the new process receives; nothing if it has ended.
        let update = tokio::select! {
            _ = look.tick() => match draining.advance(&running) {
                Some(closed) if older.is_none() || successor.has_ended() => break Some(closed),
                Some(_) => {
                    is_relay = is_relay || logged_as_relay();
                    continue;
                }
                None => continue,
            },
            () = signals.stop(successor.pid()) => break None,
            _ = files.tick() => {
                let _ = caught_in(running.follow_files()).await;
                continue;
            }
            update = next_update(&mut older) => {
                let passed_on = match &update {
                    Some(Update::Sessions(sessions)) => Update::Sessions(sessions.clone()),
                    _ => running.draining(),
                };
                running.take_update(update);
                passed_on
            }
            Some(change) = changes.recv() => Update::Sessions(change),
            () = challenges.changed() => Update::Challenges(challenges.hand_over()),
            _ = sessions.tick() => {
                for sessions in running.used_sessions() {
                    successor.tell(&Update::Sessions(sessions)).await;
                }
                continue;
            }
            _ = report.tick() => running.draining(),
            () = successor.wait() => continue,
        };
        successor.tell(&update).await;
    };
    let Some(closed) = closed else {
        return drain(running, signals, requests).await;
    };
    requests.finish().await;
    running.stop();
    tracing::info!(connections = closed, "the replaced process has stopped");
    ExitCode::SUCCESS
}

fn logged_as_relay() -> bool {
    tracing::info!(
        "this process has no connections any more, and stays while an older one drains: it passes \
         on what changes there"
    );
    true
}

fn interval(every: Duration) -> Interval {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// What the process that this one has replaced says. `None` when it has ended; without one, this
/// waits without end.
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
