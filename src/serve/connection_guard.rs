//! A connection's slot, and that it is counted as open for as long.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::addr::Kind;
use crate::slot::Slot;
use crate::telemetry::metrics::{ListenerCounts, WorkerMetrics};

/// A slot and the count of its listener's connections.
#[derive(Debug)]
pub struct ConnectionGuard {
    slot: Slot,
    kind: Kind,
    metrics: Arc<WorkerMetrics>,
}

impl ConnectionGuard {
    /// Counts a connection that has got a slot.
    pub fn new(slot: Slot, kind: Kind, metrics: &Arc<WorkerMetrics>) -> Self {
        let seat = Self {
            slot,
            kind,
            metrics: Arc::clone(metrics),
        };
        seat.counts().accepted.one();
        seat
    }

    fn counts(&self) -> &ListenerCounts {
        match self.kind {
            Kind::Https => &self.metrics.https,
            Kind::Http => &self.metrics.http,
        }
    }
}

impl Deref for ConnectionGuard {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl DerefMut for ConnectionGuard {
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.slot
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.counts().closed.one();
    }
}
