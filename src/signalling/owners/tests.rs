//! Whose sessions there are, and how many.

use super::*;

const LIMITS: Limits = Limits {
    sessions: 4,
    sessions_per_owner: 3,
    handles: 4,
    handles_per_owner: 3,
    idle: Duration::from_secs(60),
    idle_objects: Duration::from_secs(600),
};

fn create(owners: &Arc<Owners>, owner: Owner, session: i64, now: Instant) {
    let place = owners.reserve_session(owner).unwrap();
    owners.created(place, session, now);
}

fn attach(owners: &Arc<Owners>, owner: Owner, session: i64, handle: i64) {
    let place = owners.reserve_handle(owner).unwrap();
    owners.attached(place, session, handle, "janus.plugin.echotest".into());
}

#[test]
fn only_the_client_that_created_a_session_may_use_it() {
    let (owners, now) = (Owners::new(LIMITS), Instant::now());
    let (alice, bob) = (
        Owner::of_subject("iss", "alice"),
        Owner::of_subject("iss", "bob"),
    );
    create(&owners, alice, 1, now);
    assert!(owners.find(alice, 1, None, now).is_ok());
    assert_eq!(owners.find(bob, 1, None, now), Err(Unknown::Session));
    assert_eq!(owners.find(alice, 2, None, now), Err(Unknown::Session));
    assert_eq!(owners.find(alice, 1, Some(7), now), Err(Unknown::Handle));
    attach(&owners, alice, 1, 7);
    attach(&owners, alice, 2, 8);
    attach(&owners, bob, 1, 9);
    assert_eq!(owners.find(alice, 1, Some(9), now), Err(Unknown::Handle));
    let found = owners.find(alice, 1, Some(7), now).unwrap();
    assert_eq!(found.handle.unwrap().plugin, "janus.plugin.echotest");
    assert_eq!(owners.find(bob, 1, Some(7), now), Err(Unknown::Session));
    assert_eq!(owners.find(alice, 2, Some(8), now), Err(Unknown::Session));
    // Bob proposes Alice's id: it stays hers.
    create(&owners, bob, 1, now);
    assert_eq!(owners.find(bob, 1, None, now), Err(Unknown::Session));
    assert!(owners.find(alice, 1, Some(7), now).is_ok());
    // What another server says about its own session with this id ends nothing of hers.
    assert!(owners.is_of_another(bob, 1) && !owners.is_of_another(alice, 1));
    owners.detach(bob, 1, 7);
    owners.forget(bob, 1);
    assert!(owners.find(alice, 1, Some(7), now).is_ok());
    owners.detach(alice, 1, 7);
    assert_eq!(owners.find(alice, 1, Some(7), now), Err(Unknown::Handle));
    owners.forget(alice, 1);
    owners.forget(alice, 1);
    assert_eq!(owners.find(alice, 1, None, now), Err(Unknown::Session));
    assert_eq!((owners.sessions(), owners.handles()), (0, 0));
}

#[test]
fn a_client_without_a_subject_is_an_ipv4_address_or_an_ipv6_64() {
    let owner = |ip: &str| Owner::of_address(ClientAddr::new(ip.parse().unwrap()));
    for (one, other, are_same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
    ] {
        assert_eq!(owner(one) == owner(other), are_same, "{one} {other}");
    }
}

#[test]
fn subjects_and_connections_are_different_owners() {
    let all = [
        Owner::of_subject("a", "bc"),
        Owner::of_subject("ab", "c"),
        Owner::of_subject("a", "b"),
        Owner::of_subject("", "abc"),
        Owner::of_token("a", Some(""), "bc"),
        Owner::of_token("a", Some("b"), "c"),
        Owner::of_token("a", Some("c"), "b"),
        Owner::of_user("a", None, "b", "c"),
        Owner::of_user("a", Some("b"), "", "c"),
        Owner::of_connection(1),
        Owner::of_connection(2),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all[at + 1..].iter().all(|other| one != other));
    }
    assert_eq!(Owner::of_subject("a", "b"), Owner::of_subject("a", "b"));
}

#[test]
fn memory_is_bounded_per_client_and_for_all() {
    let (owners, now) = (Owners::new(LIMITS), Instant::now());
    let (alice, bob) = (Owner::of_subject("i", "a"), Owner::of_subject("i", "b"));
    (1..=3).for_each(|id| create(&owners, alice, id, now));
    assert!(owners.reserve_session(alice).is_err(), "her share");
    let waits = owners.reserve_session(bob).unwrap();
    assert!(owners.reserve_session(bob).is_err(), "all of it");
    assert_eq!(owners.sessions(), 4);
    drop(waits);
    create(&owners, bob, 4, now);
    owners.forget(alice, 1);
    create(&owners, alice, 5, now);
    (1..=3).for_each(|handle| attach(&owners, alice, 5, handle));
    assert!(owners.reserve_handle(alice).is_none(), "her share");
    attach(&owners, bob, 4, 1);
    assert!(owners.reserve_handle(bob).is_none(), "all of it");
    owners.forget(alice, 5);
    assert_eq!((owners.sessions(), owners.handles()), (3, 1));
}

fn sweep(owners: &Owners, now: Instant) {
    (0..SHARDS).for_each(|part| owners.sweep(part, now));
}

#[test]
fn what_is_not_used_is_forgotten() {
    let (owners, start) = (Owners::new(LIMITS), Instant::now());
    let alice = Owner::of_connection(1);
    create(&owners, alice, 1, start);
    create(&owners, alice, 2, start);
    let later = start + Duration::from_secs(59);
    sweep(&owners, later);
    assert!(owners.find(alice, 1, None, later).is_ok());
    sweep(&owners, start + Duration::from_secs(60));
    assert!(owners.find(alice, 1, None, later).is_ok(), "used since");
    assert_eq!(owners.find(alice, 2, None, later), Err(Unknown::Session));
    assert_eq!(owners.sessions(), 1);
}
