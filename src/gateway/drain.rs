//! The end of a gateway: new connections are no longer accepted, then open ones are closed.

use std::time::{Duration, Instant};

use super::running::Running;
use crate::clock;
use crate::worker::Command;

/// How long clients have to answer a close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// How often a drain checks whether all connections have been closed.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

impl Running {
    /// Stops ordering certificates. While this gateway drains, a CA that validates a name would
    /// find no listener, or that of the successor; and each attempt that fails here would delay the
    /// other processes that share the store.
    pub fn stop_orders(&mut self) {
        self.services.stop();
    }

    /// Accepts no more connections and lets requests and tunnels go on for `limits.drain`, then
    /// closes what is left. Returns how many connections are still open because the client has not
    /// answered a close frame.
    pub async fn drain(&self) -> usize {
        self.board.set_draining();
        self.send_all(|| Command::Drain);
        let deadline = clock::monotonic() + self.config.limits.drain;
        if self.wait_empty(deadline).await > 0 {
            tracing::info!(
                connections = self.shared.slots.open(),
                "the drain time is over: closing what is open"
            );
            self.send_all(|| Command::CloseTunnels);
        }
        self.wait_empty(clock::monotonic() + CLOSE_GRACE).await
    }

    async fn wait_empty(&self, deadline: Instant) -> usize {
        // The workers first accept the connections that the kernel has queued.
        tokio::time::sleep(CHECK_INTERVAL).await;
        while self.shared.slots.open() > 0 && clock::monotonic() < deadline {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        self.shared.slots.open()
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
