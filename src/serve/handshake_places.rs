//! Places for TLS handshakes in progress: `limits.handshakes` of them in all workers.
//!
//! While every place is taken, further connections wait in the kernel's queue, so that clients who
//! come all at once are all served. Those that keep the gateway waiting must not keep the others
//! out: the oldest of them are closed, first clients that have sent nothing, then those that have
//! not gone on. A client that waits for its turn here keeps its place.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;

use crate::registry::{Registered, Registry, TaskWaker};
use crate::tick::{Tick, Ticks};

/// How often a worker that waits for a place looks for clients to close.
const LOOK: Duration = Duration::from_millis(50);

/// How many looks a client may send nothing: half a second while every place is taken. Counted in
/// looks, because between two of them the runtime learns what has arrived: a worker that is late
/// blames no client for that.
const SILENT: u32 = 10;

/// How long a client may take to go on.
const HALF: Duration = Duration::from_secs(2);

/// At each look, at most one in this many places is freed.
const PART: usize = 4;

/// The handshakes in progress in all workers. Written when a handshake begins and ends.
#[derive(Debug, Default)]
pub struct HandshakeCount(AtomicUsize);

impl HandshakeCount {
    /// How many there are.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The first byte of the client.
    Silent,
    /// The next bytes of the client.
    Half,
    /// This gateway.
    Own,
}

/// One handshake.
#[derive(Debug)]
struct Handshaking {
    phase: Cell<Phase>,
    since: Cell<Tick>,
    /// The looks before it.
    looks: u32,
    is_shed: Cell<bool>,
    task: TaskWaker,
}

/// The places of one worker.
#[derive(Debug)]
pub struct HandshakePlaces {
    all: Arc<HandshakeCount>,
    own: Rc<Registry<Handshaking>>,
    freed: Rc<Notify>,
    looks: Cell<u32>,
    ticks: Rc<Ticks>,
}

impl HandshakePlaces {
    /// None of them is taken by this worker.
    pub(super) fn new(all: Arc<HandshakeCount>, ticks: &Rc<Ticks>) -> Self {
        Self {
            all,
            own: Registry::new(),
            freed: Rc::default(),
            looks: Cell::new(0),
            ticks: Rc::clone(ticks),
        }
    }

    /// Takes a place for a connection that has just been accepted.
    pub fn take(&self) -> Place {
        self.all.0.fetch_add(1, Ordering::Relaxed);
        let handshaking = Rc::new(Handshaking {
            phase: Cell::new(Phase::Silent),
            since: Cell::new(self.ticks.now()),
            looks: self.looks.get(),
            is_shed: Cell::new(false),
            task: TaskWaker::default(),
        });
        Place {
            entry: self.own.enter(handshaking),
            all: Arc::clone(&self.all),
            freed: Rc::clone(&self.freed),
            ticks: Rc::clone(&self.ticks),
        }
    }

    /// Waits until fewer places than `most` are taken, and meanwhile closes clients that keep this
    /// worker waiting.
    pub async fn room(&self, most: impl Fn() -> usize) {
        loop {
            let most = most();
            if self.all.get() < most {
                return;
            }
            self.shed((most / PART).max(1));
            tokio::select! {
                () = self.freed.notified() => {}
                () = tokio::time::sleep(LOOK) => self.note_look(),
            }
        }
    }

    fn note_look(&self) {
        self.looks.set(self.looks.get().wrapping_add(1));
    }

    /// Closes the oldest of the clients that have been waited for too long, up to a number.
    fn shed(&self, most: usize) {
        let (now, looks) = (self.ticks.now(), self.looks.get());
        let is_stale = |one: &Handshaking| {
            let has_kept_us_waiting = match one.phase.get() {
                Phase::Silent => looks.wrapping_sub(one.looks) >= SILENT,
                Phase::Half => now >= Ticks::later(one.since.get(), HALF),
                Phase::Own => false,
            };
            has_kept_us_waiting && !one.is_shed.get()
        };
        let mut stale = Vec::new();
        self.own.each(|one| {
            if is_stale(one) {
                stale.push((one.phase.get(), one.since.get()));
            }
        });
        if stale.is_empty() {
            return;
        }
        let last = most.min(stale.len()) - 1;
        let (_, newest, _) = stale.select_nth_unstable(last);
        let (newest, mut left) = (*newest, last + 1);
        self.own.each(|one| {
            if left > 0 && is_stale(one) && (one.phase.get(), one.since.get()) <= newest {
                left -= 1;
                one.is_shed.set(true);
                one.task.wake();
            }
        });
    }
}

