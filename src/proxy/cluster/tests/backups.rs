//! Backup servers, and which servers are never chosen.

use super::*;
use crate::proxy::client::SendError;

const ALL: [Balance; 3] = [Balance::Client, Balance::RoundRobin, Balance::Least];

/// Pseudo-random numbers, the same in each run.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = FNV_BASIS;
    move |below| {
        state = spread(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    }
}

#[test]
fn no_server_that_is_down_is_chosen_while_another_is_up_and_no_backup_while_an_ordinary_one_is() {
    let mut number = numbers();
    for round in 0..2000 {
        let count = 2 + number(5);
        let backups = number(count);
        let cluster = with_backups(ALL[round % 3], count, backups);
        let mut held = Vec::new();
        for state in &cluster.states {
            state.set(Probed::NAMES[number(4)].1);
        }
        for _ in 0..number(30) {
            let pool = &cluster.pools[number(count)];
            match number(4) {
                0 => drop(pool.health().failed(pool.ticks(), 0)),
                1 => drop(pool.health().succeeded(pool.ticks())),
                2 => wait(pool, TICK * u32::try_from(number(6)).unwrap()),
                _ => held.push(LoadGuard::new(pool)),
            }
        }
        let not = Some(number(count)).filter(|_| number(2) == 0);
        let may_be: Vec<usize> = (0..count).filter(|at| Some(*at) != not).collect();
        let is_up = |at: &usize| cluster.is_up(*at);
        let is_slow = |at: &usize| cluster.pace(*at) > 1;
        for n in 0..20 {
            let chosen = cluster.choose(client(n), not, false);
            assert_ne!(Some(chosen), not);
            let up: Vec<usize> = may_be.iter().copied().filter(is_up).collect();
            assert!(up.is_empty() || up.contains(&chosen), "one that is down");
            let mut ordinary = up.iter().filter(|at| !cluster.spec.is_backup(**at));
            let is_backup = cluster.spec.is_backup(chosen);
            // The turns of servers that have just returned may go to backups.
            let may_be_backup = ordinary.all(is_slow);
            assert!(!is_backup || up.is_empty() || may_be_backup, "a backup");
        }
    }
}

#[test]
fn backups_get_nothing_until_all_others_are_down_and_nothing_when_one_is_back_for_long() {
    for balance in ALL {
        let cluster = with_backups(balance, 4, 2);
        let is_backup = |at: usize| cluster.spec.is_backup(at);
        assert_eq!(shares(&cluster, 40)[2..], [0, 0], "{balance:?}");
        let [one, other, ..] = &*cluster.pools else {
            panic!("there are four")
        };
        one.health().failed(one.ticks(), 0);
        assert_eq!(shares(&cluster, 40), [0, 40, 0, 0], "{balance:?}");
        other.health().failed(other.ticks(), 0);
        let shared = shares(&cluster, 40);
        assert_eq!(shared[..2], [0, 0], "{balance:?}");
        assert!(shared[2] > 0 && shared[3] > 0, "{balance:?}: {shared:?}");
        one.health().succeeded(one.ticks());
        let begins = shares(&cluster, 64)[0];
        assert!((1..=24).contains(&begins), "{balance:?}: {begins}");
        wait(one, Duration::from_secs(10));
        other.health().failed(other.ticks(), 0);
        for n in 0..=255 {
            assert!(
                !is_backup(cluster.choose(client(n), None, false)),
                "{balance:?}"
            );
        }
    }
}

#[test]
fn with_backups_a_client_changes_its_server_only_for_one_that_is_down() {
    let (without, with) = (
        cluster(Balance::Client, 3),
        with_backups(Balance::Client, 5, 2),
    );
    for n in 0..=255 {
        assert_eq!(
            without.choose(client(n), None, false),
            with.choose(client(n), None, false)
        );
    }
    for pool in &with.pools[..3] {
        pool.health().failed(pool.ticks(), 0);
    }
    let homes = || (0..=255).map(|n| with.choose(client(n), None, false));
    assert!(homes().all(|home| home >= 3));
    assert!(homes().eq(homes()), "each client has its backup");
}

#[test]
fn a_full_server_is_no_reason_for_a_backup() {
    for balance in [Balance::RoundRobin, Balance::Least] {
        let cluster = with_backups(balance, 3, 1);
        let second = |first| cluster.second(client(1), first, false, &SendError::ServerFull);
        assert_eq!(second(0), Some(1));
        let other = &cluster.pools[1];
        other.health().failed(other.ticks(), 0);
        assert_eq!(second(0), None);
        assert_eq!(second(2), None, "the only backup");
    }
    let cluster = with_backups(Balance::Client, 3, 1);
    assert_eq!(
        cluster.second(client(1), 0, false, &SendError::ServerFull),
        None
    );
}

#[test]
fn a_server_that_probes_say_is_up_again_begins_slowly() {
    for balance in [Balance::RoundRobin, Balance::Least] {
        for comes_meanwhile in [false, true] {
            let cluster = cluster(balance, 2);
            let state = &cluster.states[1];
            state.set(Probed::Down);
            cluster.sweep();
            if comes_meanwhile {
                assert_eq!(shares(&cluster, 64)[1], 0, "{balance:?}");
            }
            state.set(Probed::Up);
            let mut taken = Vec::new();
            for _ in 0..4 {
                taken.push(shares(&cluster, 64)[1]);
                wait(&cluster.pools[1], Duration::from_secs(3));
            }
            assert_eq!(taken, [4, 8, 16, 32], "{balance:?}");
        }
    }
}
