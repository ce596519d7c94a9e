//! What is counted of the routes that have limits of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::client::CountedClient;
use super::slots::Slots;
use crate::limits::Rate;

/// A route's host, as configured, and its path.
type RouteKey = (Box<str>, Box<str>);

/// The routes that have limits, shared by all workers. A reload keeps their counts: a route is the
/// same if its host and path are.
#[derive(Debug, Default)]
pub struct RouteRooms {
    /// Locked when a configuration comes into force, not by a request.
    rooms: Mutex<HashMap<RouteKey, Weak<RouteRoom>>>,
}

impl RouteRooms {
    /// The counts of a route. They are kept while a configuration or a request uses them.
    pub fn room(&self, host: &str, path: &str) -> Arc<RouteRoom> {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let mut rooms = self.rooms.lock();
        let key = (host.into(), path.into());
        if let Some(room) = rooms.get(&key).and_then(Weak::upgrade) {
            return room;
        }
        rooms.retain(|_, room| room.strong_count() > 0);
        let room = Arc::new(RouteRoom {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            under_way: AtomicUsize::new(0),
        });
        rooms.insert(key, Arc::downgrade(&room));
        room
    }
}

/// The requests of one route. Alone on its cache lines: every request of the route writes it.
#[derive(Debug)]
#[repr(align(128))]
pub struct RouteRoom {
    /// Unique in this process.
    number: usize,
    under_way: AtomicUsize,
}

impl RouteRoom {
    /// Counts one more request under way; `None` if there are `most` already.
    pub fn begin(self: &Arc<Self>, most: usize) -> Option<RouteSlot> {
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        // Counted first and judged afterwards: dropping the slot takes it back.
        let slot = RouteSlot(Arc::clone(self));
        (before < most).then_some(slot)
    }
}

/// One request of a route, counted until it is dropped.
#[derive(Debug)]
pub struct RouteSlot(Arc<RouteRoom>);

impl Drop for RouteSlot {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    /// Counts a request of a client against its rate on one route.
    ///
    /// # Errors
    /// How long the client should wait.
    pub fn request_on(
        &self,
        client: &CountedClient,
        room: &RouteRoom,
        rate: Rate,
    ) -> Result<(), Duration> {
        let Some(counts) = &client.0 else {
            return Ok(());
        };
        counts.routes.request(room.number, self.micros(), rate)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::addr::ClientAddr;
    use crate::limits::Limits;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_route_keeps_its_counts_over_a_reload_while_anything_uses_them() {
        let rooms = RouteRooms::default();
        let before = rooms.room("*", "/janus");
        let slot = before.begin(1).unwrap();
        let after = rooms.room("*", "/janus");
        drop(before);
        assert!(after.begin(1).is_none());
        assert!(after.begin(2).is_some());
        assert!(rooms.room("*", "/other").begin(1).is_some());
        assert!(rooms.room("a.test", "/janus").begin(1).is_some());
        // The route is taken out, and comes back while its request is still under way.
        drop(after);
        assert!(rooms.room("*", "/janus").begin(1).is_none());
        drop(slot);
        assert!(rooms.room("*", "/janus").begin(1).is_some());
        assert!(rooms.rooms.lock().len() <= 3);
    }

    #[test]
    fn workers_that_serve_one_route_at_once_never_admit_more() {
        const MOST: usize = 3;
        let room = RouteRooms::default().room("*", "/");
        let under_way = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let Some(slot) = room.begin(MOST) else {
                            continue;
                        };
                        assert!(under_way.fetch_add(1, Ordering::SeqCst) < MOST);
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            }
        });
        assert_eq!(room.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn each_client_has_a_rate_on_each_route_and_reconnecting_does_not_reset_it() {
        let (slots, rooms, limits) = (Slots::new(), RouteRooms::default(), Limits::default());
        let (one, other) = (rooms.room("*", "/a"), rooms.room("*", "/b"));
        let rate = Rate {
            burst: NonZeroU32::new(2),
            ..Rate::new(1, HOUR)
        };
        let take = |ip: &str| slots.take(ClientAddr::new(ip.parse().unwrap()), &limits);
        let pass = |ip: &str, room: &RouteRoom| {
            let slot = take(ip).unwrap();
            let client = slot.counted();
            let mut waits = (0..4).map(|_| slots.request_on(&client, room, rate));
            waits.by_ref().take_while(Result::is_ok).count()
        };
        assert_eq!((pass("192.0.2.1", &one), pass("192.0.2.1", &one)), (2, 0));
        assert_eq!(pass("192.0.2.1", &other), 2);
        assert_eq!(pass("192.0.2.2", &one), 2);
        assert_eq!(pass("127.0.0.1", &one), 4);
        let slot = take("192.0.2.1").unwrap();
        let wait = slots.request_on(&slot.counted(), &one, rate).unwrap_err();
        assert!(wait > HOUR / 2 && wait <= HOUR, "{wait:?}");
    }

    #[test]
    fn workers_that_count_one_clients_requests_at_once_pass_what_the_rate_allows() {
        let (slots, room) = (Slots::new(), RouteRooms::default().room("*", "/"));
        let address = ClientAddr::new("192.0.2.1".parse().unwrap());
        let limits = Limits::default();
        let passed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let client = slots.counted(address, &limits);
                    for _ in 0..100 {
                        let result = slots.request_on(&client, &room, Rate::new(50, HOUR));
                        passed.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 50);
    }
}
