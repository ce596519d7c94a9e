use super::*;

fn id(number: usize) -> Id {
    let mut id = Id::default();
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn none(now: Instant) -> KnownKeys {
    KnownKeys::new(std::iter::empty(), now)
}

fn requester(number: usize) -> Requester {
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap());
    Requester {
        group: crate::addr::ClientAddr::new(address.into()).group(),
        is_listed: false,
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn made_up_names_from_several_places_leave_room_for_a_real_one() {
    let now = Instant::now();
    let mut known_keys = none(now);
    let mut names = 1..;
    for tick in 0..600u32 {
        let now = now + Duration::from_millis(100) * tick;
        for client in 1..=4 {
            known_keys.may_fetch(&id(names.next().unwrap()), requester(client), now);
        }
        if tick % 100 == 99 {
            assert!(
                known_keys.may_fetch(&id(usize::MAX - names.start), requester(5), now),
                "{tick}"
            );
        }
    }
    // From a thousand places: the one that comes back gets through.
    let now = now + Duration::from_secs(60);
    for client in 10..1010 {
        known_keys.may_fetch(&id(names.next().unwrap()), requester(client), now);
    }
    assert!(!known_keys.may_fetch(&id(0), requester(5), now));
    assert!(known_keys.may_fetch(&id(0), requester(5), now));
}

#[test]
fn a_name_of_nothing_is_not_looked_for_again_at_once() {
    let now = Instant::now();
    let mut known_keys = none(now);
    assert!(known_keys.may_exist(&id(1), now));
    known_keys.lost(id(1), now);
    assert!(!known_keys.may_exist(&id(1), now + MISSING / 2));
    assert!(known_keys.may_exist(&id(1), now + MISSING));
    known_keys.failed(id(1), now + MISSING, UNAVAILABLE, 0.0);
    assert!(!known_keys.may_exist(&id(1), now + MISSING + UNAVAILABLE / 2));
    assert!(known_keys.may_exist(&id(1), now + MISSING + UNAVAILABLE));
}

#[test]
fn clients_with_names_of_nothing_cause_few_fetches_and_take_little_room() {
    let now = Instant::now();
    let mut known_keys = none(now);
    // One of a client's ten is for names that come back.
    assert_eq!(
        (0..1000)
            .filter(|number| known_keys.may_fetch(&id(*number), requester(1), now))
            .count(),
        9
    );
    assert!(
        known_keys.may_fetch(&id(999), requester(1), now)
            && !known_keys.may_fetch(&id(999), requester(1), now)
    );
    // From however many places they come.
    let many = (0..1000)
        .filter(|number| known_keys.may_fetch(&id(*number), requester(*number), now))
        .count();
    assert_eq!(many, 64 - 16 - 10);
    (0..1000).for_each(|number| known_keys.lost(id(number), now));
    assert_eq!(known_keys.missing.len(), MOST_MISSING);
    known_keys.lost(id(2000), now + MISSING);
    assert_eq!(known_keys.missing.len(), 1);
}

#[test]
fn a_key_that_is_held_is_fetched_again_when_it_is_due_and_not_twice_at_once() {
    let now = Instant::now();
    let mut known_keys = none(now);
    assert_eq!(known_keys.found(id(1), "one", now + HOUR), None);
    assert!(!known_keys.may_exist(&id(1), now), "it is there");
    assert_eq!(
        (known_keys.next(), known_keys.due(now)),
        (Some(now + HOUR), None)
    );
    assert_eq!(known_keys.due(now + HOUR), Some((id(1), "one".into())));
    assert_eq!(
        (known_keys.next(), known_keys.due(now + HOUR)),
        (None, None)
    );
    // It stays through failures, and is tried after longer and longer times.
    known_keys.failed(id(1), now, UNAVAILABLE, 0.0);
    assert_eq!(known_keys.next(), Some(now + Duration::from_secs(1)));
    known_keys.failed(id(1), now, UNAVAILABLE, 0.0);
    assert_eq!(known_keys.next(), Some(now + Duration::from_secs(2)));
    known_keys.try_again(now);
    assert_eq!(known_keys.next(), Some(now));
    // Taken back.
    known_keys.lost(id(1), now);
    assert_eq!(known_keys.next(), None);
    assert!(!known_keys.may_exist(&id(1), now));
}

#[test]
fn the_key_that_came_first_makes_room() {
    let now = Instant::now();
    let mut known_keys = none(now);
    for number in 0..MOST {
        assert_eq!(
            known_keys.found(id(number), &number.to_string(), now + HOUR),
            None
        );
    }
    // Fetching one again does not change its place.
    assert_eq!(known_keys.found(id(0), "0", now + HOUR), None);
    assert_eq!(
        known_keys.found(id(1000), "new", now + HOUR).as_deref(),
        Some("0")
    );
    assert_eq!(
        known_keys.found(id(1001), "newer", now + HOUR).as_deref(),
        Some("1")
    );
    assert_eq!(known_keys.known.len(), MOST);
}
