//! How many fetches the requests of one client may cause. Clients can invent key ids, so each
//! client has an allowance of its own and cannot use up that of others.
//!
//! Clients behind one address share an allowance. Its last fetch is therefore reserved for key ids
//! that were turned away before: a client with a real token comes back with the same key id, as
//! `Retry-After` asks for, and invented key ids are always new.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::client::Digest;
use super::pace::Allowance;
use crate::token::issuer::Requester;

/// At most this many clients are remembered.
const MOST: usize = 1024;

/// At most this many key ids that were turned away are remembered for each client.
const TURNED_AWAY: usize = 64;

/// The allowances of all clients.
#[derive(Debug)]
pub(super) struct Requesters {
    burst: u32,
    every: Duration,
    clients: HashMap<Requester, ClientAllowance>,
}

#[derive(Debug)]
struct ClientAllowance {
    allowance: Allowance,
    /// The first bytes of the hashes of key ids, the oldest first.
    turned_away: VecDeque<u64>,
}

impl Requesters {
    /// Each client may cause `burst` fetches at once, at least two, and then one per `every`.
    pub(super) fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst: burst.max(2),
            every,
            clients: HashMap::new(),
        }
    }

    /// Takes one fetch from the client's allowance, if it has one and `others` agrees. `others` is
    /// passed whether the key id was turned away before.
    pub(super) fn take(
        &mut self,
        requester: Requester,
        name: &Digest,
        now: Instant,
        others: impl FnOnce(bool) -> bool,
    ) -> bool {
        if self.clients.len() >= MOST && !self.clients.contains_key(&requester) {
            self.forget_some(now);
        }
        let new = || ClientAllowance {
            allowance: Allowance::new(self.burst, self.every),
            turned_away: VecDeque::new(),
        };
        self.clients
            .entry(requester)
            .or_insert_with(new)
            .take(short(name), now, others)
    }

    /// Forgets the clients whose allowance is full or, if these are too few, the half that has used
    /// least.
    fn forget_some(&mut self, now: Instant) {
        self.clients
            .retain(|_, share| share.allowance.full_at() > Some(now));
        if self.clients.len() > MOST / 2 {
            let mut all: Vec<Option<Instant>> = self
                .clients
                .values()
                .map(|share| share.allowance.full_at())
                .collect();
            let (_, middle, _) = all.select_nth_unstable(MOST / 2);
            let middle = *middle;
            self.clients
                .retain(|_, share| share.allowance.full_at() > middle);
        }
    }
}

impl ClientAllowance {
    fn take(&mut self, name: u64, now: Instant, others: impl FnOnce(bool) -> bool) -> bool {
        let before = self.turned_away.iter().position(|other| *other == name);
        let kept = u32::from(before.is_none());
        if self.allowance.has(1 + kept, now) && others(before.is_some()) {
            self.allowance.take(now);
            before.map(|at| self.turned_away.remove(at));
            return true;
        }
        if before.is_none() {
            if self.turned_away.len() >= TURNED_AWAY {
                self.turned_away.pop_front();
            }
            self.turned_away.push_back(name);
        }
        false
    }
}

fn short(name: &Digest) -> u64 {
    name.iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::ClientAddr;

    fn requester(number: u32) -> Requester {
        let client = ClientAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + number).into());
        Requester {
            group: client.group(),
            is_listed: false,
        }
    }

    fn name(number: u32) -> Digest {
        let mut name = Digest::default();
        name[..4].copy_from_slice(&number.to_be_bytes());
        name
    }

    const EVERY: Duration = Duration::from_secs(1);

    #[test]
    fn each_client_has_a_share_of_its_own() {
        let now = Instant::now();
        let mut requesters = Requesters::new(5, EVERY);
        assert_eq!(
            (0..100)
                .filter(|at| requesters.take(requester(1), &name(*at), now, |_| true))
                .count(),
            4
        );
        assert_eq!(
            (0..100)
                .filter(|at| requesters.take(requester(2), &name(*at), now, |_| true))
                .count(),
            4
        );
        let listed = Requester {
            is_listed: true,
            ..requester(1)
        };
        assert!(
            requesters.take(listed, &name(0), now, |_| true),
            "an address on the allow list"
        );
    }

    #[test]
    fn a_name_that_comes_back_goes_before_names_that_are_made_up() {
        let now = Instant::now();
        let mut requesters = Requesters::new(5, EVERY);
        // Sixteen made-up names each second, and the real one whenever Retry-After lets it.
        let mut made_up = 1..;
        let mut got_through = None;
        for tick in 0..160u32 {
            let now = now + EVERY * tick / 16;
            requesters.take(requester(1), &name(made_up.next().unwrap()), now, |_| true);
            if tick >= 32 && tick % 48 == 40 && got_through.is_none() {
                got_through = requesters
                    .take(requester(1), &name(0), now, |_| true)
                    .then_some(tick);
            }
        }
        assert_eq!(got_through, Some(88), "at its second try");
    }

    #[test]
    fn nothing_is_taken_where_the_others_do_not_agree() {
        let now = Instant::now();
        let mut requesters = Requesters::new(2, EVERY);
        assert!(!requesters.take(requester(1), &name(1), now, |is_back| is_back));
        assert!(requesters.take(requester(1), &name(1), now, |is_back| is_back));
        assert!(
            !requesters.take(requester(1), &name(2), now, |_| true),
            "one is left, and that is kept"
        );
        assert!(requesters.take(requester(1), &name(2), now, |_| true));
        assert!(!requesters.take(requester(1), &name(2), now, |_| true));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let now = Instant::now();
        let mut requesters = Requesters::new(5, EVERY);
        (0..1000).for_each(|at| {
            requesters.take(requester(0), &name(at), now, |_| true);
        });
        assert_eq!(
            requesters.clients[&requester(0)].turned_away.len(),
            TURNED_AWAY
        );
        for at in 1..3 * u32::try_from(MOST).unwrap() {
            requesters.take(requester(at), &name(at), now, |_| true);
            assert!(requesters.clients.len() <= MOST);
        }
        assert!(!requesters.take(requester(0), &name(1001), now, |_| true));
        requesters.forget_some(now + 10 * EVERY);
        assert!(requesters.clients.is_empty());
    }
}
