//! How long keys open tickets, and whose.

use super::*;

#[test]
fn a_key_opens_its_tickets_for_two_rotations() {
    let Tickets(tickets) = Tickets::new().unwrap();
    let now = UnixTime::now().0;
    let ticket = tickets.seal(b"state", SessionKind::Plain, now).unwrap();
    let open = |now| tickets.open(&ticket, SessionKind::Plain, now);
    assert_eq!(open(now).unwrap(), b"state");
    assert_eq!(open(now + ROTATION + 1).unwrap(), b"state");
    assert_eq!(open(now + 2 * ROTATION + 2), None);
    let unused = tickets
        .seal(b"state", SessionKind::Plain, now + 2 * ROTATION + 2)
        .unwrap();
    assert_eq!(
        tickets.open(&unused, SessionKind::Plain, now + 9 * ROTATION),
        None
    );
}

#[test]
fn only_whole_tickets_of_its_own_are_opened() {
    let tickets = Tickets::new().unwrap().producer(SessionKind::Plain);
    let others = Tickets::new().unwrap().producer(SessionKind::Plain);
    let ticket = tickets.encrypt(b"state").unwrap();
    assert_ne!(ticket, tickets.encrypt(b"state").unwrap());
    assert_eq!(others.decrypt(&ticket), None);
    for at in 0..ticket.len() {
        let mut changed = ticket.clone();
        changed[at] ^= 1;
        assert_eq!(tickets.decrypt(&changed), None, "{at}");
        assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at}");
    }
}

#[test]
fn a_ticket_is_for_sessions_of_its_kind() {
    let tickets = Tickets::new().unwrap();
    let kinds = [SessionKind::Plain, SessionKind::AsksForCertificate];
    for (made, opened) in [(kinds[0], kinds[1]), (kinds[1], kinds[0])] {
        let ticket = tickets.producer(made).encrypt(b"state").unwrap();
        assert_eq!(tickets.producer(opened).decrypt(&ticket), None, "{made:?}");
        let again = tickets.producer(made).decrypt(&ticket);
        assert_eq!(again.unwrap(), b"state", "{made:?}");
    }
}

#[test]
fn tickets_are_opened_by_the_process_that_gets_the_keys() {
    let tickets = Tickets::new().unwrap();
    let now = UnixTime::now().0;
    let first = tickets.0.seal(b"first", SessionKind::Plain, now).unwrap();
    let second = tickets
        .0
        .seal(b"second", SessionKind::Plain, now + ROTATION + 1)
        .unwrap();
    let handed = serde_json::to_string(&tickets.hand_over()).unwrap();
    let mut handed: TicketKeys = serde_json::from_str(&handed).unwrap();
    assert_eq!(handed.next, now + 2 * ROTATION + 1);
    handed.next = now + ROTATION;
    let Tickets(new) = Tickets::handed_over(handed.clone()).unwrap();
    assert_eq!(new.open(&first, SessionKind::Plain, now).unwrap(), b"first");
    assert_eq!(
        new.open(&second, SessionKind::Plain, now).unwrap(),
        b"second"
    );
    // A clock that was ahead would keep them for long.
    handed.next = now + 3 * ROTATION;
    let Tickets(new) = Tickets::handed_over(handed).unwrap();
    assert_eq!(new.open(&second, SessionKind::Plain, now), None);
    let Tickets(new) = Tickets::handed_over(TicketKeys::default()).unwrap();
    assert!(new.seal(b"state", SessionKind::Plain, now).is_some());
}
