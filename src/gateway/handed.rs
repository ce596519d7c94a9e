//! What one process says to the other in an upgrade.

use serde::{Deserialize, Serialize};

use crate::tls::TicketKeys;

/// What the new process needs before it can put its configuration into force.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Early {
    pub(super) tickets: TicketKeys,
}

/// What it needs to go on where the old one is, as it is when the new one starts to accept
/// connections.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Late {}

/// What the old process says while it drains.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// How many processes still drain, and how many connections they have.
    Draining {
        /// The process itself, and those before it.
        processes: usize,
        /// The connections of all of them.
        connections: usize,
    },
}
