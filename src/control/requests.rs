//! The requests that are being answered, whichever socket they came by, and how many there may be.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::call::CallError;

/// Connections at once, beside those that wait for an order; more are closed.
const CONNECTIONS: usize = 32;

/// Requests that wait for an order of a certificate, which may take minutes; more are rejected.
const RENEWALS: usize = 32;

/// How long a gateway that stops waits until its last answers are written.
const FINISH_TIME: Duration = Duration::from_secs(2);

/// What the sockets of a gateway share.
#[derive(Debug)]
pub(super) struct Requests {
    connections: Arc<Semaphore>,
    renewals: Arc<Semaphore>,
    /// Becomes true when the gateway stops. Each request has a receiver until it is answered.
    stopping: watch::Sender<bool>,
}

impl Requests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            renewals: Arc::new(Semaphore::new(RENEWALS)),
            stopping: watch::Sender::new(false),
        })
    }

    /// A place for a connection, if there is one.
    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.connections).try_acquire_owned().ok()?;
        Some(Place {
            requests: Arc::clone(self),
            permit: Mutex::new(permit),
            in_progress: Mutex::new(None),
        })
    }

    /// Has every request answered now, and waits until the answers are written.
    pub(super) async fn finish(&self) {
        self.stopping.send_replace(true);
        // A client that does not read its answer is not waited for.
        let _ = timeout(FINISH_TIME, self.stopping.closed()).await;
    }
}

/// The place of a connection. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    requests: Arc<Requests>,
    permit: Mutex<OwnedSemaphorePermit>,
    in_progress: Mutex<Option<watch::Receiver<bool>>>,
}

impl Place {
    /// Makes room for another connection, because this one waits for an order from now on.
    ///
    /// # Errors
    /// 503 if too many wait for an order already.
    pub(super) fn wait_for_order(&self) -> Result<(), CallError> {
        let renewals = Arc::clone(&self.requests.renewals);
        let Ok(permit) = renewals.try_acquire_owned() else {
            let text = format!(
                "{RENEWALS} requests are waiting for orders already; try again when \
                one has ended"
            );
            return Err(CallError::new(StatusCode::SERVICE_UNAVAILABLE, text));
        };
        *self.permit.lock() = permit;
        Ok(())
    }

    /// Says that the request of this connection is answered.
    pub(super) fn end(&self) {
        self.in_progress.lock().take();
    }

    /// Says that the connection has a request. Resolves when the gateway stops.
    pub(super) async fn begin(&self) {
        let mut stopping = self.requests.stopping.subscribe();
        *self.in_progress.lock() = Some(stopping.clone());
        // The sender is kept by the place.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}
