//! What systemd learns of the running gateway.

use ianitor::gateway::Running;
use ianitor::systemd;

/// Says that connections are accepted.
pub(super) fn ready(running: &Running) {
    systemd::ready(&state("accepting", running));
}

/// Says that the gateway is alive, unless a worker has stalled, and what is open.
pub(super) fn report(doing: &str, running: &Running) {
    if running.stalled_workers() == 0 {
        systemd::alive();
    }
    systemd::status(&state(doing, running));
}

/// What `systemctl status` shows.
pub(super) fn state(doing: &str, running: &Running) -> String {
    let (connections, websockets) = (running.connections(), running.tunnels());
    format!("{doing}: {connections} connections, of which {websockets} are WebSockets")
}
