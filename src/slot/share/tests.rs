use std::sync::Arc;

use super::*;
use crate::slot::{NoRoom, SocketSlot};

const ANY: MaxConnections = MaxConnections::Unlimited;

fn client() -> CountedClient {
    CountedClient::new(Some(Arc::default()))
}

/// How many requests of a client, each with a socket of its own, get through to a server; they
/// are held.
fn fill(
    client: &CountedClient,
    room: &Arc<ServerRoom>,
    max: MaxConnections,
) -> Vec<(UpstreamUse, SocketSlot)> {
    let enter = || {
        Some((
            client.enter(room, max, false).ok()?,
            room.take(max, false).ok()?,
        ))
    };
    std::iter::from_fn(enter).collect()
}

#[test]
fn sockets_are_given_back() {
    let sockets = Sockets::new(2);
    let room = sockets.server("a");
    let held = (
        room.take(ANY, false).unwrap(),
        room.take(ANY, true).unwrap(),
    );
    assert_eq!(
        room.take(ANY, false).unwrap_err(),
        NoRoom::Descriptors { may_change: false }
    );
    drop(held);
    assert_eq!((sockets.free(), room.open.load(Ordering::Relaxed)), (2, 0));
    sockets.allow(0);
    assert!(room.take(ANY, false).is_err());
}

#[test]
fn one_client_takes_a_quarter_of_the_sockets_and_leaves_room_for_each_that_follows() {
    let sockets = Sockets::new(300);
    let room = sockets.server("a");
    let first = client();
    let held = fill(&first, &room, ANY);
    assert_eq!(held.len(), 75);
    let others: Vec<_> = (0..12).map(|_| fill(&client(), &room, ANY)).collect();
    assert!(
        others.iter().all(|held| !held.is_empty()),
        "{:?}",
        others.iter().map(Vec::len).collect::<Vec<_>>()
    );
    drop((held, others));
    assert_eq!(
        fill(&first, &room, ANY).len(),
        75,
        "what was taken is given back"
    );
}

#[test]
fn one_server_leaves_room_for_the_others() {
    let sockets = Sockets::new(400);
    let (slow, other) = (sockets.server("slow"), sockets.server("other"));
    let take = |room: &Arc<ServerRoom>| {
        std::iter::from_fn(|| room.take(ANY, false).ok()).collect::<Vec<_>>()
    };
    let held = take(&slow);
    assert_eq!((held.len(), take(&other).len()), (300, 75));
    // One that is alone need not leave any.
    drop((held, other));
    assert_eq!(take(&slow).len(), 400);
}

#[test]
fn one_client_takes_half_of_max_connections_and_less_when_others_come() {
    let sockets = Sockets::new(10_000);
    let (room, max) = (sockets.server("janus"), MaxConnections::Requests(1000));
    let (school, other) = (client(), client());
    let held = fill(&school, &room, max);
    assert_eq!(held.len(), 500);
    assert_eq!(fill(&other, &room, max).len(), 250);
    // WebSockets are beside the default limit, and within one that was written.
    assert!(room.take(max, true).is_ok() && school.enter(&room, max, true).is_ok());
    assert!(
        school
            .enter(&room, MaxConnections::All(1000), true)
            .is_err()
    );
}

#[test]
fn the_exempt_are_held_by_the_servers_limit_alone() {
    let sockets = Sockets::new(10_000);
    let (room, max) = (sockets.server("janus"), MaxConnections::All(10));
    let held = fill(&CountedClient::exempt(), &room, max);
    assert_eq!(held.len(), 10);
    assert_eq!(
        room.take(max, false).unwrap_err(),
        NoRoom::Server { may_change: false }
    );
}

#[test]
fn tunnels_do_not_count_against_the_default_limit() {
    let sockets = Sockets::new(10_000);
    let (room, max) = (sockets.server("janus"), MaxConnections::Requests(10));
    let tunnels: Vec<_> = (0..50).map(|_| room.take(max, true).unwrap()).collect();
    let held: Vec<_> = (0..10).map(|_| room.take(max, false).unwrap()).collect();
    assert!(room.take(max, false).is_err());
    drop((tunnels, held));
    assert_eq!(
        (
            room.open.load(Ordering::Relaxed),
            room.tunnels.load(Ordering::Relaxed)
        ),
        (0, 0)
    );
}

#[test]
fn where_idle_connections_are_in_the_way_they_are_called_for() {
    let sockets = Sockets::new(10_000);
    let (room, max) = (sockets.server("a"), MaxConnections::All(4));
    let held: Vec<_> = (0..4).map(|_| room.take(max, false).unwrap()).collect();
    let (idle, before) = (room.idle_count(), room.reclaims());
    idle.set(1);
    assert_eq!(
        room.take(max, false).unwrap_err(),
        NoRoom::Server { may_change: true }
    );
    assert_ne!(room.reclaims(), before);
    // Of clients, only what is busy counts.
    idle.set(4);
    let one = client();
    let entered: Vec<_> = (0..4)
        .map_while(|_| one.enter(&room, max, false).ok())
        .collect();
    assert_eq!(entered.len(), 4);
    drop(held);
}

#[test]
fn servers_are_forgotten_with_their_last_user() {
    let sockets = Sockets::new(10);
    for n in 0..100 {
        drop(sockets.server(&n.to_string()));
    }
    assert_eq!(sockets.servers().len(), 1);
}
