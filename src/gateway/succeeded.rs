//! Both sides of an upgrade that has succeeded: what the process that drains still says, and what
//! becomes of it in the process that has replaced it.

use std::time::Duration;

use super::handed::Update;
use super::older::{offer, take_sessions};
use super::running::Running;
use crate::clock;
use crate::status::board::Older;

/// How often it is looked whether an order has ended.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

impl Running {
    /// Waits until no order is under way whose challenges the process that has replaced this one
    /// answers, for `limits.drain` at most.
    pub async fn finish_orders(&self) {
        let deadline = clock::monotonic().checked_add(self.config.limits.drain);
        let is_late = || deadline.is_some_and(|deadline| clock::monotonic() >= deadline);
        while !self.services.challenges.is_empty() && !is_late() {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// What the process that has replaced this one is told of it.
    pub fn draining(&self) -> Update {
        let older = self.board.older();
        Update::Draining {
            processes: older.processes + 1,
            connections: older.connections + self.connections(),
        }
    }

    /// Takes what a process says that this one has replaced; `None` if it has ended.
    pub fn take_update(&self, update: Option<Update>) {
        match update {
            Some(Update::Draining {
                processes,
                connections,
            }) => self.board.set_older(Older {
                processes,
                connections,
            }),
            Some(Update::Sessions(sessions)) => take_sessions(&self.board.snapshot(), sessions),
            Some(Update::Challenges(handed)) => {
                offer(&self.older_offers, &self.services.challenges, handed);
            }
            None => {
                tracing::info!("the process that this one has replaced has ended");
                self.board.set_older(Older::default());
                self.older_offers.lock().clear();
            }
        }
    }

    /// Closes the status listener: the process that has replaced this one has its socket.
    pub fn leave_status(&mut self) {
        self.status = None;
    }
}
