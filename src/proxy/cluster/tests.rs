mod backups;

use std::time::Duration;

use super::*;
use crate::proxy::connect::Connector;
use crate::resolve::Resolver;
use crate::route::upstream::{InfoPolicy, KEEP_ALIVE, Protocol, UpstreamTls, XmppDomain};
use crate::slot::{MaxConnections, Sockets};
use crate::tick::{TICK, Ticks};

fn cluster(balance: Balance, count: usize) -> Cluster {
    with_backups(balance, count, 0)
}

/// Some servers, of which the last ones are backups.
fn with_backups(balance: Balance, count: usize, backups: usize) -> Cluster {
    let servers: Vec<_> = (0..count)
        .map(|at| format!("http://127.0.0.1:{}", 9000 + at).parse().unwrap())
        .collect();
    let spec = UpstreamSpec {
        name: "janus".into(),
        servers: servers.into(),
        backups,
        bridges: [].into(),
        balance,
        protocol: Protocol::Janus,
        tls: UpstreamTls::default(),
        keep_alive: KEEP_ALIVE,
        max_connections: MaxConnections::Unlimited,
        health: None,
        queue: Duration::ZERO,
        forward_cookies: true,
        secret_file: None,
        token_auth_secret_file: None,
        identify: false,
        info: InfoPolicy::Full,
        domain: XmppDomain::default(),
    };
    let (ticks, sockets) = (Ticks::new(), Sockets::new(9));
    let connector =
        |addr: &_| Connector::new(Clone::clone(addr), &spec.tls, None, &Resolver::system());
    let pool = |addr: &_| Pool::new(connector(addr), &spec, &ticks, &sockets);
    let pools = spec.servers.iter().map(pool).collect();
    let states = spec.servers.iter().map(|_| Arc::default()).collect();
    Cluster::new(Arc::new(spec), pools, states, Arc::default())
}

fn client(n: u8) -> ClientAddr {
    ClientAddr::new([192, 0, 2, n].into())
}

#[test]
fn a_client_keeps_its_server_and_only_moves_when_it_rests() {
    let cluster = cluster(Balance::Client, 3);
    let home: Vec<usize> = (0..=255)
        .map(|n| cluster.choose(client(n), None, false))
        .collect();
    assert!(
        (0..3).all(|at| home.iter().filter(|home| **home == at).count() > 50),
        "spread"
    );
    let down = &cluster.pools[0];
    down.health().failed(down.ticks(), 0);
    for n in 0..=255 {
        let now = cluster.choose(client(n), None, false);
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
    let home = |ip: String| cluster.choose(ClientAddr::new(ip.parse().unwrap()), None, false);
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
    let homes = (0..=255).map(|n| {
        (
            few.choose(client(n), None, false),
            more.choose(client(n), None, false),
        )
    });
    let moved: Vec<_> = homes.filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(_, after)| *after == 3));
    assert!((32..=96).contains(&moved.len()), "{}", moved.len());
}

#[test]
fn each_in_turn() {
    let cluster = cluster(Balance::RoundRobin, 3);
    let chosen: Vec<usize> = (0..6)
        .map(|_| cluster.choose(client(1), None, false))
        .collect();
    assert_eq!(chosen, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn the_least_busy() {
    let cluster = cluster(Balance::Least, 3);
    let held: Vec<LoadGuard> = (0..3)
        .map(|_| LoadGuard::new(&cluster.pools[cluster.choose(client(1), None, false)]))
        .collect();
    assert!(cluster.pools.iter().all(|pool| pool.busy() == 1));
    drop(held);
    assert!(cluster.pools.iter().all(|pool| pool.busy() == 0));
}

/// How many of the requests go to each server; they are over before the next one comes.
fn shares(cluster: &Cluster, requests: usize) -> Vec<usize> {
    let mut shares = vec![0; cluster.pools.len()];
    (0..requests).for_each(|n| shares[cluster.choose(client(n as u8), None, false)] += 1);
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
            down.health().failed(down.ticks(), 0);
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
    let _busy = LoadGuard::new(&cluster.pools[0]);
    assert_eq!(shares(&cluster, 10), [0, 5, 5]);
}

#[test]
fn a_server_that_returns_takes_more_and_more_of_its_turns() {
    for balance in [Balance::RoundRobin, Balance::Least] {
        let cluster = cluster(balance, 2);
        let back = &cluster.pools[1];
        back.health().failed(back.ticks(), 0);
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
            .map(|n| cluster.choose(client(n), None, false) == 1)
            .collect::<Vec<_>>()
    };
    let at_home = homes();
    let back = &cluster.pools[1];
    back.health().failed(back.ticks(), 0);
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
        pool.health().failed(pool.ticks(), 0);
        pool.health().succeeded(pool.ticks());
    }
    assert_eq!(shares(&cluster, 10), [5, 5]);
}

#[test]
fn a_second_try_goes_elsewhere_even_if_all_rest() {
    for balance in [Balance::Client, Balance::RoundRobin, Balance::Least] {
        let cluster = cluster(balance, 2);
        for pool in &cluster.pools {
            pool.health().failed(pool.ticks(), 0);
        }
        let first = cluster.choose(client(1), None, false);
        assert_ne!(cluster.choose(client(1), Some(first), false), first);
    }
}

#[test]
fn a_server_that_probes_say_is_down_is_asked_only_if_no_other_is_up() {
    for balance in [Balance::Client, Balance::RoundRobin, Balance::Least] {
        let cluster = cluster(balance, 3);
        cluster.states[0].set(Probed::Down);
        for n in 0..=255 {
            assert_ne!(cluster.choose(client(n), None, false), 0, "{balance:?}");
        }
        cluster.states[1].set(Probed::Down);
        cluster.states[2].set(Probed::Down);
        let asked: Vec<_> = (0..=255)
            .map(|n| cluster.choose(client(n), None, false))
            .collect();
        assert!(asked.contains(&0), "{balance:?}");
    }
}

#[test]
fn a_server_that_accepts_no_new_sessions_keeps_the_clients_that_it_has() {
    let cluster = cluster(Balance::Client, 3);
    let home = |n| cluster.choose(client(n), None, false);
    let before: Vec<_> = (0..=255).map(home).collect();
    cluster.states[0].set(Probed::Full);
    for n in 0..=255 {
        let (old, new) = (home(n), cluster.choose(client(n), None, true));
        assert_eq!(old, before[usize::from(n)]);
        assert!(new != 0 && (old == 0 || new == old));
    }
    cluster.states[1].set(Probed::Full);
    cluster.states[2].set(Probed::Down);
    assert!((0..=255).all(|n| cluster.choose(client(n), None, true) != 2));
}
