//! The servers of one upstream, and which of them a request goes to.

mod queue;
mod send;

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use http::Response;

use super::client::{LoadGuard, Pool, UpstreamConn};
use super::retries::RetryBudget;
use crate::addr::ClientAddr;
use crate::route::health::{Probed, ServerState};
use crate::route::upstream::{Balance, UpstreamSpec};
use crate::telemetry::metrics::UpstreamCounts;

/// One worker's view of an upstream.
#[derive(Debug)]
pub struct Cluster {
    spec: Arc<UpstreamSpec>,
    pools: Box<[Rc<Pool>]>,
    /// What probes say of each server.
    states: Box<[Arc<ServerState>]>,
    /// The hash of each server's address as configured.
    keys: Box<[u64]>,
    turn: Cell<usize>,
    counts: Arc<UpstreamCounts>,
    retries: RetryBudget,
}

/// The head of an answer, and the connection that it came over.
pub(super) type Answered = (Response<()>, Box<UpstreamConn>, LoadGuard);

impl Cluster {
    /// The upstream's servers, each with its pool and its state, in the same order.
    pub fn new(
        spec: Arc<UpstreamSpec>,
        pools: Vec<Rc<Pool>>,
        states: Box<[Arc<ServerState>]>,
        counts: Arc<UpstreamCounts>,
    ) -> Self {
        let keys = pools
            .iter()
            .map(|pool| fnv(FNV_BASIS, pool.addr().to_string().as_bytes()))
            .collect();
        Self {
            spec,
            pools: pools.into(),
            states,
            keys,
            turn: Cell::new(0),
            retries: RetryBudget::new(&counts),
            counts,
        }
    }

    /// The worker's counters of the upstream.
    pub fn counts(&self) -> &Arc<UpstreamCounts> {
        &self.counts
    }

    /// The upstream.
    pub fn spec(&self) -> &Arc<UpstreamSpec> {
        &self.spec
    }

    /// Its servers' pools.
    pub fn pools(&self) -> &[Rc<Pool>] {
        &self.pools
    }

    /// Closes connections that have been idle for too long, and notes what probes say: a server may
    /// be down and up again while no request comes.
    pub fn sweep(&self) {
        for (pool, state) in self.pools.iter().zip(&self.states) {
            pool.sweep();
            let is_down = state.probed() == Probed::Down;
            pool.health().note_probed(is_down, pool.ticks());
            self.retries.sweep(pool.ticks().now());
        }
    }

    /// Chooses a server. Servers that failed are left out for a while, and those that are down by
    /// their probes, unless all of them are; `is_new` leaves out those that accept no new sessions
    /// too. Backups get nothing while another server may be asked. A server that has just come back
    /// passes most of its turns on to the others, or to backups.
    fn choose(&self, client: ClientAddr, not: Option<usize>, is_new: bool) -> usize {
        if self.pools.len() == 1 {
            return 0;
        }
        let turn = self.next_turn();
        let is_other = |at: usize| Some(at) != not;
        let is_up = |at: usize| is_other(at) && self.is_up(at);
        let is_open = |at: usize| is_up(at) && !(is_new && self.is_full(at));
        let chosen = self
            .pick_ordinary_first(client, turn, is_open)
            .or_else(|| self.pick_ordinary_first(client, turn, is_up))
            .or_else(|| self.pick_ordinary_first(client, turn, is_other))
            .unwrap_or(0);
        if self.takes_its_turn(client, chosen) {
            return chosen;
        }
        self.pick_ordinary_first(client, turn, |at| is_open(at) && self.pace(at) == 1)
            .unwrap_or(chosen)
    }

    fn next_turn(&self) -> usize {
        self.turn.replace(self.turn.get().wrapping_add(1))
    }

    /// The positions of the servers that are backups if this one is, else of those that are not.
    fn alike(&self, at: usize) -> Range<usize> {
        let ordinary = self.pools.len() - self.spec.backups;
        match at < ordinary {
            true => 0..ordinary,
            false => ordinary..self.pools.len(),
        }
    }

    fn pick_ordinary_first(
        &self,
        client: ClientAddr,
        turn: usize,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let ordinary = self.alike(0);
        let backups = ordinary.end..self.pools.len();
        self.pick(client, turn, ordinary, &may)
            .or_else(|| self.pick(client, turn, backups, &may))
    }

    /// The best of the servers that may be asked. Turns go round among these alone; otherwise all
    /// turns of a server that is left out would fall to the next one.
    fn pick(
        &self,
        client: ClientAddr,
        turn: usize,
        among: Range<usize>,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let all = || among.clone().filter(|at| may(*at));
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

    /// Whether a server that has just come back accepts this request itself. With `balance =
    /// "client"`, that depends on the client alone, so that no client goes back and forth.
    fn takes_its_turn(&self, client: ClientAddr, at: usize) -> bool {
        let pace = self.pace(at);
        let number = || match self.spec.balance {
            Balance::Client => self.weight(client, at),
            Balance::RoundRobin | Balance::Least => self.pools[at].health().next_turn(),
        };
        pace == 1 || number().is_multiple_of(pace)
    }

    fn is_up(&self, at: usize) -> bool {
        let (pool, state) = (&self.pools[at], &self.states[at]);
        let is_down = state.probed() == Probed::Down;
        pool.health().note_probed(is_down, pool.ticks());
        !is_down && pool.health().is_up(pool.ticks(), state.answers())
    }

    fn is_full(&self, at: usize) -> bool {
        self.states[at].probed() == Probed::Full
    }

    fn pace(&self, at: usize) -> u64 {
        self.pools[at].health().pace(self.pools[at].ticks())
    }

    /// Rendezvous hashing: each client has its own order of the servers and keeps it when servers
    /// come and go. A client here is its group, since the address of an IPv6 client changes often.
    fn weight(&self, client: ClientAddr, at: usize) -> u64 {
        spread(fnv(self.keys[at], &client.group().octets()))
    }
}

/// FNV-1a with 64 bits, starting from [`FNV_BASIS`]. All workers and all releases, of this program
/// and of Rust, have to agree on it, which the standard library's hasher does not promise.
fn fnv(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV gives similar inputs similar hashes. This makes each bit depend on all others (the finalizer
/// of MurmurHash3).
fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
