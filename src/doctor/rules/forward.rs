//! What a proxy leads where.

use super::super::place::Place;

/// A proxy that forwards to a port of this machine or another.
pub(super) struct Forward {
    pub(super) proxy: &'static str,
    pub(super) place: Place,
    pub(super) port: u16,
    /// Whether it sends `X-Forwarded-Proto`.
    pub(super) says_https: bool,
    /// After how many milliseconds without a byte an answer is given up. `None`: not known.
    pub(super) request: Option<u64>,
    /// After how many milliseconds without a byte a WebSocket is closed.
    pub(super) tunnel: Option<u64>,
    /// The lines that set the two.
    pub(super) lines: [&'static str; 2],
}
