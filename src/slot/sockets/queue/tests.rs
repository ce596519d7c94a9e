use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::task::Wake;

use super::*;
use crate::slot::{MaxConnections, SocketSlot, Sockets};

/// A worker's idle connections, by which the queue knows it.
fn worker(room: &Arc<ServerRoom>) -> Arc<IdleCount> {
    room.idle_count()
}

fn client() -> CountedClient {
    CountedClient::new(Some(Arc::default()))
}

fn full(room: &Arc<ServerRoom>, most: usize) -> Vec<SocketSlot> {
    let take = || room.take(MaxConnections::All(most), false);
    (0..most).map(|_| take().unwrap()).collect()
}

fn queue_up(
    room: &Arc<ServerRoom>,
    client: &CountedClient,
    pool: &Arc<IdleCount>,
    most: usize,
) -> Option<QueuePlace> {
    let waiter = Waiter {
        client,
        pool: Some(pool),
        is_blocked: true,
    };
    room.queue_up(waiter, most)
}

fn has_turn(place: &QueuePlace) -> bool {
    let cx = Context::from_waker(Waker::noop());
    place.poll_turn(&cx).is_ready()
}

#[test]
fn the_first_in_the_queue_is_the_first_to_be_woken_and_passes_on_what_it_does_not_use() {
    let room = Sockets::new(9).server("a");
    let (here, who) = (worker(&room), CountedClient::exempt());
    let mut held = full(&room, 2);
    assert!(!room.has_queue());
    let places: Vec<_> = (0..3)
        .map(|_| queue_up(&room, &who, &here, 3).unwrap())
        .collect();
    assert!(room.has_queue());
    assert!(queue_up(&room, &who, &here, 3).is_none(), "three places");
    held.pop();
    let turns = |places: &[QueuePlace]| places.iter().map(has_turn).collect::<Vec<_>>();
    assert_eq!(turns(&places), [true, false, false]);
    assert_eq!(turns(&places), [false; 3], "a turn is one attempt");
    held.pop();
    let mut places = places;
    // It leaves with a turn that it has not used.
    drop(places.remove(0));
    assert_eq!(turns(&places), [true, false]);
    drop(places);
    assert!(!room.has_queue());
}

#[test]
fn an_idle_connection_is_kept_for_the_first_one_if_that_can_use_it() {
    let room = Sockets::new(9).server("a");
    let (here, there) = (worker(&room), worker(&room));
    let who = CountedClient::exempt();
    assert!(room.may_keep_idle(&here));
    let first = queue_up(&room, &who, &there, 9).unwrap();
    assert!(
        !room.may_keep_idle(&here),
        "the other worker needs the room"
    );
    assert!(room.may_keep_idle(&there));
    assert!(has_turn(&first));
    drop(first);
    let waiter = Waiter {
        client: &who,
        pool: None,
        is_blocked: true,
    };
    let _tunnel = room.queue_up(waiter, 9).unwrap();
    assert!(!room.may_keep_idle(&here), "a WebSocket needs a new one");
}

#[test]
fn a_client_has_as_many_places_as_are_free() {
    let room = Sockets::new(9).server("a");
    let here = worker(&room);
    let (greedy, modest) = (client(), client());
    let places = |who| std::iter::from_fn(|| queue_up(&room, who, &here, 4)).collect::<Vec<_>>();
    let held = places(&greedy);
    assert_eq!(held.len(), 2);
    assert_eq!(places(&modest).len(), 1);
    assert_eq!(places(&CountedClient::exempt()).len(), 2);
}

#[test]
fn one_whose_client_has_its_share_lets_the_next_one_pass() {
    let room = Sockets::new(9).server("a");
    let (here, who) = (worker(&room), client());
    let held = full(&room, 1);
    let waiter = Waiter {
        client: &who,
        pool: Some(&here),
        is_blocked: false,
    };
    let first = room.queue_up(waiter, 9).unwrap();
    assert!(!room.has_queue(), "others need not wait behind it");
    let second = queue_up(&room, &client(), &here, 9).unwrap();
    drop(held);
    assert!(has_turn(&first) && !has_turn(&second));
    first.stay(false);
    assert!(has_turn(&second));
    second.stay(true);
    first.stay(true);
    assert!(room.has_queue());
    drop(second);
    assert!(room.has_queue());
    first.stay(false);
    assert!(!room.has_queue());
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_connection_that_is_closed_by_another_thread_is_never_missed() {
    let room = Sockets::new(9).server("a");
    let max = MaxConnections::All(1);
    let (here, who) = (worker(&room), CountedClient::exempt());
    for _ in 0..2_000 {
        let (taken, closes) = (Arc::new(Barrier::new(2)), Arc::clone(&room));
        let closer = std::thread::spawn({
            let taken = Arc::clone(&taken);
            move || {
                let held = closes.take(max, false).unwrap();
                taken.wait();
                drop(held);
            }
        });
        taken.wait();
        let place = queue_up(&room, &who, &here, 9).unwrap();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        if room.take(max, false).is_err() {
            place.stay(true);
            let cx = Context::from_waker(&waker);
            let is_ready = place.poll_turn(&cx).is_ready();
            closer.join().unwrap();
            assert!(is_ready || woken.0.load(Ordering::SeqCst) == 1);
            assert!(room.take(max, false).is_ok());
        } else {
            closer.join().unwrap();
        }
    }
}
