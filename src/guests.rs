//! Connections for which there is no slot, and that are heard all the same because one of them may
//! be a CA's. There are few places for them, shared by all workers.
//!
//! A CA speaks as soon as it is connected, so whoever has said nothing has to make room: a client
//! keeps two that are silent, and when all places are taken the one that has been silent the
//! longest is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::addr::ClientGroup;

/// Connections that are heard at a time. CAs look from a handful of places.
const MOST: usize = 16;

/// Those of one client that have not said yet what only a CA says.
const SILENT: usize = 2;

/// All of one client. A CA looks at each name of an order by a connection of its own.
const OF_CLIENT: usize = MOST / 2;

/// After this time one that has said what a CA says, and does not get on, has to make room too.
const SLOW: Duration = Duration::from_secs(1);

/// The places.
#[derive(Debug, Default)]
pub struct Guests {
    list: Mutex<List>,
}

/// In the order in which they came.
#[derive(Debug, Default)]
struct List {
    last: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    /// `None` until a balancer has said who it is.
    group: Option<ClientGroup>,
    said: Said,
    since: Instant,
    closing: Arc<Notify>,
}

/// What a guest has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something that nobody has looked at yet.
    Something,
    /// Nothing, or nothing whole, or nothing that a CA says.
    Nothing,
    /// What only a CA says.
    Question,
}

impl Guests {
    /// A place for one more; `None` if there is none.
    pub fn take(self: &Arc<Self>, group: Option<ClientGroup>, said: Said) -> Option<Guest> {
        self.take_at(group, said, Instant::now())
    }

