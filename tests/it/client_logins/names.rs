//! Which names ask for a certificate, and what a connection of another name gets.

use http::Request;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::world::{World, get, reason};
use crate::harness::Client;

fn h2(client: &mut crate::harness::h2::Client, url: &str) -> u16 {
    client.send(Request::get(url).body(()).unwrap(), b"").status
}

#[test]
fn a_connection_of_another_name_was_not_asked_and_is_misdirected() {
    let world = World::new("");
    let mut client = world.showing(world.dial("open.test"), "ada").h2();
    assert_eq!(h2(&mut client, "https://open.test/"), 200);
    assert_eq!(h2(&mut client, "https://app.test/"), 421);
    assert_eq!(h2(&mut client, "https://app.test/open"), 200);
    assert_eq!(h2(&mut client, "https://open.test/"), 200);
    let lines = world.gateway.access.lines(4);
    assert_eq!(reason(&lines[1]), "certificate_not_asked", "{}", lines[1]);
    // The other way round there is nothing to ask for.
    let mut client = world.showing(world.dial("app.test"), "ada").h2();
    assert_eq!(h2(&mut client, "https://app.test/"), 200);
    assert_eq!(h2(&mut client, "https://open.test/"), 200);
}

#[test]
fn a_connection_that_is_older_than_the_policy_is_closed_after_the_answer() {
    let mut world = World::new("");
    world.reload_open();
    let dial = world.showing(world.dial("app.test"), "ada");
    let (mut h1, mut h2_client) = (dial.h1(), dial.h2());
    assert_eq!(h1.ask(get("app.test", "/")).status(), 200);
    assert_eq!(h2(&mut h2_client, "https://app.test/"), 200);
    world.reload("");
    assert_eq!(h1.ask(get("app.test", "/")).status(), 421);
    h1.is_closed();
    assert_eq!(h2(&mut h2_client, "https://app.test/"), 421);
    h2_client.until_closed();
    assert_eq!(dial.h1().ask(get("app.test", "/")).status(), 200);
}

#[test]
fn sessions_are_resumed_only_where_as_much_is_asked() {
    for version in [&TLS12, &TLS13] {
        let mut world = World::new("");
        let dial = world.dial("app.test").versions(&[version]).remember();
        let dial = world.showing(dial, "ada");
        let config = dial.config(&["http/1.1"]);
        let kind = |status: u16| {
            let mut client = Client::new(dial.tls_over(dial.tcp(), config.clone()).unwrap());
            assert_eq!(client.ask(get("app.test", "/")).status(), status);
            client.wire.stream.look(|tls| tls.handshake_kind().unwrap())
        };
        assert_eq!(kind(200), HandshakeKind::Full);
        // The certificate of the first handshake is known on any worker.
        (0..4).for_each(|_| assert_eq!(kind(200), HandshakeKind::Resumed, "{version:?}"));
        world.reload("subject = [\"bob\"]");
        assert_eq!(kind(403), HandshakeKind::Resumed, "{version:?}");
        world.reload_open();
        assert_eq!(kind(200), HandshakeKind::Full, "{version:?}");
        assert_eq!(kind(200), HandshakeKind::Resumed, "{version:?}");
        world.reload("");
        assert_eq!(kind(200), HandshakeKind::Full, "{version:?}");
    }
}
