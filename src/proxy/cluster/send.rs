//! A request to a server of an upstream, and to another one if the first did not get it.

use std::sync::Arc;

use super::super::client::{LoadGuard, Outgoing, SendError, Sent};
use super::super::waiting::Waiting;
use super::{Answered, Cluster};
use crate::addr::ClientAddr;
use crate::route::upstream::Balance;
use crate::slot::CountedClient;
use crate::telemetry::metrics::class_of;
use crate::telemetry::{Chain, summed};

impl Cluster {
    /// Sends a request to one of the servers. If that server does not accept a connection, another
    /// one is tried: no byte of the request has been sent then, or it may be sent a second time.
    /// The same goes for a server that has all the connections that it may have, unless `balance`
    /// ties clients to their server. A request that may go to one server alone (`only`) never goes
    /// to another.
    pub(in crate::proxy) async fn send(
        &self,
        only: Option<usize>,
        client: ClientAddr,
        counted: &CountedClient,
        outgoing: &mut Outgoing<'_>,
    ) -> Result<Answered, SendError> {
        // Only the handshake of a WebSocket is known to begin something where clients are tied to
        // their server.
        let is_new = outgoing.is_alone() || self.spec.balance != Balance::Client;
        let first = match only {
            Some(only) => only,
            None => self.choose(client, None, is_new),
        };
        let error = if self.pools[first].has_queue(outgoing.is_alone()) {
            SendError::ServerFull
        } else {
            match self.attempt(first, &mut None, counted, outgoing).await {
                Err(error) if outgoing.is_untouched() => error,
                sent => return sent,
            }
        };
        let second = |first, error: &SendError| match only {
            Some(_) => None,
            None => self.second(client, first, is_new, error),
        };
        // Boxed: most requests are answered by the first server.
        Box::pin(self.send_elsewhere((first, error), second, counted, outgoing)).await
    }

    /// Sends a request that a server did not get to another one, and while that is down too, to
    /// further ones that are up; or waits in a queue for one that is full.
    async fn send_elsewhere(
        &self,
        (mut at, mut error): (usize, SendError),
        second: impl Fn(usize, &SendError) -> Option<usize>,
        counted: &CountedClient,
        outgoing: &mut Outgoing<'_>,
    ) -> Result<Answered, SendError> {
        let mut next = second(at, &error);
        let mut servers = self.pools.len();
        while let Some(to) = next.take() {
            let was_down = matches!(error, SendError::Connect(_));
            match self.send_to(to, counted, outgoing).await {
                Err(other) if outgoing.is_untouched() => {
                    // Of two the one that has a connection later.
                    if is_full(&other) || !is_full(&error) || self.pools[at].queue().is_zero() {
                        (at, error) = (to, other);
                    }
                }
                sent => return sent,
            }
            // Each of them is left out from now on, so the next one is another.
            servers -= 1;
            let is_down = was_down && matches!(error, SendError::Connect(_));
            if is_down && servers > 1 && self.has_another_up(at) {
                next = second(at, &error);
            }
        }
        if !is_full(&error) {
            self.pools[at].note_refused(&error);
            return Err(error);
        }
        let error = match self.wait_in_queue(at, error, counted, outgoing).await {
            // It may have been woken because the server has gone.
            Err(error @ SendError::Connect(_)) if outgoing.is_untouched() => error,
            sent => return sent,
        };
        match second(at, &error) {
            Some(second) => self.send_to(second, counted, outgoing).await,
            None => Err(error),
        }
    }

    fn has_another_up(&self, than: usize) -> bool {
        (0..self.pools.len()).any(|at| at != than && self.is_up(at))
    }

    /// The server for a request that the first one did not get, if there is another for it.
    ///
    /// A server that accepts no connection gives no load to the next one that it did not have
    /// already, so only attempts at servers that may be down as well are limited.
    pub(super) fn second(
        &self,
        client: ClientAddr,
        first: usize,
        is_new: bool,
        error: &SendError,
    ) -> Option<usize> {
        match error {
            SendError::Connect(_) if self.pools.len() > 1 => {
                let second = self.choose(client, Some(first), is_new);
                if self.is_up(second) {
                    self.counts.retries.moved.inc();
                    return Some(second);
                }
                self.retries.take().then_some(second)
            }
            SendError::ServerFull if self.spec.balance != Balance::Client => {
                // A server that is full is not down, so no backup takes its place.
                let among = self.alike(first);
                self.pick(client, self.next_turn(), among, |at| {
                    at != first && self.is_up(at) && !(is_new && self.is_full(at))
                })
            }
            _ => None,
        }
    }

    async fn send_to(
        &self,
        at: usize,
        counted: &CountedClient,
        outgoing: &mut Outgoing<'_>,
    ) -> Result<Answered, SendError> {
        if self.pools[at].has_queue(outgoing.is_alone()) {
            return Err(SendError::ServerFull);
        }
        self.attempt(at, &mut None, counted, outgoing).await
    }

    /// Sends a request to a server. While there is a place in the queue afterwards, the request has
    /// got no connection.
    pub(super) async fn attempt(
        &self,
        at: usize,
        place: &mut Option<Waiting>,
        counted: &CountedClient,
        outgoing: &mut Outgoing<'_>,
    ) -> Result<Answered, SendError> {
        let pool = &self.pools[at];
        let (room, max) = pool.room();
        let Ok(client) = counted.enter(room, max, outgoing.is_alone()) else {
            return Err(SendError::OverShare);
        };
        let load = LoadGuard::new(pool);
        pool.health().tried(pool.ticks(), self.states[at].answers());
        let sent = pool.send(outgoing, client, &self.retries, place).await;
        match &sent {
            Err(SendError::Connect(error)) => {
                let answers = self.states[at].answers();
                if pool.health().failed(pool.ticks(), answers) && self.pools.len() > 1 {
                    self.log_down(at, Chain(error).to_string());
                }
            }
            // The server was not asked.
            Err(SendError::Full | SendError::ServerFull | SendError::OverShare) => {}
            Ok(_) | Err(_) => {
                if pool.health().succeeded(pool.ticks()) && self.pools.len() > 1 {
                    tracing::info!(
                        upstream = %self.spec.name,
                        server = %self.spec.server_name(at),
                        "a server accepts connections again"
                    );
                }
            }
        }
        self.count(&sent);
        sent.map(|(response, conn)| (response, conn, load))
    }

    fn log_down(&self, at: usize, error: String) {
        let (spec, server) = (Arc::clone(&self.spec), self.spec.server_name(at));
        let what = match spec.is_by_path() {
            true => "a bridge does not accept connections",
            false => "a server does not accept connections and gets no requests for a while",
        };
        summed("server_down", &server.clone(), move |times| {
            tracing::warn!(upstream = %spec.name, server, times, error, "{what}");
        });
    }

    fn count(&self, sent: &Sent) {
        match sent {
            Ok((response, _)) => self.counts.answers[class_of(response.status().as_u16())].inc(),
            // The gateway's own limits are no failure of the upstream.
            Err(SendError::Full | SendError::ServerFull | SendError::OverShare) => {}
            Err(SendError::Connect(_)) => self.counts.unreachable.inc(),
            Err(SendError::Late(_)) => self.counts.late.inc(),
            Err(SendError::Body(_)) => {}
            Err(SendError::Broken(_) | SendError::HeadUnanswered { .. }) => {
                self.counts.broken.inc();
            }
        }
    }
}

/// Whether the request may get a connection to the server if it waits.
pub(super) fn is_full(error: &SendError) -> bool {
    matches!(error, SendError::ServerFull | SendError::OverShare)
}