    fn take_at(
        self: &Arc<Self>,
        group: Option<ClientGroup>,
        said: Said,
        now: Instant,
    ) -> Option<Guest> {
        let mut list = self.lock();
        list.last += 1;
        let (id, closing) = (list.last, Arc::new(Notify::new()));
        list.entries.push(Entry {
            id,
            group,
            said,
            since: now,
            closing: Arc::clone(&closing),
        });
        let guest = Guest {
            guests: Arc::clone(self),
            id,
            closing,
        };
        let has_room = list.keep_client(group, id) && list.make_room(id, now);
        // Locked again where the guest is dropped.
        drop(list);
        has_room.then_some(guest)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // The list is consistent after every statement, so a panic elsewhere does not spoil it.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Closes what a client has too much of; `false` where that would be `newest`.
    fn keep_client(&mut self, group: Option<ClientGroup>, newest: u64) -> bool {
        let Some(group) = group else { return true };
        let is_theirs = |entry: &Entry| entry.group == Some(group);
        let is_silent = |entry: &Entry| is_theirs(entry) && entry.said == Said::Nothing;
        let count = |list: &Self, which: &dyn Fn(&Entry) -> bool| {
            list.entries.iter().filter(|one| which(one)).count()
        };
        if count(self, &is_silent) > SILENT {
            self.close_first(|entry| is_silent(entry) && entry.id != newest);
        }
        count(self, &is_theirs) <= OF_CLIENT
            || self.close_first(|entry| is_silent(entry) && entry.id != newest)
    }

    /// Closes another one where there are too many; `false` where none has to go.
    fn make_room(&mut self, newest: u64, now: Instant) -> bool {
        self.entries.len() <= MOST
            || self.close_first(|entry| entry.said == Said::Nothing && entry.id != newest)
            || self.close_first(|entry| {
                entry.said == Said::Question && now.duration_since(entry.since) >= SLOW
            })
    }

    /// Closes the first one of these, if there is one.
    fn close_first(&mut self, which: impl Fn(&Entry) -> bool) -> bool {
        let Some(at) = self.entries.iter().position(which) else {
            return false;
        };
        // It may not be waiting yet; then it ends as soon as it does.
        self.entries.remove(at).closing.notify_one();
        true
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Guest {
    guests: Arc<Guests>,
    id: u64,
    closing: Arc<Notify>,
}

impl Guest {
    /// Ends when the place is another's.
    pub async fn closed(&self) {
        self.closing.notified().await;
    }

    /// Notes that it has said what only a CA says.
    pub fn note_question(&self) {
        self.note(|_| Said::Question);
    }

    /// Notes that it has to be waited for: so far it has said nothing, or nothing whole.
    pub fn note_wait(&self) {
        self.note(|said| {
            if said == Said::Something {
                Said::Nothing
            } else {
                said
            }
        });
    }

    fn note(&self, change: impl FnOnce(Said) -> Said) {
        let mut list = self.guests.lock();
        let Some(entry) = list.entries.iter_mut().find(|entry| entry.id == self.id) else {
            return;
        };
        let (said, group) = (change(entry.said), entry.group);
        if std::mem::replace(&mut entry.said, said) != said {
            entry.since = Instant::now();
            list.keep_client(group, self.id);
        }
    }

    /// Notes who it is, by a balancer's word; `false` if that client has too many.
    pub fn announce(&self, group: ClientGroup) -> bool {
        let mut list = self.guests.lock();
        let Some(entry) = list.entries.iter_mut().find(|entry| entry.id == self.id) else {
            return false;
        };
        entry.group = Some(group);
        list.keep_client(Some(group), self.id)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests
            .lock()
            .entries
            .retain(|entry| entry.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::addr::ClientAddr;

    fn group(number: usize) -> Option<ClientGroup> {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap());
        Some(ClientAddr::new(address.into()).group())
    }

    fn is_closed(guest: &Guest) -> bool {
        pin!(guest.closed())
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn places_are_few_and_are_given_back() {
        let guests = Arc::new(Guests::default());
        let held: Vec<_> = (0..MOST)
            .map(|at| guests.take(group(at), Said::Something).unwrap())
            .collect();
        assert!(guests.take(group(99), Said::Something).is_none());
        drop(held);
        assert!(guests.lock().entries.is_empty());
        assert!(guests.take(group(99), Said::Something).is_some());
    }

    #[test]
    fn the_one_that_has_been_silent_the_longest_makes_room() {
        let guests = Arc::new(Guests::default());
        let asking = guests.take(group(0), Said::Something).unwrap();
        asking.note_question();
        let silent: Vec<_> = (1..MOST)
            .map(|at| guests.take(group(at), Said::Nothing).unwrap())
            .collect();
        for at in 0..100 {
            let newer = guests.take(group(100 + at), Said::Nothing).unwrap();
            assert!(!is_closed(&newer));
            drop(newer);
        }
        assert_eq!(
            silent.iter().filter(|one| is_closed(one)).count(),
            1,
            "one place was enough"
        );
        let newer: Vec<_> = (0..100)
            .map(|at| guests.take(group(100 + at), Said::Nothing).unwrap())
            .collect();
        assert!(!is_closed(&asking), "who asks is not silent");
        assert_eq!(newer.iter().filter(|one| !is_closed(one)).count(), MOST - 1);
        assert!(newer[85..].iter().all(|one| !is_closed(one)));
        assert_eq!(guests.lock().entries.len(), MOST);
    }

    #[test]
    fn a_client_keeps_two_that_are_silent() {
        let guests = Arc::new(Guests::default());
        let other = guests.take(group(2), Said::Nothing).unwrap();
        let silent: Vec<_> = (0..20)
            .map(|_| guests.take(group(1), Said::Nothing).unwrap())
            .collect();
        assert!(silent[..18].iter().all(is_closed) && !silent[18..].iter().any(is_closed));
        // Neither does it get more by saying something that leads nowhere.
        let talking: Vec<_> = (0..4)
            .map(|_| guests.take(group(1), Said::Something).unwrap())
            .collect();
        talking.iter().for_each(Guest::note_wait);
        assert!(silent[18..].iter().all(is_closed) && !is_closed(&other));
        assert_eq!(talking.iter().filter(|one| is_closed(one)).count(), 2);
    }

    #[test]
    fn a_ca_may_look_at_several_names_at_once_but_nobody_takes_all_places() {
        let guests = Arc::new(Guests::default());
        let ask = |number| {
            let guest = guests.take(group(number), Said::Something)?;
            guest.note_question();
            Some(guest)
        };
        let held: Vec<_> = (0..20).filter_map(|_| ask(1)).collect();
        assert_eq!(held.len(), OF_CLIENT);
        let others: Vec<_> = (0..20).filter_map(|_| ask(2)).collect();
        assert_eq!(others.len(), MOST - OF_CLIENT);
        assert!(ask(3).is_none() && guests.take(group(3), Said::Nothing).is_none());
        // But those who do not get on.
        let later = Instant::now() + SLOW;
        let newer = guests.take_at(group(3), Said::Nothing, later).unwrap();
        assert!(is_closed(&held[0]) && !is_closed(&held[1]) && !is_closed(&newer));
    }

    #[test]
    fn whom_a_balancer_announces_is_counted_as_who_it_is() {
        let guests = Arc::new(Guests::default());
        let held: Vec<_> = (0..6)
            .map(|_| guests.take(None, Said::Nothing).unwrap())
            .collect();
        assert!(!held.iter().any(is_closed), "nobody knows who they are");
        assert!(held.iter().all(|guest| guest.announce(group(1).unwrap())));
        assert_eq!(held.iter().filter(|guest| is_closed(guest)).count(), 4);
        assert!(
            !held[0].announce(group(2).unwrap()),
            "its place is another's"
        );
    }
}
