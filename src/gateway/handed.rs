//! What one process says to the other in an upgrade.

use serde::{Deserialize, Serialize};

use super::issuers::HandedKeys;
use crate::auth::{HandedFailures, HandedToken, TaggerKey};
use crate::signalling::owners::Handed;
use crate::tls::TicketKeys;
use crate::tls::challenges::HandedChallenge;

/// What the new process needs before it can put its configuration into force.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Early {
    pub(super) tickets: TicketKeys,
    pub(super) tagger: TaggerKey,
    pub(super) keys: Vec<HandedKeys>,
}

/// What it needs to go on where the old one is, as it is when the new one starts to accept
/// connections.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Late {
    /// By upstream.
    pub(super) sessions: Vec<Sessions>,
    pub(super) tokens: Vec<HandedToken>,
    pub(super) failures: HandedFailures,
    pub(super) challenges: Vec<HandedChallenge>,
}

/// Whose sessions an upstream has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sessions {
    pub(super) upstream: Box<str>,
    pub(super) sessions: Vec<Handed>,
}

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
    /// Sessions that have been created or have ended.
    Sessions(Sessions),
    /// The challenges of orders that are still under way there, all of them.
    Challenges(Vec<HandedChallenge>),
}
