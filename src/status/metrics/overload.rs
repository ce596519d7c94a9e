//! Metrics of overload: memory, workers that cannot keep up, handshakes in progress.

use super::super::board::Board;
use super::family::{Labels, Numbers};

impl Numbers {
    pub(super) fn overload(&mut self, board: &Board) {
        let flag = |reason: &str, is_set: bool| {
            let value = f64::from(u8::from(is_set));
            (vec![("reason", reason.to_owned())], value)
        };
        let overloaded = [
            flag("memory", board.is_short_of_memory()),
            flag("overload", board.overloaded_workers() > 0),
        ];
        self.gauge(
            "overloaded",
            "1 while new work is rejected, by reason",
            overloaded,
        );
        let one = |value: u64| [(Labels::new(), value as f64)];
        self.gauge(
            "resident_memory_bytes",
            "Memory that the process has: its resident set",
            one(board.resident_memory()),
        );
        self.gauge(
            "memory_limit_bytes",
            "limits.memory; 0 if there is none",
            one(board.memory_limit().unwrap_or(0)),
        );
        self.gauge(
            "tls_handshakes_in_progress",
            "TLS handshakes that have not ended yet",
            one(board.handshakes() as u64),
        );
    }
}
