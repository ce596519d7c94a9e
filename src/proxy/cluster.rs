//! The servers of one upstream, and which of them a request goes to.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::Response;
use hyper::body::Incoming;

use super::client::{LoadGuard, Outgoing, Pool, SendError, Sent, UpstreamConn};
use super::request_body::BodyFault;
use crate::addr::ClientAddr;
use crate::route::upstream::{Balance, UpstreamSpec};
use crate::slot::CountedClient;
use crate::telemetry::Chain;
use crate::telemetry::metrics::{UpstreamCounts, class_of};

/// One worker's view of an upstream.
#[derive(Debug)]
pub struct Cluster {
    spec: Arc<UpstreamSpec>,
    pools: Box<[Rc<Pool>]>,
    /// The hash of each server's address as configured.
    keys: Box<[u64]>,
    turn: Cell<usize>,
    counts: Arc<UpstreamCounts>,
}

/// The head of an answer, and what it came from.
pub(super) type Answered = (Response<Incoming>, Box<UpstreamConn>, LoadGuard);

impl Cluster {
    /// The upstream's servers, each with its pool, in the same order.
    pub fn new(spec: Arc<UpstreamSpec>, pools: Vec<Rc<Pool>>, counts: Arc<UpstreamCounts>) -> Self {
        let keys = pools
            .iter()
            .map(|pool| fnv(FNV_BASIS, pool.addr().to_string().as_bytes()))
            .collect();
        Self {
            spec,
            pools: pools.into(),
            keys,
            turn: Cell::new(0),
            counts,
        }
    }

    /// The upstream.
    pub fn spec(&self) -> &Arc<UpstreamSpec> {
        &self.spec
    }

    /// Its servers' pools.
    pub fn pools(&self) -> &[Rc<Pool>] {
        &self.pools
    }

    /// Sends a request to one of the servers. If that one takes no connection, one other is tried:
    /// no byte of the request has gone anywhere then, or it may be sent once more. So it is with
    /// one that has as many as it may have, unless clients belong to their server.
    pub(super) async fn send(
        &self,
        client: ClientAddr,
        counted: &CountedClient,
        mut outgoing: Outgoing,
    ) -> Result<Answered, SendError> {
        let first = self.choose(client, None);
        match self.send_to(first, counted, &mut outgoing).await {
            Err(error)
                if self.pools.len() > 1
                    && outgoing.is_untouched()
                    && self.is_for_another(&error) => {}
            sent => return sent,
        }
        let second = self.choose(client, Some(first));
        self.send_to(second, counted, &mut outgoing).await
    }

    fn is_for_another(&self, error: &SendError) -> bool {
        match error {
            SendError::Connect(_) => true,
            SendError::ServerFull => self.spec.balance != Balance::Client,
            _ => false,
        }
    }

    async fn send_to(
        &self,
        at: usize,
        counted: &CountedClient,
        outgoing: &mut Outgoing,
    ) -> Result<Answered, SendError> {
        let pool = &self.pools[at];
        let (room, max) = pool.room();
        let Ok(client) = counted.enter(room, max, outgoing.is_alone()) else {
            pool.note_refused(&SendError::OverShare);
            return Err(SendError::OverShare);
        };
        let load = LoadGuard::new(pool);
        pool.health().tried(pool.ticks());
        let sent = pool.send(outgoing, client).await;
        match &sent {
            Err(SendError::Connect(error)) => {
                if pool.health().failed(pool.ticks()) && self.pools.len() > 1 {
                    let error = Chain(error);
                    tracing::warn!(upstream = %self.spec.name, %error, "a server takes no connections and is left alone");
                }
            }
            // Nothing was learnt of the server.
            Err(SendError::Full | SendError::ServerFull | SendError::OverShare) => {}
            Ok(_) | Err(_) => {
                if pool.health().succeeded(pool.ticks()) && self.pools.len() > 1 {
                    tracing::info!(upstream = %self.spec.name, server = %pool.addr(), "a server takes connections again");
                }
            }
        }
        self.count(&sent);
        sent.map(|(response, conn)| (response, conn, load))
    }

    fn count(&self, sent: &Sent) {
        match sent {
            Ok((response, _)) => self.counts.answers[class_of(response.status().as_u16())].one(),
            // The gateway's own limits are no failure of the upstream.
            Err(SendError::Full | SendError::ServerFull | SendError::OverShare) => {}
            Err(SendError::Connect(_)) => self.counts.unreachable.one(),
            Err(SendError::Late(_)) => self.counts.late.one(),
            Err(SendError::Http(error)) if BodyFault::behind(error).is_some() => {}
            Err(SendError::Http(_)) => self.counts.broken.one(),
        }
    }

    /// Servers that rest come last: if all do, one is asked all the same. One that has just come
    /// back gives most of its turns to those that have been there all the time.
    fn choose(&self, client: ClientAddr, not: Option<usize>) -> usize {
        if self.pools.len() == 1 {
            return 0;
        }
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        let is_other = |at: usize| Some(at) != not;
        let is_up = |at: usize| is_other(at) && self.is_up(at);
        let chosen = self
            .pick(client, turn, is_up)
            .or_else(|| self.pick(client, turn, is_other))
            .unwrap_or(0);
        if self.takes_its_turn(client, chosen) {
            return chosen;
        }
        self.pick(client, turn, |at| is_up(at) && self.pace(at) == 1)
            .unwrap_or(chosen)
    }

    /// The best of those that may be asked. Turns are taken among these alone: counted over all,
    /// the turns of one that rests would all fall to the next in line.
    fn pick(&self, client: ClientAddr, turn: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let all = || (0..self.pools.len()).filter(|at| may(*at));
        if self.spec.balance == Balance::Client {
            return all().min_by_key(|at| self.weight(client, *at));
        }
        let load = |at: usize| {
            if self.spec.balance == Balance::Least {
                self.pools[at].busy()
            } else {
                0
            }
        };
        let least = all().map(load).min()?;
        let equals = || all().filter(|at| load(*at) == least);
        equals().nth(turn % equals().count())
    }

    /// With `client`, it is always the same clients who wait until a server is all back: nobody
    /// goes to and fro.
    fn takes_its_turn(&self, client: ClientAddr, at: usize) -> bool {
        let pace = self.pace(at);
        let number = || match self.spec.balance {
            Balance::Client => self.weight(client, at),
            Balance::RoundRobin | Balance::Least => self.pools[at].health().next_turn(),
        };
        pace == 1 || number().is_multiple_of(pace)
    }

    fn is_up(&self, at: usize) -> bool {
        self.pools[at].health().is_up(self.pools[at].ticks())
    }

    fn pace(&self, at: usize) -> u64 {
        self.pools[at].health().pace(self.pools[at].ticks())
    }

    /// Rendezvous hashing: every client has its own order of the servers, and keeps it when others
    /// come and go. A client is its group: the addresses of one IPv6 network change by the hour.
    fn weight(&self, client: ClientAddr, at: usize) -> u64 {
        spread(fnv(self.keys[at], &client.group().octets()))
    }
}

/// FNV-1a over 64 bits, begun by [`FNV_BASIS`]. Written out, since all workers, restarts and
/// releases, of this program and of Rust, have to agree: the standard library's hasher promises
/// nothing of the kind.
fn fnv(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV leaves neighbours close together; this lets every bit have a say in every other (the end of
/// MurmurHash3).
fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
