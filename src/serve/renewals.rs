//! Passes a renewed token from the worker that received it to all workers: tunnels that were opened
//! with the old token may be on any of them.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc;

use crate::token::issuer::{Tag, Verified};

/// Sends renewals to all workers.
#[derive(Debug, Default)]
pub struct Renewals {
    /// Locked once for each worker at start, and for each renewal.
    workers: Mutex<Vec<mpsc::UnboundedSender<Renewal>>>,
}

/// A new token for the tunnels that were opened with an old one.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The old token.
    pub old: Tag,
    /// The new token. It is shared only while it is being sent: each worker makes its own copy.
    pub new: Arc<Verified>,
    /// Receives the number of tunnels that each worker renewed.
    renewed: mpsc::UnboundedSender<usize>,
}

impl Renewals {
    /// No worker has joined yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a worker; it receives every renewal from now on.
    pub fn join(&self) -> mpsc::UnboundedReceiver<Renewal> {
        let (sender, inbox) = mpsc::unbounded_channel();
        self.lock().push(sender);
        inbox
    }

    /// Renews the tunnels of the old token whose policies accept the new one, and returns their
    /// number.
    pub(super) async fn renew(&self, old: Tag, new: &Verified) -> usize {
        let (renewed, mut counts) = mpsc::unbounded_channel();
        let renewal = Renewal {
            old,
            new: Arc::new(new.clone()),
            renewed,
        };
        // A worker that has stopped has no tunnels.
        self.lock()
            .retain(|worker| worker.send(renewal.clone()).is_ok());
        drop(renewal);
        let mut sum = 0;
        while let Some(count) = counts.recv().await {
            sum += count;
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Vec<mpsc::UnboundedSender<Renewal>>> {
        self.workers.lock()
    }
}

impl Renewal {
    /// Reports how many tunnels a worker renewed.
    pub fn report(&self, count: usize) {
        // The request that asked for the renewal may be gone.
        let _ = self.renewed.send(count);
    }
}
