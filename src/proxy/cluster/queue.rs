//! Requests that wait until a server has a connection for them.

use tokio::time::{Instant, timeout_at};

use super::super::client::{Outgoing, SendError};
use super::super::waiting::Waiting;
use super::send::is_full;
use super::{Answered, Cluster};
use crate::slot::CountedClient;

impl Cluster {
    /// Waits for a connection to a server that is full, where its upstream has a `queue`, and sends
    /// the request over it.
    pub(super) async fn wait_in_queue(
        &self,
        at: usize,
        mut error: SendError,
        counted: &CountedClient,
        outgoing: &mut Outgoing<'_>,
    ) -> Result<Answered, SendError> {
        let pool = &self.pools[at];
        let until = Instant::now() + pool.queue();
        let mut waiting = self.queue_up(at, &error, counted, outgoing.is_alone());
        while waiting.is_some() {
            let sent = self.attempt(at, &mut waiting, counted, outgoing).await;
            let Some(still) = waiting.take() else {
                return sent;
            };
            error = match sent {
                Err(error) if is_full(&error) => error,
                sent => return sent,
            };
            still.place().stay(matches!(error, SendError::ServerFull));
            match timeout_at(until, still.place().turn()).await {
                Ok(()) => waiting = Some(still),
                Err(_) => still.end_late(),
            }
        }
        pool.note_refused(&error);
        Err(error)
    }

    /// A place in the queue of a server, if it has one.
    fn queue_up(
        &self,
        at: usize,
        error: &SendError,
        counted: &CountedClient,
        alone: bool,
    ) -> Option<Waiting> {
        let (pool, is_blocked) = (&self.pools[at], matches!(error, SendError::ServerFull));
        if pool.queue().is_zero() || !pool.is_limited(alone) {
            return None;
        }
        let place = pool.queue_up(counted, alone, is_blocked);
        if place.is_none() {
            self.counts.queued.refused.inc();
        }
        Some(Waiting::new(place?, &self.counts))
    }
}