/// The place of one handshake, until it is dropped.
#[derive(Debug)]
pub struct Place {
    entry: Registered<Handshaking>,
    all: Arc<HandshakeCount>,
    freed: Rc<Notify>,
    ticks: Rc<Ticks>,
}

/// Why a handshake was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// It has taken too long.
    Late,
    /// Its place was needed.
    Shed,
}

impl Place {
    /// The handshake waits for this gateway.
    pub(super) fn is_ours(&self) {
        // The client has gone on just in time.
        self.entry.is_shed.set(false);
        self.enter(Phase::Own);
    }

    /// The handshake waits for the client to go on.
    pub(super) fn is_theirs(&self) {
        self.enter(Phase::Half);
    }

    fn enter(&self, phase: Phase) {
        self.entry.phase.set(phase);
        self.entry.since.set(self.ticks.now());
    }

    /// The output of the handshake, unless it takes longer than the limit or its place is needed.
    pub(super) async fn within<F: Future>(
        &self,
        limit: Duration,
        handshake: F,
    ) -> Result<F::Output, GivenUp> {
        let mut handshake = pin!(handshake);
        let alarm = self.ticks.alarm(limit);
        poll_fn(|cx| {
            if let Poll::Ready(output) = handshake.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if self.entry.is_shed.get() {
                return Poll::Ready(Err(GivenUp::Shed));
            }
            self.entry.task.register(cx);
            match alarm.is_due(cx) {
                true => Poll::Ready(Err(GivenUp::Late)),
                false => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.0.fetch_sub(1, Ordering::Relaxed);
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::TICK;

    fn places() -> HandshakePlaces {
        HandshakePlaces::new(Arc::default(), &Ticks::new())
    }

    fn pass(places: &HandshakePlaces, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            places.ticks.advance();
        }
    }

    fn shed(taken: &[Place]) -> Vec<usize> {
        let numbered = taken.iter().enumerate();
        let shed = numbered.filter(|(_, place)| place.entry.is_shed.get());
        shed.map(|(number, _)| number).collect()
    }

    fn look(places: &HandshakePlaces, times: u32) {
        (0..times).for_each(|_| places.note_look());
    }

    #[test]
    fn silent_clients_are_closed_first_and_the_oldest_of_them() {
        let places = places();
        let mut taken: Vec<_> = (0..4).map(|_| places.take()).collect();
        taken[1].is_theirs();
        taken[2].is_ours();
        pass(&places, TICK);
        look(&places, SILENT - 1);
        taken.extend([places.take(), places.take()]);
        places.shed(10);
        assert!(shed(&taken).is_empty(), "within their time");
        look(&places, 1);
        places.shed(1);
        assert_eq!(shed(&taken), [0]);
        look(&places, SILENT);
        pass(&places, HALF);
        places.shed(2);
        assert_eq!(shed(&taken), [0, 3, 4]);
        places.shed(10);
        let in_turn = "one waits for its turn here";
        assert_eq!(shed(&taken), [0, 1, 3, 4, 5], "{in_turn}");
        assert_eq!(places.all.get(), 6);
        drop(taken);
        assert_eq!(places.all.get(), 0);
    }

    #[tokio::test]
    async fn a_full_house_has_room_again_when_a_handshake_ends() {
        let places = places();
        let place = places.take();
        let mut room = pin!(places.room(|| 1));
        let is_full = poll_fn(|cx| Poll::Ready(room.as_mut().poll(cx).is_pending())).await;
        assert!(is_full);
        drop(place);
        room.await;
    }

    #[tokio::test]
    async fn a_client_that_goes_on_in_time_keeps_its_place() {
        let places = places();
        let (gone, goes_on) = (places.take(), places.take());
        look(&places, SILENT);
        places.shed(2);
        let ended = gone.within(Duration::from_secs(9), std::future::pending::<()>());
        assert_eq!(ended.await, Err(GivenUp::Shed));
        let handshake = async {
            goes_on.is_ours();
            tokio::task::yield_now().await;
            goes_on.is_theirs();
            tokio::task::yield_now().await;
        };
        assert_eq!(
            goes_on.within(Duration::from_secs(9), handshake).await,
            Ok(())
        );
    }
}
