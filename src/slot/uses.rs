//! The kinds of things that a client may have open, each with a limit of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is counted of a client while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientUse {
    /// WebSockets, from their handshakes on.
    Tunnel,
    /// Long polls.
    Poll,
}

/// How many of each kind a client has open.
#[derive(Debug, Default)]
pub(super) struct ClientUses {
    tunnels: AtomicUsize,
    polls: AtomicUsize,
}

impl ClientUses {
    pub(super) fn of(&self, kind: ClientUse) -> &AtomicUsize {
        match kind {
            ClientUse::Tunnel => &self.tunnels,
            ClientUse::Poll => &self.polls,
        }
    }

    pub(super) fn is_none(&self) -> bool {
        [&self.tunnels, &self.polls]
            .into_iter()
            .all(|count| count.load(Ordering::Relaxed) == 0)
    }
}
