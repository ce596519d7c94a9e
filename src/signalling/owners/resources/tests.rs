//! Whose resources of WHIP and WHEP there are.

use super::super::{Limits, Owners};
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIMITS: Limits = Limits {
    sessions: 4,
    sessions_per_owner: 3,
    handles: 1,
    handles_per_owner: 1,
    idle: Duration::from_secs(60),
    idle_objects: Duration::from_secs(7 * 24 * 3600),
};

/// Two clients at one upstream.
struct World {
    owners: Arc<Owners>,
    alice: Owner,
    bob: Owner,
    start: Instant,
}

impl World {
    fn new() -> Self {
        Self {
            owners: Owners::new(LIMITS),
            alice: Owner::of_subject("iss", "alice"),
            bob: Owner::of_subject("iss", "bob"),
            start: Instant::now(),
        }
    }

    fn created(&self, owner: Owner, endpoint: &str, resource: &str) {
        let resources = self.owners.resources();
        resources.created(owner, endpoint, target(resource), self.start);
    }

    fn find(&self, owner: Owner, text: &str) -> ResourceLookup {
        let resources = self.owners.resources();
        resources.find(owner, target(text), self.start)
    }
}

fn target(text: &str) -> ResourcePath<'_> {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    ResourcePath { path, query }
}

fn is_own(found: ResourceLookup) -> bool {
    matches!(found, ResourceLookup::Own(_))
}

#[test]
fn a_resource_and_what_is_below_it_belong_to_its_creator() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    assert_eq!(
        world.find(alice, "/whip/resource/a"),
        ResourceLookup::Nothing
    );
    world.created(alice, "/whip/endpoint/a", "/whip/resource/a");
    for spelling in [
        "/whip/resource/a",
        "/whip/resource/a/",
        "/WHIP/Resource/A",
        "/whip/resource/a;x=1",
        "/whip;y/resource/a%3Bx",
        "/whip/resource/a?x=1",
    ] {
        assert!(is_own(world.find(alice, spelling)), "{spelling}");
        assert_eq!(
            world.find(bob, spelling),
            ResourceLookup::OfAnother,
            "{spelling}"
        );
    }
    for below in ["/whip/resource/a/layer", "/whip/resource/A/sse/1?x"] {
        assert_eq!(
            world.find(alice, below),
            ResourceLookup::BelowOwn,
            "{below}"
        );
        assert_eq!(world.find(bob, below), ResourceLookup::OfAnother, "{below}");
    }
    for other in [
        "/whip/resource",
        "/whip/resource/ab",
        "/whip/endpoint/a",
        "/",
    ] {
        assert_eq!(world.find(alice, other), ResourceLookup::Nothing, "{other}");
        assert_eq!(world.find(bob, other), ResourceLookup::Nothing, "{other}");
    }
}

#[test]
fn a_path_that_the_server_gives_again_is_the_newer_clients() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    world.created(alice, "/e", "/r/1");
    let ResourceLookup::Own(old) = world.find(alice, "/r/1") else {
        panic!("not hers")
    };
    world.created(bob, "/e", "/r/1");
    assert_eq!(world.find(alice, "/r/1"), ResourceLookup::OfAnother);
    // The answer to her DELETE comes late: what is there now stays.
    world.owners.resources().forget(old);
    assert!(is_own(world.find(bob, "/r/1")));
    assert_eq!(world.owners.sessions(), 1);
}

#[test]
fn another_spelling_takes_nothing_from_the_client_that_has_the_first_one() {
    for spelling in [
        "/r/STUDIO",
        "/r/studio/",
        "/r/studio;2",
        "/R/studio",
        "/r;x/studio",
    ] {
        for is_first in [true, false] {
            let world = World::new();
            let (alice, bob) = (world.alice, world.bob);
            let mut given = [(alice, "/r/studio"), (bob, spelling)];
            if !is_first {
                given.reverse();
            }
            for (owner, path) in given {
                world.created(owner, "/e", path);
            }
            for (owner, other, path) in [(alice, bob, "/r/studio"), (bob, alice, spelling)] {
                assert!(is_own(world.find(owner, path)), "{spelling} {path}");
                let query = format!("{path}?x");
                assert!(is_own(world.find(owner, &query)), "{spelling} {query}");
                let found = world.find(other, path);
                assert_eq!(found, ResourceLookup::OfAnother, "{spelling} {path}");
            }
            // A third one may be either.
            for third in ["/r/Studio", "/r/studio;3", "/r/studio;3/ice"] {
                for owner in [alice, bob] {
                    let found = world.find(owner, third);
                    assert_eq!(found, ResourceLookup::OfAnother, "{spelling} {third}");
                }
            }
            let below = world.find(alice, "/r/STUDIO;/ice");
            assert_eq!(below, ResourceLookup::OfAnother, "{spelling}");
            assert_eq!(world.owners.sessions(), 2);
            // What has ended takes nothing along.
            let ResourceLookup::Own(id) = world.find(bob, spelling) else {
                panic!("not his")
            };
            world.owners.resources().forget(id);
            assert!(is_own(world.find(alice, "/r/studio")), "{spelling}");
            let found = world.find(bob, spelling);
            assert_eq!(found, ResourceLookup::OfAnother, "{spelling}");
        }
    }
}

