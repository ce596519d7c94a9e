use super::*;

fn id(number: usize) -> Id {
    let mut id = Id::default();
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn none(now: Instant) -> Kids {
    Kids::new(std::iter::empty(), now)
}

fn asker(number: usize) -> Asker {
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap());
    Asker {
        group: crate::addr::ClientAddr::new(address.into()).group(),
        is_listed: false,
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn made_up_names_from_several_places_leave_room_for_a_real_one() {
    let now = Instant::now();
    let mut kids = none(now);
    let mut names = 1..;
    for tick in 0..600u32 {
        let now = now + Duration::from_millis(100) * tick;
        for stranger in 1..=4 {
            kids.may_look(&id(names.next().unwrap()), asker(stranger), now);
        }
        if tick % 100 == 99 {
            assert!(
                kids.may_look(&id(usize::MAX - names.start), asker(5), now),
                "{tick}"
            );
        }
    }
    // From a thousand places: the one that comes back gets through.
    let now = now + Duration::from_secs(60);
    for stranger in 10..1010 {
        kids.may_look(&id(names.next().unwrap()), asker(stranger), now);
    }
    assert!(!kids.may_look(&id(0), asker(5), now));
    assert!(kids.may_look(&id(0), asker(5), now));
}

#[test]
fn a_name_of_nothing_is_not_looked_for_again_at_once() {
    let now = Instant::now();
    let mut kids = none(now);
    assert!(kids.is_open(&id(1), now));
    kids.went(id(1), now);
    assert!(!kids.is_open(&id(1), now + MISSING / 2));
    assert!(kids.is_open(&id(1), now + MISSING));
    kids.failed(id(1), now + MISSING, AWAY, 0.0);
    assert!(!kids.is_open(&id(1), now + MISSING + AWAY / 2));
    assert!(kids.is_open(&id(1), now + MISSING + AWAY));
}

#[test]
fn strangers_with_names_of_nothing_cause_few_fetches_and_take_little_room() {
    let now = Instant::now();
    let mut kids = none(now);
    // One of a client's ten is for names that come back.
    assert_eq!(
        (0..1000)
            .filter(|number| kids.may_look(&id(*number), asker(1), now))
            .count(),
        9
    );
    assert!(kids.may_look(&id(999), asker(1), now) && !kids.may_look(&id(999), asker(1), now));
    // From however many places they come.
    let many = (0..1000)
        .filter(|number| kids.may_look(&id(*number), asker(*number), now))
        .count();
    assert_eq!(many, 64 - 16 - 10);
    (0..1000).for_each(|number| kids.went(id(number), now));
    assert_eq!(kids.missing.len(), MOST_MISSING);
    kids.went(id(2000), now + MISSING);
    assert_eq!(kids.missing.len(), 1);
}

#[test]
fn a_key_that_is_held_is_fetched_again_when_it_is_due_and_not_twice_at_once() {
    let now = Instant::now();
    let mut kids = none(now);
    assert_eq!(kids.came(id(1), "one", now + HOUR), None);
    assert!(!kids.is_open(&id(1), now), "it is there");
    assert_eq!((kids.next(), kids.due(now)), (Some(now + HOUR), None));
    assert_eq!(kids.due(now + HOUR), Some((id(1), "one".into())));
    assert_eq!((kids.next(), kids.due(now + HOUR)), (None, None));
    // It stays through failures, and is tried after longer and longer times.
    kids.failed(id(1), now, AWAY, 0.0);
    assert_eq!(kids.next(), Some(now + Duration::from_secs(1)));
    kids.failed(id(1), now, AWAY, 0.0);
    assert_eq!(kids.next(), Some(now + Duration::from_secs(2)));
    kids.try_again(now);
    assert_eq!(kids.next(), Some(now));
    // Taken back.
    kids.went(id(1), now);
    assert_eq!(kids.next(), None);
    assert!(!kids.is_open(&id(1), now));
}

#[test]
fn the_key_that_came_first_makes_room() {
    let now = Instant::now();
    let mut kids = none(now);
    for number in 0..MOST {
        assert_eq!(kids.came(id(number), &number.to_string(), now + HOUR), None);
    }
    // Fetching one again does not change its place.
    assert_eq!(kids.came(id(0), "0", now + HOUR), None);
    assert_eq!(kids.came(id(1000), "new", now + HOUR).as_deref(), Some("0"));
    assert_eq!(
        kids.came(id(1001), "newer", now + HOUR).as_deref(),
        Some("1")
    );
    assert_eq!(kids.held.len(), MOST);
}
