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
pub struct ChallengeSlots {
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

impl ChallengeSlots {
    /// A place for one more; `None` if there is none.
    pub fn take(self: &Arc<Self>, group: Option<ClientGroup>, said: Said) -> Option<ChallengeSlot> {
        self.take_at(group, said, Instant::now())
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
        list.entries.push(Entry {
            id,
            group,
            said,
            since: now,
            closing: Arc::clone(&closing),
        });
        let guest = ChallengeSlot {
            challenge_slots: Arc::clone(self),
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
pub struct ChallengeSlot {
    challenge_slots: Arc<ChallengeSlots>,
    id: u64,
    closing: Arc<Notify>,
}

impl ChallengeSlot {
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
        let mut list = self.challenge_slots.lock();
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
        let mut list = self.challenge_slots.lock();
        let Some(entry) = list.entries.iter_mut().find(|entry| entry.id == self.id) else {
            return false;
        };
        entry.group = Some(group);
        list.keep_client(Some(group), self.id)
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
mod tests;
