//! Requests that wait for a connection to a server that has all the connections that it may have.
//!
//! The server's connections are counted over all workers, so its queue is one for all workers too.
//! The request that waits longest is woken when a connection is closed, or when one becomes idle at
//! its own worker.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::super::client::CountedClient;
use super::{IdleCount, ServerRoom};

/// The queue of one server.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// How many wait. Read without the lock, so that nothing is locked while none does.
    waiting: AtomicUsize,
    /// How many of them wait because the server is full; the others, because their client has its
    /// share.
    blocked: AtomicUsize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    /// In the order in which they came.
    all: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    /// Whose counts the request is in; `None` if its client is exempt.
    client: Option<usize>,
    /// The pool whose idle connection it could use; `None` if it needs a new one.
    pool: Option<usize>,
    is_blocked: bool,
    /// Whether it has been woken and has not begun to try since.
    is_woken: bool,
    waker: Option<Waker>,
}

/// How a request came to wait.
#[derive(Clone, Copy, Debug)]
pub struct Waiter<'a> {
    /// Its client. One client may have as many places as are free.
    pub client: &'a CountedClient,
    /// The pool whose idle connection it may use; `None` if it needs a new one.
    pub pool: Option<&'a Arc<IdleCount>>,
    /// Whether the server is full; if not, the client has its share of the connections.
    pub is_blocked: bool,
}

impl Queue {
    /// Wakes the first one that is not awake, behind a place.
    fn wake_behind(&self, number: Option<u64>) {
        let mut entries = self.entries.lock();
        let behind = |entry: &&mut Entry| number.is_none_or(|number| entry.number > number);
        let mut asleep = entries.all.iter_mut().filter(behind);
        let waker = asleep.find(|entry| !entry.is_woken).and_then(Entry::wake);
        drop(entries);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Entry {
    fn wake(&mut self) -> Option<Waker> {
        self.is_woken = true;
        self.waker.take()
    }
}

impl ServerRoom {
    /// Whether requests wait because the server is full. One that comes later has to wait behind
    /// them.
    pub fn has_queue(&self) -> bool {
        self.queue.blocked.load(Ordering::Relaxed) > 0
    }

    /// Whether a connection that has become idle may be kept. If not, it must be closed, for a
    /// request that waits elsewhere.
    pub fn may_keep_idle(&self, pool: &Arc<IdleCount>) -> bool {
        if self.queue.waiting.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let mut entries = self.queue.entries.lock();
        let Some(first) = entries.all.iter_mut().find(|entry| !entry.is_woken) else {
            return true;
        };
        if first.pool != Some(Arc::as_ptr(pool).addr()) {
            return false;
        }
        let waker = first.wake();
        drop(entries);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Wakes the request that waits longest, after a connection has been closed.
    pub(super) fn wake_next(&self) {
        // The connection is counted out before the queue is looked at, and a request is in the
        // queue before it looks for room: one of them sees the other.
        fence(Ordering::SeqCst);
        if self.queue.waiting.load(Ordering::Relaxed) > 0 {
            self.queue.wake_behind(None);
        }
    }

    /// A place at the end of the queue, which has `most`; `None` if there is none for the client.
    /// The request has to look for room once more now that it is in the queue.
    pub fn queue_up(self: &Arc<Self>, waiter: Waiter<'_>, most: usize) -> Option<QueuePlace> {
        let client = waiter.client.0.as_ref();
        let client = client.map(|client| Arc::as_ptr(client).addr());
        let mut entries = self.queue.entries.lock();
        let free = most.saturating_sub(entries.all.len());
        let mine = || {
            let mine = entries.all.iter().filter(|entry| entry.client == client);
            if client.is_some() { mine.count() } else { 0 }
        };
        if free == 0 || mine() >= free {
            return None;
        }
        let number = entries.next;
        entries.next += 1;
        entries.all.push_back(Entry {
            number,
            client,
            pool: waiter.pool.map(|pool| Arc::as_ptr(pool).addr()),
            is_blocked: waiter.is_blocked,
            is_woken: false,
            waker: None,
        });
        self.queue.waiting.fetch_add(1, Ordering::Relaxed);
        let blocked = usize::from(waiter.is_blocked);
        self.queue.blocked.fetch_add(blocked, Ordering::Relaxed);
        drop(entries);
        fence(Ordering::SeqCst);
        Some(QueuePlace {
            room: Arc::clone(self),
            number,
        })
    }
}

/// A request's place in the queue of a server, until it is dropped.
#[derive(Debug)]
pub struct QueuePlace {
    room: Arc<ServerRoom>,
    number: u64,
}

impl QueuePlace {
    /// Waits until it makes sense to try.
    pub async fn turn(&self) {
        poll_fn(|cx| self.poll_turn(cx)).await;
    }

    fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        let mut entries = self.room.queue.entries.lock();
        let mut all = entries.all.iter_mut();
        let Some(entry) = all.find(|entry| entry.number == self.number) else {
            return Poll::Ready(());
        };
        if std::mem::take(&mut entry.is_woken) {
            return Poll::Ready(());
        }
        entry.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Notes that it tried and has to wait on: `is_blocked`, because the server is full; if not,
    /// because its client has its share, and the next one may try.
    pub fn stay(&self, is_blocked: bool) {
        let queue = &self.room.queue;
        let mut entries = queue.entries.lock();
        let mut all = entries.all.iter_mut();
        if let Some(entry) = all.find(|entry| entry.number == self.number) {
            match (entry.is_blocked, is_blocked) {
                (false, true) => queue.blocked.fetch_add(1, Ordering::Relaxed),
                (true, false) => queue.blocked.fetch_sub(1, Ordering::Relaxed),
                _ => 0,
            };
            entry.is_blocked = is_blocked;
        }
        drop(entries);
        if !is_blocked {
            queue.wake_behind(Some(self.number));
        }
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let queue = &self.room.queue;
        let mut entries = queue.entries.lock();
        let at = entries
            .all
            .iter()
            .position(|entry| entry.number == self.number);
        let Some(entry) = at.and_then(|at| entries.all.remove(at)) else {
            return;
        };
        queue.waiting.fetch_sub(1, Ordering::Relaxed);
        let blocked = usize::from(entry.is_blocked);
        queue.blocked.fetch_sub(blocked, Ordering::Relaxed);
        drop(entries);
        if entry.is_woken {
            // It may be leaving without having used what it was woken for.
            queue.wake_behind(None);
        }
    }
}

#[cfg(test)]
mod tests;
