//! A request that waits for a connection to a server.

use std::sync::Arc;

use crate::slot::QueuePlace;
use crate::telemetry::metrics::{Count, QueueCounts, UpstreamCounts};

/// A place in the queue of a server, until the request has got a connection or given up.
#[derive(Debug)]
pub(super) struct Waiting {
    place: QueuePlace,
    counts: Arc<UpstreamCounts>,
    /// What is counted when it ends.
    end: fn(&QueueCounts) -> &Count,
}

impl Waiting {
    /// Waits until it is dropped. If nothing else is said by then, its client has left.
    pub(super) fn new(place: QueuePlace, counts: &Arc<UpstreamCounts>) -> Self {
        Self {
            place,
            counts: Arc::clone(counts),
            end: |queued| &queued.left,
        }
    }

    /// Its place.
    pub(super) fn place(&self) -> &QueuePlace {
        &self.place
    }

    /// It has got a connection.
    pub(super) fn end_served(mut self) {
        self.end = |queued| &queued.served;
    }

    /// It has waited for long enough.
    pub(super) fn end_late(mut self) {
        self.end = |queued| &queued.late;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        (self.end)(&self.counts.queued).inc();
    }
}
