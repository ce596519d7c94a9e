use super::*;

fn client(ip: &str) -> ClientAddr {
    ClientAddr::new(ip.parse().unwrap())
}

fn limits(connections: usize, per_client: usize) -> Limits {
    Limits {
        connections,
        connections_per_client: per_client,
        ..Limits::default()
    }
}

#[test]
fn slots_are_given_back() {
    let (slots, limits) = (Slots::new(), limits(3, 2));
    let a = slots.take(client("192.0.2.1"), &limits).unwrap();
    let b = slots.take(client("192.0.2.1"), &limits).unwrap();
    assert_eq!(
        slots.take(client("192.0.2.1"), &limits).unwrap_err(),
        Full::Client
    );
    let c = slots.take(client("192.0.2.2"), &limits).unwrap();
    assert_eq!(
        slots.take(client("192.0.2.3"), &limits).unwrap_err(),
        Full::Gateway
    );
    assert_eq!(slots.open(), 3);
    drop((a, b, c));
    assert_eq!(slots.open(), 0);
    assert!(slots.lock().is_empty());
}

#[test]
fn the_exempt_count_only_in_total() {
    let (slots, limits) = (Slots::new(), limits(3, 1));
    let held: Vec<_> = (0..3)
        .map(|_| slots.take(client("127.0.0.1"), &limits).unwrap())
        .collect();
    assert_eq!(
        slots.take(client("127.0.0.1"), &limits).unwrap_err(),
        Full::Gateway
    );
    let slow = Rate::new(1, Duration::from_secs(3600));
    assert!((0..10).all(|_| held[0].request(slow).is_ok()));
}

#[test]
fn streams_count_like_connections() {
    let (slots, limits) = (Slots::new(), limits(10, 2));
    let (a, b) = (
        slots.take(client("192.0.2.1"), &limits).unwrap(),
        slots.take(client("192.0.2.1"), &limits).unwrap(),
    );
    let held = (
        a.counted().stream(&limits).unwrap(),
        b.counted().stream(&limits).unwrap(),
    );
    assert_eq!(a.counted().stream(&limits).unwrap_err(), Full::Client);
    drop(held);
    assert!(a.counted().stream(&limits).is_ok());
    let local = slots.take(client("127.0.0.1"), &limits).unwrap();
    let held: Vec<_> = (0..5)
        .map(|_| local.counted().stream(&limits).unwrap())
        .collect();
    assert_eq!(held.len(), 5);
}

#[test]
fn what_connections_hold_is_counted_for_their_client() {
    let (slots, limits) = (Slots::new(), limits(10, 10));
    let take = |ip| slots.take(client(ip), &limits).unwrap();
    let (a, b, other, exempt) = (
        take("192.0.2.1"),
        take("192.0.2.1"),
        take("192.0.2.2"),
        take("127.0.0.1"),
    );
    a.unread().count(0, 100);
    b.unread().count(0, 50);
    exempt.unread().count(0, 70);
    assert_eq!(
        [&a, &b, &other, &exempt].map(|slot| slot.unread().total()),
        [150, 150, 0, 0]
    );
    a.unread().count(100, 0);
    assert_eq!(b.unread().total(), 50);
}

#[test]
fn the_rate_is_shared_by_a_clients_connections() {
    let (slots, limits) = (Slots::new(), limits(10, 10));
    let rate = Rate::new(5, Duration::from_secs(3600));
    let (a, b) = (
        slots.take(client("192.0.2.1"), &limits).unwrap(),
        slots.take(client("192.0.2.1"), &limits).unwrap(),
    );
    let other = slots.take(client("192.0.2.2"), &limits).unwrap();
    let passed = (0..10)
        .filter(|n| if n % 2 == 0 { &a } else { &b }.request(rate).is_ok())
        .count();
    assert_eq!(passed, 5);
    let wait = a.request(rate).unwrap_err();
    assert!(
        wait > Duration::from_secs(600) && wait <= Duration::from_secs(720),
        "{wait:?}"
    );
    assert!(other.request(rate).is_ok());
    // Reconnecting does not forgive.
    drop((a, b));
    assert!(
        slots
            .take(client("192.0.2.1"), &limits)
            .unwrap()
            .request(rate)
            .is_err()
    );
}
