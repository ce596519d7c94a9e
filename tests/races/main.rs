//! What several workers write, run by loom in every order that its model of memory allows. The
//! modules are those of the gateway, compiled with other atomics and locks (`sync.rs`).
//!
//! This is a program of its own: with the harness of tests, the modules' own tests would run
//! without a model. It takes names as tests do, `--exact NAME` or a part of it, and `--list`.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the models use a part of each module"
)]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

#[path = "../../src/challenge_slots.rs"]
mod challenge_slots;
mod owners;
#[path = "../../src/slot/mod.rs"]
mod slot;
mod sync;

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Waker};

use ianitor::{addr, clock, limits};
use loom::thread;

use addr::ClientAddr;
use challenge_slots::{ChallengeSlot, ChallengeSlots, Said};
use limits::Limits;
use slot::{CountedClient, Full, MaxConnections, OpenFiles, Slots, Sockets};

/// How often a thread may be interrupted where it need not wait. Most faults need one or two.
const INTERRUPTIONS: usize = 3;

const MODELS: [(&str, fn()); 7] = [
    ("one_place_is_taken_once", owners::one_place_is_taken_once),
    ("the_last_slot_is_taken_once", the_last_slot_is_taken_once),
    (
        "a_client_has_its_limit_while_it_comes_and_goes",
        a_client_comes_and_goes,
    ),
    ("a_server_has_its_limit", a_server_has_its_limit),
    (
        "the_descriptors_are_not_exceeded",
        the_descriptors_are_not_exceeded,
    ),
    ("files_are_given_back", files_are_given_back),
    (
        "the_oldest_silent_connection_gives_way",
        the_oldest_silent_connection_gives_way,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--list") {
        let all = MODELS.iter().filter(|_| !has("--ignored"));
        all.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|one| !one.starts_with('-'))
        .collect();
    let is_asked = |name: &str| match has("--exact") {
        true => filters.iter().any(|filter| *filter == name),
        false => filters.is_empty() || filters.iter().any(|filter| name.contains(&**filter)),
    };
    for (name, model) in MODELS.iter().filter(|(name, _)| is_asked(name)) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(INTERRUPTIONS);
        builder.check(*model);
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn client(last: u8) -> ClientAddr {
    ClientAddr::new([192, 0, 2, last].into())
}

fn limits(connections: usize, connections_per_client: usize) -> Limits {
    Limits {
        connections,
        connections_per_client,
        ..Limits::default()
    }
}

fn the_last_slot_is_taken_once() {
    let slots = Slots::new();
    let others = Arc::clone(&slots);
    let other = thread::spawn(move || others.take(client(1), &limits(1, 9)));
    let mine = slots.take(client(2), &limits(1, 9));
    let other = other.join().unwrap();
    assert!(mine.is_ok() != other.is_ok());
    assert!(mine.is_ok() || matches!(mine, Err(Full::Gateway)));
    drop((mine, other));
    assert_eq!(slots.open(), 0);
}

/// One connection closes while another one opens: the entry of the client, which the last of them
/// removes, must not go from under the new one.
fn a_client_comes_and_goes() {
    let slots = Slots::new();
    let limits = limits(9, 1);
    let first = slots.take(client(1), &limits).unwrap();
    let (others, of_others) = (Arc::clone(&slots), limits.clone());
    let other = thread::spawn(move || others.take(client(1), &of_others));
    drop(first);
    let other = other.join().unwrap();
    let next = slots.take(client(1), &limits);
    assert!(
        next.is_ok() != other.is_ok(),
        "one of them has the only place"
    );
    drop((next, other));
    assert_eq!(slots.open(), 0);
    assert!(slots.take(client(1), &limits).is_ok());
}

fn a_server_has_its_limit() {
    let sockets = Sockets::new(8);
    let room = sockets.server("a");
    let others = Arc::clone(&room);
    let one = MaxConnections::All(1);
    let other = thread::spawn(move || others.take(one, true));
    let mine = room.take(one, false);
    let other = other.join().unwrap();
    assert!(mine.is_ok() != other.is_ok());
    drop((mine, other));
    assert!(room.take(one, true).is_ok());
}

fn the_descriptors_are_not_exceeded() {
    let sockets = Sockets::new(1);
    let rooms = ["a", "b"].map(|name| sockets.server(name));
    let [mine, others] = rooms.clone();
    let any = MaxConnections::Unlimited;
    let other = thread::spawn(move || others.take(any, false));
    let mine = mine.take(any, false);
    let other = other.join().unwrap();
    assert!(mine.is_err() || other.is_err());
    drop((mine, other));
    assert!(rooms.iter().all(|room| room.take(any, false).is_ok()));
}

fn files_are_given_back() {
    let (files, slots) = (OpenFiles::new(2), Slots::new());
    let limits = limits(9, 9);
    let take = |files: &Arc<OpenFiles>, slots: &Arc<Slots>, limits: &Limits| {
        let counted = slots.counted(client(1), limits);
        files.take(&counted)
    };
    let others = (Arc::clone(&files), Arc::clone(&slots), limits.clone());
    let other = thread::spawn(move || take(&others.0, &others.1, &others.2).is_some());
    let mine = take(&files, &slots, &limits).is_some();
    let other = other.join().unwrap();
    assert!(mine || other, "there is room for one at least");
    let (one, two) = (take(&files, &slots, &limits), take(&files, &slots, &limits));
    assert!(
        one.is_some() && two.is_none(),
        "half of all is for one client"
    );
}

fn the_oldest_silent_connection_gives_way() {
    let slots = Arc::<ChallengeSlots>::default();
    let group = Some(client(1).group());
    let others = Arc::clone(&slots);
    let other = thread::spawn(move || others.take(group, Said::Nothing));
    let mine = [
        slots.take(group, Said::Nothing),
        slots.take(group, Said::Nothing),
    ];
    let other = other.join().unwrap();
    let all = [&mine[0], &mine[1], &other].map(|slot| slot.as_ref().unwrap());
    assert_eq!(all.iter().filter(|slot| is_closed(slot)).count(), 1);
    assert!(!is_closed(all[1]) || !is_closed(all[2]));
}

fn is_closed(slot: &ChallengeSlot) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(slot.closed()).poll(&mut cx).is_ready()
}
