//! The end of a gateway: new connections are no longer accepted, then open ones are closed.

use std::time::{Duration, Instant};

use super::running::Running;
use crate::clock;
use crate::limits::Limits;
use crate::serve::drain::DrainTimes;
use crate::worker::Command;

/// How long clients have to answer a close frame.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// How often a drain checks whether all connections have been closed.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How often a drain logs what is left.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How a gateway ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long connections are still accepted.
    pub delay: Duration,
    /// How long requests may go on after that.
    pub requests: Duration,
    /// How long tunnels may go on after `delay`.
    pub tunnels: Duration,
    /// Whether clients may create sessions at a server until the first tunnels are closed.
    pub accepts_sessions: bool,
    /// Whether idle connections of HTTP/1.1 are closed by their next answer, and not before
    /// `requests` is over: a request that is on its way already would be lost.
    pub keeps_idle: bool,
}

impl Drain {
    /// Of a gateway that is stopped, without a successor that accepts meanwhile. A session that is
    /// created now would soon be unknown, so that none is created.
    pub fn to_stop(limits: &Limits) -> Self {
        Self {
            delay: limits.drain_delay,
            requests: limits.drain,
            tunnels: limits.drain,
            accepts_sessions: false,
            keeps_idle: false,
        }
    }

    /// Of a gateway that another process has replaced, which accepts connections meanwhile.
    pub fn replaced(limits: &Limits) -> Self {
        Self {
            delay: Duration::ZERO,
            requests: limits.drain,
            tunnels: limits.drain_tunnels.max(limits.drain),
            accepts_sessions: true,
            keeps_idle: true,
        }
    }

    /// How long it takes at most, until the last close frames are sent.
    pub fn longest(&self) -> Duration {
        let open = self.requests.max(self.tunnels);
        self.delay.saturating_add(open)
    }

    pub(super) fn times(&self) -> DrainTimes {
        DrainTimes {
            requests: self.requests,
            tunnels: self.tunnels,
            keeps_idle: self.keeps_idle,
        }
    }
}

impl Running {
    /// Stops ordering certificates. While this gateway drains, a CA that validates a name would
    /// find no listener, or that of the successor; and each attempt that fails here would delay the
    /// other processes that share the store.
    pub fn stop_orders(&mut self) {
        self.services.stop();
    }

    /// How the gateway ends if nothing follows.
    pub fn drain_to_stop(&self) -> Drain {
        Drain::to_stop(&self.config.limits)
    }

    /// Accepts no more connections, closes open ones in the course of the drain, and at its end
    /// what is left. Returns how many connections are still open because the client has not
    /// answered a close frame. If it is dropped, the workers go on with it, and another call
    /// replaces it.
    pub async fn drain(&self, drain: Drain) -> usize {
        self.board.set_draining();
        if !drain.accepts_sessions {
            self.refuse_sessions();
        }
        if !drain.delay.is_zero() {
            let delay = drain.delay.as_secs_f32();
            tracing::info!(
                seconds = delay,
                "connections are accepted for limits.drain_delay"
            );
            tokio::time::sleep(drain.delay).await;
        }
        let times = drain.times();
        self.send_all(|| Command::Drain(times));
        self.probe_tasks.stop();
        let begun = clock::monotonic();
        if drain.accepts_sessions {
            let refusing = begun.checked_add(times.before_closing());
            if self.wait_empty(refusing).await > 0 {
                self.refuse_sessions();
            }
        }
        let deadline = begun.checked_add(drain.requests.max(drain.tunnels));
        if self.wait_empty(deadline).await > 0 {
            tracing::info!(
                connections = self.connections(),
                websockets = self.tunnels(),
                "the drain time is over: closing what is open"
            );
            self.send_all(|| Command::CloseTunnels);
        }
        self.wait_empty(clock::monotonic().checked_add(CLOSE_GRACE))
            .await
    }

    /// New sessions at servers whose messages are judged are refused in the words of the protocol.
    pub(super) fn refuse_sessions(&self) {
        let snapshot = self.board.snapshot();
        let owners = snapshot.upstreams.iter();
        for owners in owners.filter_map(|upstream| upstream.owners.as_ref()) {
            owners.refuse_sessions();
        }
    }

    async fn wait_empty(&self, deadline: Option<Instant>) -> usize {
        // The workers first accept the connections that the kernel has queued.
        tokio::time::sleep(CHECK_INTERVAL).await;
        let mut logged = clock::monotonic();
        while self.connections() > 0 {
            let now = clock::monotonic();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            if now.saturating_duration_since(logged) >= LOG_INTERVAL {
                logged = now;
                tracing::info!(
                    connections = self.connections(),
                    websockets = self.tunnels(),
                    seconds_left = left.map(|left| left.as_secs()),
                    "draining"
                );
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        self.connections()
    }

    /// Stops the workers, whatever is open.
    pub fn stop(self) {
        self.send_all(|| Command::Stop);
        for worker in self.workers {
            worker.join();
        }
        self.shared.audit.stop();
    }
}
