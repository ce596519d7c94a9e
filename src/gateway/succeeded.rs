//! The end of a gateway that another process has replaced.

use super::drain::Drain;
use super::handed::Update;
use super::running::Running;
use crate::status::board::Older;

impl Running {
    /// How the gateway ends when another process has replaced it.
    pub fn drain_replaced(&self) -> Drain {
        Drain::replaced(&self.config.limits)
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
            None => {
                tracing::info!("the process that this one has replaced has ended");
                self.board.set_older(Older::default());
            }
        }
    }

    /// Closes the status listener: the process that has replaced this one has its socket.
    pub fn leave_status(&mut self) {
        self.status = None;
    }
}
