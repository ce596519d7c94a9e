//! Who knocks: listening sockets, one set for each worker.

use crate::addr::ListenAddr;

/// `[listen]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSpec {
    /// TLS listeners.
    pub https: Vec<ListenAddr>,
    /// Plain listeners, which redirect.
    pub http: Vec<ListenAddr>,
    /// The port that redirects name, where it differs from the first TLS listener's: behind a port mapping.
    pub public_port: Option<u16>,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
}