#[test]
fn what_is_below_belongs_to_the_client_that_has_its_spelling() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    world.created(alice, "/e", "/r/studio");
    world.created(bob, "/e", "/r/STUDIO");
    for (owner, other, path) in [(alice, bob, "/r/studio/x"), (bob, alice, "/r/STUDIO/x")] {
        assert_eq!(world.find(owner, path), ResourceLookup::BelowOwn, "{path}");
        assert_eq!(world.find(other, path), ResourceLookup::OfAnother, "{path}");
    }
    // One that the server has given below another client's, in another spelling, opens nothing
    // there.
    let world = World::new();
    world.created(alice, "/e", "/r/studio");
    world.created(bob, "/e", "/r/Studio/x");
    for path in ["/r/studio/x", "/r/studio/x/y"] {
        assert_eq!(world.find(bob, path), ResourceLookup::OfAnother, "{path}");
    }
    assert!(is_own(world.find(bob, "/r/Studio/x")));
    let below = world.find(bob, "/r/Studio/x/y");
    assert_eq!(below, ResourceLookup::BelowOwn);
}

#[test]
fn a_query_in_another_case_takes_nothing_from_the_client_that_has_the_first_one() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    world.created(alice, "/e", "/r/?id=a");
    world.created(bob, "/e", "/r/?id=A");
    assert!(is_own(world.find(alice, "/r/?id=a")));
    assert!(is_own(world.find(bob, "/r/?id=A")));
    assert_eq!(world.find(bob, "/r/?id=a"), ResourceLookup::OfAnother);
    assert_eq!(world.find(bob, "/r?id=A"), ResourceLookup::OfAnother);
}

#[test]
fn a_query_names_a_resource_where_the_server_writes_one() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    world.created(alice, "/rtc/whip/", "/rtc/whip/?action=delete&token=a");
    world.created(bob, "/rtc/whip/", "/rtc/whip/?action=delete&token=b");
    assert!(is_own(
        world.find(alice, "/rtc/whip/?action=delete&token=a")
    ));
    let his = world.find(alice, "/rtc/whip/?action=delete&token=b");
    assert_eq!(his, ResourceLookup::OfAnother);
    let his = world.find(alice, "/rtc/whip/?token=b&action=delete");
    assert_eq!(his, ResourceLookup::OfAnother);
    let none = world.find(bob, "/rtc/whip/?app=live");
    assert_eq!(none, ResourceLookup::Nothing);
}

#[test]
fn a_request_with_all_parameters_of_a_resource_is_for_it() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    world.created(alice, "/e", "/r?resource=a%62c+d&v=1");
    for query in [
        "resource=abc+d&v=1",
        "resource=%61bc%20d&v=%31",
        "v=1&resource=abc+d",
        "resource=abc+d&v=1&",
        "&&x=1&resource=abc+d&y&v=1",
        "re%73ource=abc+d&v=1",
        "RESOURCE=ABC+D&V=1",
        "resource=abc+d&v=1&resource=other&v=2",
    ] {
        for path in ["/r", "/r/", "/R;x"] {
            let target = format!("{path}?{query}");
            assert!(is_own(world.find(alice, &target)), "{target}");
            let found = world.find(bob, &target);
            assert_eq!(found, ResourceLookup::OfAnother, "{target}");
        }
    }
    for other in [
        "/r",
        "/r?",
        "/r?v=1",
        "/r?resource=abc+d",
        "/r?resource=abcd&v=1",
        "/r?resource=abc%2Bd&v=1",
        "/r?resource=abc+d%26v=1",
        "/r/x?resource=abc+d&v=1",
        "/s?resource=abc+d&v=1",
    ] {
        for owner in [alice, bob] {
            assert_eq!(world.find(owner, other), ResourceLookup::Nothing, "{other}");
        }
    }
}

