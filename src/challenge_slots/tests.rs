use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::addr::ClientAddr;

fn group(number: usize) -> Option<ClientGroup> {
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap());
    Some(ClientAddr::new(address.into()).group())
}

fn is_closed(slot: &ChallengeSlot) -> bool {
    pin!(slot.closed())
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[test]
fn places_are_few_and_are_given_back() {
    let challenge_slots = Arc::new(ChallengeSlots::default());
    let held: Vec<_> = (0..MOST)
        .map(|at| challenge_slots.take(group(at), Said::Something).unwrap())
        .collect();
    assert!(challenge_slots.take(group(99), Said::Something).is_none());
    drop(held);
    assert!(challenge_slots.lock().entries.is_empty());
    assert!(challenge_slots.take(group(99), Said::Something).is_some());
}

#[test]
fn the_one_that_has_been_silent_the_longest_makes_room() {
    let challenge_slots = Arc::new(ChallengeSlots::default());
    let asking = challenge_slots.take(group(0), Said::Something).unwrap();
    asking.note_question();
    let silent: Vec<_> = (1..MOST)
        .map(|at| challenge_slots.take(group(at), Said::Nothing).unwrap())
        .collect();
    for at in 0..100 {
        let newer = challenge_slots
            .take(group(100 + at), Said::Nothing)
            .unwrap();
        assert!(!is_closed(&newer));
        drop(newer);
    }
    assert_eq!(
        silent.iter().filter(|one| is_closed(one)).count(),
        1,
        "one place was enough"
    );
    let newer: Vec<_> = (0..100)
        .map(|at| {
            challenge_slots
                .take(group(100 + at), Said::Nothing)
                .unwrap()
        })
        .collect();
    assert!(!is_closed(&asking), "who asks is not silent");
    assert_eq!(newer.iter().filter(|one| !is_closed(one)).count(), MOST - 1);
    assert!(newer[85..].iter().all(|one| !is_closed(one)));
    assert_eq!(challenge_slots.lock().entries.len(), MOST);
}

#[test]
fn a_client_keeps_two_that_are_silent() {
    let challenge_slots = Arc::new(ChallengeSlots::default());
    let other = challenge_slots.take(group(2), Said::Nothing).unwrap();
    let silent: Vec<_> = (0..20)
        .map(|_| challenge_slots.take(group(1), Said::Nothing).unwrap())
        .collect();
    assert!(silent[..18].iter().all(is_closed) && !silent[18..].iter().any(is_closed));
    // Neither does it get more by saying something that leads nowhere.
    let talking: Vec<_> = (0..4)
        .map(|_| challenge_slots.take(group(1), Said::Something).unwrap())
        .collect();
    talking.iter().for_each(ChallengeSlot::note_wait);
    assert!(silent[18..].iter().all(is_closed) && !is_closed(&other));
    assert_eq!(talking.iter().filter(|one| is_closed(one)).count(), 2);
}

#[test]
fn a_ca_may_look_at_several_names_at_once_but_nobody_takes_all_places() {
    let challenge_slots = Arc::new(ChallengeSlots::default());
    let ask = |number| {
        let slot = challenge_slots.take(group(number), Said::Something)?;
        slot.note_question();
        Some(slot)
    };
    let held: Vec<_> = (0..20).filter_map(|_| ask(1)).collect();
    assert_eq!(held.len(), OF_CLIENT);
    let others: Vec<_> = (0..20).filter_map(|_| ask(2)).collect();
    assert_eq!(others.len(), MOST - OF_CLIENT);
    assert!(ask(3).is_none() && challenge_slots.take(group(3), Said::Nothing).is_none());
    // But those who do not get on.
    let later = Instant::now() + SLOW;
    let newer = challenge_slots
        .take_at(group(3), Said::Nothing, later)
        .unwrap();
    assert!(is_closed(&held[0]) && !is_closed(&held[1]) && !is_closed(&newer));
}

#[test]
fn whom_a_balancer_announces_is_counted_as_who_it_is() {
    let challenge_slots = Arc::new(ChallengeSlots::default());
    let held: Vec<_> = (0..6)
        .map(|_| challenge_slots.take(None, Said::Nothing).unwrap())
        .collect();
    assert!(!held.iter().any(is_closed), "nobody knows who they are");
    assert!(held.iter().all(|slot| slot.announce(group(1).unwrap())));
    assert_eq!(held.iter().filter(|slot| is_closed(slot)).count(), 4);
    assert!(
        !held[0].announce(group(2).unwrap()),
        "its place is another's"
    );
}
