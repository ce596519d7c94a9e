//! Whose sessions and objects there are, and how long.

use super::*;
use crate::signalling::owners::{Limits, Owners};

const PIPELINE: &str = "1_kurento.MediaPipeline";
const ENDPOINT: &str = "1_kurento.MediaPipeline/2_kurento.WebRtcEndpoint";

fn open(owners: &Owners, owner: Owner, session: &str, now: Instant) -> InUse {
    let place = owners.reserve_session(owner).unwrap();
    let objects = owners.objects();
    objects.session_created(place, session, now).unwrap()
}

fn create(owners: &Owners, owner: Owner, session: &str, object: &str) {
    let place = owners.reserve_handle(owner).unwrap();
    owners.objects().object_created(place, session, object);
}

fn clients() -> (Owner, Owner) {
    let of = |subject| Owner::of_subject("iss", subject);
    (of("alice"), of("bob"))
}

#[test]
fn objects_belong_to_the_client_that_created_their_root() {
    let (owners, now) = (Owners::new(Limits::default()), Instant::now());
    let (alice, bob) = clients();
    let objects = owners.objects();
    let _connections = (open(&owners, alice, "s", now), open(&owners, bob, "t", now));
    create(&owners, alice, "s", PIPELINE);
    assert!(objects.has_session(alice, "s", now) && !objects.has_session(bob, "s", now));
    assert!(objects.use_session(bob, "s").is_none());
    assert!(objects.has_object(alice, Some("s"), PIPELINE));
    assert!(objects.has_object(alice, None, ENDPOINT));
    assert!(!objects.has_object(bob, Some("t"), PIPELINE));
    assert!(!objects.has_object(bob, Some("t"), ENDPOINT));
    assert!(!objects.has_object(alice, Some("s"), "2_kurento.MediaPipeline"));
    assert!(!objects.has_object(alice, Some("s"), "1_kurento.MediaPipelineX/1"));
    // Nothing is remembered below a root, or without a session of the client.
    create(&owners, alice, "s", ENDPOINT);
    create(&owners, bob, "s", "3_kurento.MediaPipeline");
    assert!(!objects.has_object(bob, Some("t"), "3_kurento.MediaPipeline"));
    assert_eq!((owners.sessions(), owners.handles()), (2, 1));
    objects.forget_object(bob, PIPELINE);
    objects.forget_object(alice, ENDPOINT);
    assert!(objects.has_object(alice, Some("s"), ENDPOINT));
    objects.forget_object(alice, PIPELINE);
    assert!(!objects.has_object(alice, Some("s"), ENDPOINT));
    assert_eq!((owners.sessions(), owners.handles()), (2, 0));
}

#[test]
fn an_object_is_forgotten_with_the_last_session_that_used_it() {
    let (owners, now) = (Owners::new(Limits::default()), Instant::now());
    let (alice, _) = clients();
    let objects = owners.objects();
    let _connections = (
        open(&owners, alice, "s", now),
        open(&owners, alice, "t", now),
    );
    create(&owners, alice, "s", PIPELINE);
    create(&owners, alice, "s", "4_kurento.MediaPipeline");
    assert!(objects.has_object(alice, Some("t"), ENDPOINT));
    assert!(objects.has_object(alice, Some("unknown"), ENDPOINT));
    objects.forget_session(alice, "s");
    assert!(!objects.has_object(alice, Some("t"), "4_kurento.MediaPipeline"));
    assert!(objects.has_object(alice, Some("t"), PIPELINE));
    objects.forget_session(alice, "t");
    assert!(!objects.has_object(alice, Some("t"), PIPELINE));
    assert_eq!((owners.sessions(), owners.handles()), (0, 0));
}

#[test]
fn a_session_stays_as_long_as_a_connection_uses_it_and_some_minutes_more() {
    let (owners, start) = (Owners::new(Limits::default()), Instant::now());
    let (alice, _) = clients();
    let objects = owners.objects();
    let sweep = |after: Duration| (0..SHARDS).for_each(|part| owners.sweep(part, start + after));
    let connection = open(&owners, alice, "s", start);
    create(&owners, alice, "s", PIPELINE);
    let idle = Limits::default().idle_objects;
    sweep(idle * 10);
    assert!(objects.has_object(alice, None, PIPELINE));
    drop(connection);
    sweep(idle * 11 - Duration::from_secs(1));
    let again = objects.use_session(alice, "s").unwrap();
    assert!(objects.has_object(alice, None, PIPELINE));
    sweep(idle * 20);
    drop(again);
    sweep(idle * 21);
    assert!(objects.use_session(alice, "s").is_none());
    assert!(!objects.has_object(alice, None, PIPELINE));
    assert_eq!((owners.sessions(), owners.handles()), (0, 0));
    assert!(objects.shard(alice).lock().is_empty());
}

#[test]
fn an_id_that_is_too_long_is_not_remembered() {
    let (owners, now) = (Owners::new(Limits::default()), Instant::now());
    let (alice, _) = clients();
    let long = "x".repeat(LONGEST + 1);
    let place = owners.reserve_session(alice).unwrap();
    assert!(
        owners
            .objects()
            .session_created(place, &long, now)
            .is_none()
    );
    let _connection = open(&owners, alice, "s", now);
    create(&owners, alice, "s", &long);
    assert_eq!((owners.sessions(), owners.handles()), (1, 0));
}

#[test]
fn an_object_is_kept_by_the_sessions_that_have_used_it_last() {
    let (owners, now) = (Owners::new(Limits::default()), Instant::now());
    let (alice, _) = clients();
    let objects = owners.objects();
    let sessions: Vec<String> = (0..=MOST_SESSIONS).map(|n| n.to_string()).collect();
    let open = |session: &String| open(&owners, alice, session, now);
    let _connections: Vec<InUse> = sessions.iter().map(open).collect();
    create(&owners, alice, &sessions[0], PIPELINE);
    for session in sessions.iter().chain(&sessions[1..]) {
        assert!(objects.has_object(alice, Some(session), PIPELINE));
    }
    let (last, others) = sessions.split_last().unwrap();
    let used = || objects.has_object(alice, None, PIPELINE);
    others
        .iter()
        .for_each(|session| objects.forget_session(alice, session));
    assert!(used());
    objects.forget_session(alice, last);
    assert!(!used());
}
