//! A limit of connections that is reached.

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `limits.connections`.
    #[error("limits.connections is reached")]
    Gateway,
    /// `limits.connections_per_client`.
    #[error("limits.connections_per_client is reached")]
    Client,
    /// `limits.handshakes`.
    #[error("limits.handshakes is reached")]
    Handshakes,
    /// `limits.memory`.
    #[error("limits.memory is nearly reached")]
    Memory,
}

impl Full {
    /// The key of the limit in `[limits]`.
    pub fn limit(self) -> &'static str {
        match self {
            Self::Gateway => "connections",
            Self::Client => "connections_per_client",
            Self::Handshakes => "handshakes",
            Self::Memory => "memory",
        }
    }
}
