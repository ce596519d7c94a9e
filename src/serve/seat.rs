//! A connection's slot, and that it is counted as open for as long.

use std::ops::Deref;
use std::sync::Arc;

use crate::slot::Slot;
use crate::telemetry::metrics::{DoorCounts, WorkerMetrics};

/// A slot and the count of its listener's connections.
#[derive(Debug)]
pub struct Seat {
    slot: Slot,
    metrics: Arc<WorkerMetrics>,
    counts: fn(&WorkerMetrics) -> &DoorCounts,
}

impl Seat {
    /// Counts a connection that has got a slot where its kind of listener is counted.
    pub fn new(slot: Slot, metrics: &Arc<WorkerMetrics>, counts: fn(&WorkerMetrics) -> &DoorCounts) -> Self {
        counts(metrics).accepted.one();
        Self { slot, metrics: Arc::clone(metrics), counts }
    }
}

impl Deref for Seat {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        (self.counts)(&self.metrics).closed.one();
    }
}
