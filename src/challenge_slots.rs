//! Slots for connections beyond all limits. One of these may come from a CA that validates a
//! challenge, so a few of them are read. All workers share these slots.
//!
//! A CA sends its request as soon as it is connected, so connections that have sent nothing are
//! closed first: a client may have two of them, and when all slots are taken the oldest is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::addr::ClientGroup;
use crate::clock;
use crate::sync::{Mutex, MutexGuard};

/// The number of slots. A CA validates from a handful of addresses.
const MOST: usize = 16;

/// How many of one client may be silent.
const SILENT: usize = 2;

/// How many one client may have. A CA validates each name of an order over its own connection.
const OF_CLIENT: usize = MOST / 2;

/// After this time, a connection with a challenge request that makes no progress may be closed too.
const SLOW: Duration = Duration::from_secs(1);

/// The slots.
#[derive(Debug, Default)]
pub struct ChallengeSlots {
    list: Mutex<List>,
}

/// The connections in the order in which they came.
#[derive(Debug, Default)]
struct List {
    last: u64,
    entries: Vec<ChallengeEntry>,
}

#[derive(Debug)]
struct ChallengeEntry {
    id: u64,
    /// `None` until the load balancer has announced the client.
    group: Option<ClientGroup>,
    said: Said,
    since: Instant,
    closing: Arc<Notify>,
}

/// What a connection has sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something that has not been looked at yet.
    Something,
    /// Nothing, nothing complete, or nothing that a CA would send.
    Nothing,
    /// A challenge request, which only a CA sends.
    Question,
}

impl ChallengeSlots {
    /// Takes a slot; `None` if there is none.
    pub fn take(self: &Arc<Self>, group: Option<ClientGroup>, said: Said) -> Option<ChallengeSlot> {
        self.take_at(group, said, clock::monotonic())
    }

    fn take_at(
        self: &Arc<Self>,
        group: Option<ClientGroup>,
        said: Said,
        now: Instant,
    ) -> Option<ChallengeSlot> {
        let mut list = self.lock();
        list.last += 1;
        let (id, closing) = (list.last, Arc::new(Notify::new()));
        list.entries.push(ChallengeEntry {
            id,
            group,
            said,
            since: now,
            closing: Arc::clone(&closing),
        });
        let slot = ChallengeSlot {
            challenge_slots: Arc::clone(self),
            id,
            closing,
        };
        let has_room = list.limit_client(group, id) && list.make_room(id, now);
        // Dropping the slot locks the list again.
        drop(list);
        has_room.then_some(slot)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock()
    }
}

impl List {
    /// Closes what a client has too many of; `false` if that would be `newest`.
    fn limit_client(&mut self, group: Option<ClientGroup>, newest: u64) -> bool {
        let Some(group) = group else { return true };
        let is_theirs = |entry: &ChallengeEntry| entry.group == Some(group);
        let is_silent = |entry: &ChallengeEntry| is_theirs(entry) && entry.said == Said::Nothing;
        let count = |list: &Self, which: &dyn Fn(&ChallengeEntry) -> bool| {
            list.entries.iter().filter(|one| which(one)).count()
        };
        if count(self, &is_silent) > SILENT {
            self.close_first(|entry| is_silent(entry) && entry.id != newest);
        }
        count(self, &is_theirs) <= OF_CLIENT
            || self.close_first(|entry| is_silent(entry) && entry.id != newest)
    }

    /// If there are too many, closes another connection; `false` if there is none to close.
    fn make_room(&mut self, newest: u64, now: Instant) -> bool {
        self.entries.len() <= MOST
            || self.close_first(|entry| entry.said == Said::Nothing && entry.id != newest)
            || self.close_first(|entry| {
                entry.said == Said::Question && now.duration_since(entry.since) >= SLOW
            })
    }

    /// Closes the oldest of these; `false` if there is none.
    fn close_first(&mut self, which: impl Fn(&ChallengeEntry) -> bool) -> bool {
        let Some(at) = self.entries.iter().position(which) else {
            return false;
        };
        // If it does not wait yet, it ends as soon as it does.
        self.entries.remove(at).closing.notify_one();
        true
    }
}

/// One slot, until it is dropped.
#[derive(Debug)]
pub struct ChallengeSlot {
    challenge_slots: Arc<ChallengeSlots>,
    id: u64,
    closing: Arc<Notify>,
}

impl ChallengeSlot {
    /// Waits until the slot has been given to another connection.
    pub async fn closed(&self) {
        self.closing.notified().await;
    }

    /// Notes a challenge request.
    pub fn note_question(&self) {
        self.note(|_| Said::Question);
    }

    /// Notes that the connection has to be waited for: it has sent nothing, or nothing complete.
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
        let mut list = self.challenge_slots.lock();
        let Some(entry) = list.entries.iter_mut().find(|entry| entry.id == self.id) else {
            return;
        };
        let (said, group) = (change(entry.said), entry.group);
        if std::mem::replace(&mut entry.said, said) != said {
            entry.since = clock::monotonic();
            list.limit_client(group, self.id);
        }
    }

    /// Notes the client that a load balancer has announced; `false` if that client has too many.
    pub fn announce(&self, group: ClientGroup) -> bool {
        let mut list = self.challenge_slots.lock();
        let Some(entry) = list.entries.iter_mut().find(|entry| entry.id == self.id) else {
            return false;
        };
        entry.group = Some(group);
        list.limit_client(Some(group), self.id)
    }
}

impl Drop for ChallengeSlot {
    fn drop(&mut self) {
        self.challenge_slots
            .lock()
            .entries
            .retain(|entry| entry.id != self.id);
    }
}

#[cfg(test)]
#[path = "challenge_slots/tests.rs"]
mod tests;