#[test]
fn a_request_for_resources_of_two_clients_is_for_none_of_either() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    world.created(alice, "/e", "/r?id=a&v=1");
    world.created(bob, "/e", "/r?id=b&v=1");
    assert!(is_own(world.find(alice, "/r?v=1&id=a")));
    assert!(is_own(world.find(bob, "/r?v=1&id=b&x")));
    for both in ["/r?id=a&v=1&id=b", "/r?id=b&id=%61&v=1"] {
        for owner in [alice, bob] {
            assert_eq!(world.find(owner, both), ResourceLookup::OfAnother, "{both}");
        }
    }
    // The same once more, in another encoding, is the newer client's.
    world.created(bob, "/e", "/r?v=1&id=%61");
    assert_eq!(world.find(alice, "/r?id=a&v=1"), ResourceLookup::OfAnother);
    let ResourceLookup::Own(id) = world.find(bob, "/r?id=a&v=1") else {
        panic!("not his")
    };
    world.owners.resources().forget(id);
    assert_eq!(world.find(bob, "/r?id=a&v=1"), ResourceLookup::Nothing);
    assert!(is_own(world.find(bob, "/r?id=b&v=1")));
    assert_eq!(world.owners.sessions(), 1);
}

#[test]
fn an_endpoint_that_is_named_as_the_resource_stays_open_for_offers() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    for (endpoint, resource) in [("/api/whip", "/api/whip/"), ("/x/whip/1", "/x/whip")] {
        world.created(alice, endpoint, resource);
        assert!(is_own(world.find(alice, resource)), "{resource}");
        assert_eq!(
            world.find(bob, resource),
            ResourceLookup::Nothing,
            "{resource}"
        );
    }
    world.created(bob, "/api/whip", "/api/whip");
    let both = [alice, bob].map(|owner| world.find(owner, "/api/whip"));
    assert!(both.into_iter().all(is_own), "{both:?}");
    assert_ne!(both[0], both[1]);
    assert_eq!(world.find(bob, "/x/whip/1"), ResourceLookup::Nothing);
}

#[test]
fn the_oldest_resources_make_room_for_new_ones() {
    let world = World::new();
    let (alice, bob) = (world.alice, world.bob);
    for n in 1..=4 {
        world.created(alice, "/e", &format!("/r/{n}"));
    }
    assert_eq!(
        world.find(alice, "/r/1"),
        ResourceLookup::Nothing,
        "her share"
    );
    assert!((2..=4).all(|n| is_own(world.find(alice, &format!("/r/{n}")))));
    world.created(bob, "/e", "/r/5");
    world.created(bob, "/e", "/r/6");
    assert_eq!(
        world.find(alice, "/r/2"),
        ResourceLookup::Nothing,
        "all of it"
    );
    assert!(is_own(world.find(bob, "/r/5")) && is_own(world.find(bob, "/r/6")));
    assert_eq!(world.owners.sessions(), 4);
    let long = format!("/r/{}", "x".repeat(LONGEST));
    world.created(bob, "/e", &long);
    assert_eq!(world.find(bob, &long), ResourceLookup::Nothing);
}

#[test]
fn a_resource_is_forgotten_when_it_has_ended_or_after_a_week_without_a_request() {
    let world = World::new();
    let (alice, resources) = (world.alice, world.owners.resources());
    world.created(alice, "/e", "/r/1");
    world.created(alice, "/e", "/r/2");
    world.created(alice, "/e", "/r/3");
    if let ResourceLookup::Own(id) = world.find(alice, "/r/3") {
        resources.forget(id);
        resources.forget(id);
    }
    assert_eq!(world.find(alice, "/r/3"), ResourceLookup::Nothing);
    world.owners.sweep(0, world.start);
    assert!(is_own(resources.find(
        alice,
        target("/r/1"),
        world.start + 6 * DAY
    )));
    world.owners.sweep(1, world.start + 7 * DAY);
    assert!(is_own(world.find(alice, "/r/1")));
    assert_eq!(world.find(alice, "/r/2"), ResourceLookup::Nothing);
    assert_eq!(world.owners.sessions(), 1);
}
