//! The servers of one upstream, and which of them a request goes to.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::Response;
use hyper::body::Incoming;

use super::body::BodyFault;
use super::client::{Busy, Link, Outgoing, Pool, SendError, Sent};
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
pub(super) type Answered = (Response<Incoming>, Box<Link>, Busy);

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
        let busy = Busy::new(pool);
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
        sent.map(|(response, link)| (response, link, busy))
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proxy::connect::Connector;
    use crate::resolve::Resolver;
    use crate::route::upstream::{KEEP_ALIVE, Protocol, UpstreamTls};
    use crate::slot::{MaxConnections, Sockets};
    use crate::tick::{TICK, Ticks};

    fn cluster(balance: Balance, count: usize) -> Cluster {
        let servers: Vec<_> = (0..count)
            .map(|at| format!("http://127.0.0.1:{}", 9000 + at).parse().unwrap())
            .collect();
        let spec = UpstreamSpec {
            name: "janus".into(),
            servers: servers.into(),
            balance,
            protocol: Protocol::Janus,
            tls: UpstreamTls::default(),
            keep_alive: KEEP_ALIVE,
            max_connections: MaxConnections::Unlimited,
        };
        let (ticks, sockets) = (Ticks::new(), Sockets::new(9));
        let connector =
            |addr: &_| Connector::new(Clone::clone(addr), &spec.tls, None, &Resolver::system());
        let pool = |addr: &_| Pool::new(connector(addr), &spec, &ticks, &sockets);
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
        assert!(
            (0..3).all(|at| home.iter().filter(|home| **home == at).count() > 50),
            "spread"
        );
        let down = &cluster.pools[0];
        down.health().failed(down.ticks());
        for n in 0..=255 {
            let now = cluster.choose(client(n), None);
            assert_ne!(now, 0);
            assert!(
                home[usize::from(n)] == 0 || home[usize::from(n)] == now,
                "only those of server 0 move"
            );
        }
    }

    #[test]
    fn a_client_is_its_address_or_its_64() {
        let cluster = cluster(Balance::Client, 3);
        let home = |ip: String| cluster.choose(ClientAddr::new(ip.parse().unwrap()), None);
        for network in 0..64 {
            let first = home(format!("2001:db8:0:{network:x}::1"));
            assert!(
                (2..9).all(|n| home(format!("2001:db8:0:{network:x}:{n}::{n}")) == first),
                "{network}"
            );
        }
        let homes: Vec<usize> = (0..300)
            .map(|network| home(format!("2001:db8:0:{network:x}::1")))
            .collect();
        assert!(
            (0..3).all(|at| homes.iter().filter(|home| **home == at).count() > 60),
            "spread"
        );
    }

    #[test]
    fn a_clients_server_is_the_same_in_every_release() {
        let cluster = cluster(Balance::Client, 3);
        let weight = |ip: &str, at| cluster.weight(ClientAddr::new(ip.parse().unwrap()), at);
        let weights = [
            weight("192.0.2.1", 0),
            weight("192.0.2.1", 1),
            weight("2001:db8::1", 2),
        ];
        assert_eq!(
            weights,
            [
                3_736_560_966_611_279_036,
                13_761_708_076_858_802_082,
                8_472_656_184_871_202_333
            ]
        );
    }

    #[test]
    fn another_server_takes_clients_and_moves_none_between_the_others() {
        let (few, more) = (cluster(Balance::Client, 3), cluster(Balance::Client, 4));
        let homes = (0..=255).map(|n| (few.choose(client(n), None), more.choose(client(n), None)));
        let moved: Vec<_> = homes.filter(|(before, after)| before != after).collect();
        assert!(moved.iter().all(|(_, after)| *after == 3));
        assert!((32..=96).contains(&moved.len()), "{}", moved.len());
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
        let held: Vec<Busy> = (0..3)
            .map(|_| Busy::new(&cluster.pools[cluster.choose(client(1), None)]))
            .collect();
        assert!(cluster.pools.iter().all(|pool| pool.busy() == 1));
        drop(held);
        assert!(cluster.pools.iter().all(|pool| pool.busy() == 0));
    }

    /// How many of so many requests go to each server; they are over before the next one comes.
    fn shares(cluster: &Cluster, requests: usize) -> Vec<usize> {
        let mut shares = vec![0; cluster.pools.len()];
        (0..requests).for_each(|n| shares[cluster.choose(client(n as u8), None)] += 1);
        shares
    }

    fn wait(pool: &Pool, time: Duration) {
        (0..time.as_millis() / TICK.as_millis()).for_each(|_| pool.ticks().advance());
    }

    #[test]
    fn the_turns_of_one_that_rests_are_shared_by_all_others() {
        for balance in [Balance::RoundRobin, Balance::Least] {
            for rests in 0..3 {
                let cluster = cluster(balance, 3);
                let down = &cluster.pools[rests];
                down.health().failed(down.ticks());
                let mut wanted = vec![15; 3];
                wanted[rests] = 0;
                assert_eq!(shares(&cluster, 30), wanted, "{balance:?}");
            }
        }
    }

    #[test]
    fn of_those_that_are_equally_idle_each_in_turn() {
        assert_eq!(shares(&cluster(Balance::Least, 2), 10), [5, 5]);
        let cluster = cluster(Balance::Least, 3);
        let _busy = Busy::new(&cluster.pools[0]);
        assert_eq!(shares(&cluster, 10), [0, 5, 5]);
    }

    #[test]
    fn a_server_that_returns_takes_more_and_more_of_its_turns() {
        for balance in [Balance::RoundRobin, Balance::Least] {
            let cluster = cluster(balance, 2);
            let back = &cluster.pools[1];
            back.health().failed(back.ticks());
            back.health().succeeded(back.ticks());
            let mut taken = Vec::new();
            for _ in 0..4 {
                taken.push(shares(&cluster, 64)[1]);
                wait(back, Duration::from_secs(3));
            }
            assert_eq!(taken, [4, 8, 16, 32], "{balance:?}");
        }
    }

    #[test]
    fn to_a_server_that_returns_more_and_more_of_its_clients_return() {
        let cluster = cluster(Balance::Client, 3);
        let homes = || {
            (0..=255)
                .map(|n| cluster.choose(client(n), None) == 1)
                .collect::<Vec<_>>()
        };
        let at_home = homes();
        let back = &cluster.pools[1];
        back.health().failed(back.ticks());
        back.health().succeeded(back.ticks());
        let mut before = vec![false; 256];
        for part in [8, 4, 2] {
            let now = homes();
            assert!(
                before.iter().zip(&now).all(|(before, now)| now >= before),
                "nobody is sent away again"
            );
            let (now_there, all) = (
                now.iter().filter(|b| **b).count(),
                at_home.iter().filter(|b| **b).count(),
            );
            assert!(
                (all / part / 2..=all * 2 / part).contains(&now_there),
                "{now_there} of {all}, for 1 in {part}"
            );
            before = now;
            wait(back, Duration::from_secs(3));
        }
        assert_eq!(homes(), at_home);
    }

    #[test]
    fn where_all_have_just_returned_all_are_used() {
        let cluster = cluster(Balance::RoundRobin, 2);
        for pool in &cluster.pools {
            pool.health().failed(pool.ticks());
            pool.health().succeeded(pool.ticks());
        }
        assert_eq!(shares(&cluster, 10), [5, 5]);
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
