//! The servers of one upstream, and which of them a request goes to.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use hyper::Response;
use hyper::body::Incoming;

use super::body::BodyFault;
use super::client::{Busy, Link, Outgoing, Pool, SendError, Sent};
use crate::addr::ClientAddr;
use crate::route::upstream::{Balance, UpstreamSpec};
use crate::telemetry::Chain;
use crate::telemetry::metrics::{UpstreamCounts, class_of};

/// One worker's view of an upstream.
#[derive(Debug)]
pub struct Cluster {
    spec: Arc<UpstreamSpec>,
    pools: Box<[Rc<Pool>]>,
    turn: Cell<usize>,
    counts: Arc<UpstreamCounts>,
}

/// The head of an answer, and what it came from.
pub(super) type Answered = (Response<Incoming>, Box<Link>, Busy);

impl Cluster {
    /// The upstream's servers, each with its pool, in the same order.
    pub fn new(spec: Arc<UpstreamSpec>, pools: Vec<Rc<Pool>>, counts: Arc<UpstreamCounts>) -> Self {
        Self { spec, pools: pools.into(), turn: Cell::new(0), counts }
    }

    /// The upstream.
    pub fn spec(&self) -> &Arc<UpstreamSpec> {
        &self.spec
    }

    /// Its servers' pools.
    pub fn pools(&self) -> &[Rc<Pool>] {
        &self.pools
    }

    /// Sends a request to one of the servers. If that one takes no connection, one other is tried: no byte of the
    /// request has gone anywhere then.
    pub(super) async fn send(&self, client: ClientAddr, mut outgoing: Outgoing) -> Result<Answered, SendError> {
        let first = self.choose(client, None);
        match self.send_to(first, &mut outgoing).await {
            Err(SendError::Connect(_)) if self.pools.len() > 1 && outgoing.is_untouched() => {}
            sent => return sent,
        }
        let second = self.choose(client, Some(first));
        self.send_to(second, &mut outgoing).await
    }

    async fn send_to(&self, at: usize, outgoing: &mut Outgoing) -> Result<Answered, SendError> {
        let pool = &self.pools[at];
        let busy = Busy::new(pool);
        pool.health().tried(pool.ticks());
        let sent = pool.send(outgoing).await;
        match &sent {
            Err(SendError::Connect(error)) => {
                if pool.health().failed(pool.ticks()) && self.pools.len() > 1 {
                    let error = Chain(error);
                    tracing::warn!(upstream = %self.spec.name, %error, "a server takes no connections and is left alone");
                }
            }
            // Nothing was learnt of the server.
            Err(SendError::Full) => {}
            Ok(_) | Err(_) => {
                if pool.health().succeeded(pool.ticks()) && self.pools.len() > 1 {
                    tracing::info!(upstream = %self.spec.name, server = %pool.addr(), "a server takes connections again");
                }
            }
        }
        self.count(&sent);
        sent.map(|(response, link)| (response, link, busy))
    }

    fn count(&self, sent: &Sent) {
        match sent {
            Ok((response, _)) => self.counts.answers[class_of(response.status().as_u16())].one(),
            // The gateway's own want is no failure of the upstream.
            Err(SendError::Full) => {}
            Err(SendError::Connect(_)) => self.counts.unreachable.one(),
            Err(SendError::Late(_)) => self.counts.late.one(),
            Err(SendError::Http(error)) if BodyFault::behind(error).is_some() => {}
            Err(SendError::Http(_)) => self.counts.broken.one(),
        }
    }

    /// Servers that rest come last: if all do, one is asked all the same.
    fn choose(&self, client: ClientAddr, not: Option<usize>) -> usize {
        if self.pools.len() == 1 {
            return 0;
        }
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let rank = |at: usize| match self.spec.balance {
            Balance::Client => self.weight(client, at),
            Balance::RoundRobin => (at + self.pools.len() - turn % self.pools.len()) as u64 % self.pools.len() as u64,
            Balance::Least => self.pools[at].busy() as u64,
        };
        let key = |at: &usize| {
            let pool = &self.pools[*at];
            (Some(*at) == not, Reverse(pool.health().is_up(pool.ticks())), rank(*at))
        };
        (0..self.pools.len()).min_by_key(key).unwrap_or(0)
    }

    /// Rendezvous hashing: every client has its own order of the servers, and keeps it when others come and go. The
    /// hasher's key is fixed, so that all workers and restarts agree.
    fn weight(&self, client: ClientAddr, at: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        (client.ip(), self.pools[at].addr()).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::connect::Connector;
    use crate::route::upstream::{Protocol, UpstreamTls};
    use crate::slot::Sockets;
    use crate::tick::Ticks;

    fn cluster(balance: Balance, count: usize) -> Cluster {
        let servers: Vec<_> = (0..count).map(|at| format!("http://127.0.0.1:{}", 9000 + at).parse().unwrap()).collect();
        let spec = UpstreamSpec {
            name: "janus".into(),
            servers: servers.into(),
            balance,
            protocol: Protocol::Janus,
            tls: UpstreamTls::default(),
        };
        let ticks = Ticks::new();
        let pool = |addr: &_| Pool::new(Connector::new(Clone::clone(addr), &spec.tls, None), &ticks, &Sockets::new(9));
        let pools = spec.servers.iter().map(pool).collect();
        Cluster::new(Arc::new(spec), pools, Arc::default())
    }

    fn client(n: u8) -> ClientAddr {
        ClientAddr::new([192, 0, 2, n].into())
    }

    #[test]
    fn a_client_keeps_its_server_and_only_moves_when_it_rests() {
        let cluster = cluster(Balance::Client, 3);
        let home: Vec<usize> = (0..=255).map(|n| cluster.choose(client(n), None)).collect();
        assert!((0..3).all(|at| home.iter().filter(|home| **home == at).count() > 50), "spread");
        let down = &cluster.pools[0];
        down.health().failed(down.ticks());
        for n in 0..=255 {
            let now = cluster.choose(client(n), None);
            assert_ne!(now, 0);
            assert!(home[usize::from(n)] == 0 || home[usize::from(n)] == now, "only those of server 0 move");
        }
    }

    #[test]
    fn each_in_turn() {
        let cluster = cluster(Balance::RoundRobin, 3);
        let chosen: Vec<usize> = (0..6).map(|_| cluster.choose(client(1), None)).collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn the_least_busy() {
        let cluster = cluster(Balance::Least, 3);
        let held: Vec<Busy> = (0..3).map(|_| Busy::new(&cluster.pools[cluster.choose(client(1), None)])).collect();
        assert!(cluster.pools.iter().all(|pool| pool.busy() == 1));
        drop(held);
        assert!(cluster.pools.iter().all(|pool| pool.busy() == 0));
    }

    #[test]
    fn a_second_try_goes_elsewhere_even_if_all_rest() {
        for balance in [Balance::Client, Balance::RoundRobin, Balance::Least] {
            let cluster = cluster(balance, 2);
            for pool in &cluster.pools {
                pool.health().failed(pool.ticks());
            }
            let first = cluster.choose(client(1), None);
            assert_ne!(cluster.choose(client(1), Some(first)), first);
        }
    }
}
