//! A connection's slot together with the listener's count of open connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::addr::Kind;
use crate::slot::{Slot, WorkerSlot};
use crate::telemetry::metrics::{ListenerCounts, WorkerMetrics};

/// A connection's slot. While this exists, the connection is counted as open on its listener.
#[derive(Debug)]
pub struct ConnectionGuard {
    slot: Slot,
    /// The worker's count.
    _of_worker: WorkerSlot,
    kind: Kind,
    metrics: Arc<WorkerMetrics>,
}

impl ConnectionGuard {
    /// Counts a connection that has a slot.
    pub fn new(
        slot: Slot,
        of_worker: WorkerSlot,
        kind: Kind,
        metrics: &Arc<WorkerMetrics>,
    ) -> Self {
        let guard = Self {
            slot,
            _of_worker: of_worker,
            kind,
            metrics: Arc::clone(metrics),
        };
        guard.counts().accepted.inc();
        guard
    }

    fn counts(&self) -> &ListenerCounts {
        match self.kind {
            Kind::Https => &self.metrics.https,
            Kind::Http => &self.metrics.http,
            Kind::Plain => &self.metrics.plain,
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
        self.counts().closed.inc();
    }
}
