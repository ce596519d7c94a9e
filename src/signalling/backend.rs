//! What the gateway keeps for an upstream whose messages it understands.

use std::sync::Arc;

use super::Protocol;
use super::janus::Credentials;
use super::owners::Owners;

/// An upstream whose messages are understood. A reload replaces it, with the same owners.
#[derive(Debug)]
pub struct Backend {
    /// What it speaks.
    pub protocol: Protocol,
    /// Whose sessions it has.
    pub owners: Arc<Owners>,
    /// What it wants to see in messages.
    pub credentials: Credentials,
    /// What clients learn about it.
    pub info: InfoPolicy,
    /// Whether it learns the subject of each client that attaches to a plugin.
    pub identify: bool,
}

impl Backend {
    /// Without credentials.
    pub fn new(protocol: Protocol, owners: Arc<Owners>) -> Self {
        Self {
            protocol,
            owners,
            credentials: Credentials::default(),
            info: InfoPolicy::Full,
            identify: false,
        }
    }

    /// Whether messages have to be read even if the policy has no rules for them.
    pub fn changes_messages(&self) -> bool {
        !self.credentials.is_empty() || self.info != InfoPolicy::Full || self.identify
    }
}

/// What clients learn about a server from `info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InfoPolicy {
    /// Everything.
    #[default]
    Full,
    /// Neither versions nor addresses nor dependencies.
    Trim,
    /// Nothing: the request is refused.
    Hide,
}

impl InfoPolicy {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("full", Self::Full),
        ("trim", Self::Trim),
        ("hide", Self::Hide),
    ];
}
