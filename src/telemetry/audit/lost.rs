//! Lines that were not written.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::{Chain, summed};

/// Counts them by reason.
#[derive(Debug, Default)]
pub(super) struct Lost {
    queue_full: AtomicU64,
    write_failed: AtomicU64,
}

/// The kind of the warnings.
const KIND: &str = "lost audit line";

impl Lost {
    /// A line came while as many as may wait were waiting.
    pub(super) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Ordering::Relaxed);
        summed(KIND, "queue_full", |times| {
            tracing::warn!(
                times,
                reason = "queue_full",
                "lines of the audit log are lost: they come faster than they can be written"
            );
        });
    }

    /// A line could not be written.
    pub(super) fn write_failed(&self, error: &io::Error) {
        self.write_failed.fetch_add(1, Ordering::Relaxed);
        let error = Chain(error).to_string();
        summed(KIND, "write_failed", move |times| {
            tracing::warn!(
                times,
                %error,
                reason = "write_failed",
                "lines of the audit log are lost: they cannot be written"
            );
        });
    }

    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("queue_full", get(&self.queue_full)),
            ("write_failed", get(&self.write_failed)),
        ]
    }
}
