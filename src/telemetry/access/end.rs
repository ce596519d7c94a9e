//! How requests and tunnels end.

/// What ended a request or tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was sent; for a tunnel, both sides closed it.
    Done,
    /// The client disconnected.
    Client,
    /// The upstream closed the connection early.
    Upstream,
    /// A time limit of the gateway.
    Timeout,
    /// The gateway was stopped.
    Drain,
    /// The permission ended, or a reload removed the route.
    Policy,
    /// A fault of the gateway: its task has panicked.
    Panic,
}

impl End {
    /// All variants in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Client,
        Self::Upstream,
        Self::Timeout,
        Self::Drain,
        Self::Policy,
        Self::Panic,
    ];

    /// The name in the log and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Timeout => "timeout",
            Self::Drain => "drain",
            Self::Policy => "policy",
            Self::Panic => "panic",
        }
    }
}
