//! Certificates that expire or are revoked, and files that change, while something is open.

use std::time::{Duration, SystemTime};

use rcgen::SerialNumber;
use rustls::HandshakeKind;

use super::world::{World, get, reason};
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Upstream, eventually};

const LIST: &str = "client_crl = \"CA/crl.pem\"";

/// Long enough for a loaded machine to open a WebSocket.
const SHORT: Duration = Duration::from_secs(6);

/// An open WebSocket of a client with this certificate.
fn open(world: &World, name: &str) -> Client {
    let mut client = world.showing(world.dial("app.test"), name).h1();
    let request = handshake("/ws", "").replace("Host: localhost", "Host: app.test");
    client.send(request);
    assert_eq!(client.head().status(), 101);
    is_alive(&mut client);
    client
}

#[track_caller]
fn closed(client: &mut Client) -> (u16, String) {
    client.wire.frame().unwrap().close()
}

fn with_serial(world: &World, name: &str, serial: u64) {
    world.issue(name, |it| {
        it.serial_number = Some(SerialNumber::from(serial))
    });
}

#[test]
fn a_websocket_ends_with_its_certificate_and_with_that_of_no_other() {
    let mut world = World::with(echo(), "", "");
    let end = SystemTime::now() + SHORT;
    world.issue("short", |it| it.not_after = end.into());
    let (mut short, mut long) = (open(&world, "short"), open(&world, "ada"));
    assert_eq!(closed(&mut short), (1008, "certificate expired".to_owned()));
    is_alive(&mut long);
    let mut client = world.showing(world.dial("app.test"), "short").h1();
    assert_eq!(client.ask(get("app.test", "/")).status(), 401);
    eventually("the end of the tunnel in the log", || {
        let lines = world.gateway.access.now();
        let mut tunnels = lines.iter().filter(|line| line.contains("end=policy"));
        tunnels.any(|line| reason(line) == "certificate_expired")
    });
    // Another subject is wanted: what is open ends as well.
    world.reload("subject = [\"bob\"]");
    assert_eq!(closed(&mut long).0, 1008);
}

#[test]
fn a_policy_may_keep_what_is_open_by_a_certificate_that_has_expired() {
    let mut world = World::with(echo(), "", "");
    let soon = SystemTime::now() + SHORT;
    world.issue("short", |it| it.not_after = soon.into());
    world.reload_keeping();
    let mut client = open(&world, "short");
    eventually("the certificate has expired", || {
        let mut client = world.showing(world.dial("app.test"), "short").h1();
        client.ask(get("app.test", "/.ianitor/none")).status() == 404
            && SystemTime::now() > soon + Duration::from_secs(2)
    });
    is_alive(&mut client);
    let mut late = world.showing(world.dial("app.test"), "short").h1();
    assert_eq!(late.ask(get("app.test", "/")).status(), 401);
}

#[test]
fn a_revoked_certificate_ends_what_is_open_and_resumes_nothing() {
    let mut world = World::with(echo(), LIST, "");
    with_serial(&world, "ada", 7);
    with_serial(&world, "bob", 8);
    let (mut ada, mut bob) = (open(&world, "ada"), open(&world, "bob"));
    let mut idle = world.showing(world.dial("app.test"), "ada").h1();
    let dial = world.showing(world.dial("app.test").remember(), "ada");
    let config = dial.config(&["http/1.1"]);
    let connect = || Client::new(dial.tls_over(dial.tcp(), config.clone()).unwrap());
    drop_session(&mut connect());
    world.ca.revoke(&[7], Duration::from_secs(3600));
    world.gateway.follow_files();
    assert_eq!(closed(&mut ada), (1008, "certificate revoked".to_owned()));
    is_alive(&mut bob);
    assert_eq!(idle.ask(get("app.test", "/")).status(), 401);
    let mut resumed = connect();
    let kind = resumed.wire.stream.look(|tls| tls.handshake_kind());
    assert_eq!(resumed.ask(get("app.test", "/")).status(), 401);
    assert_eq!(kind, Some(HandshakeKind::Resumed));
    eventually("the tunnel and both requests are in the log", || {
        let lines = world.gateway.access.now();
        let revoked = lines.iter().map(|line| reason(line));
        revoked.filter(|why| *why == "certificate_revoked").count() == 3
    });
}

/// Waits for the ticket of a session, which comes with the first answer.
fn drop_session(client: &mut Client) {
    assert_eq!(client.ask(get("app.test", "/.ianitor/none")).status(), 404);
}

#[test]
fn a_list_that_is_out_of_date_admits_no_client_until_there_is_a_new_one() {
    let mut world = World::with(Upstream::ok(), LIST, "");
    let mut client = world.showing(world.dial("app.test"), "ada").h1();
    assert_eq!(client.ask(get("app.test", "/")).status(), 200);
    world.ca.revoke(&[], Duration::ZERO);
    world.gateway.follow_files();
    eventually("the list is out of date", || {
        client.ask(get("app.test", "/")).status() == 401
    });
    eventually("the reason is in the log", || {
        let lines = world.gateway.access.now();
        let mut reasons = lines.iter().map(|line| reason(line));
        reasons.any(|reason| reason == "certificate_old_crl")
    });
    // What cannot be used leaves the old one in force, and a good one is followed.
    world.ca.write("crl.pem", "rubbish");
    world.gateway.follow_files();
    assert_eq!(client.ask(get("app.test", "/")).status(), 401);
    world.ca.revoke(&[], Duration::from_secs(3600));
    world.gateway.follow_files();
    eventually("the new list counts", || {
        client.ask(get("app.test", "/")).status() == 200
    });
}

#[test]
fn another_ca_ends_what_the_old_one_has_signed() {
    let mut world = World::with(echo(), "", "");
    let mut client = open(&world, "ada");
    world.gateway.follow_files();
    world.reload("");
    is_alive(&mut client);
    let other = crate::harness::ca::Ca::new();
    world.ca.write("ca.pem", &other.read("ca.pem"));
    world.gateway.follow_files();
    assert_eq!(closed(&mut client).0, 1008);
    let mut client = world.showing(world.dial("app.test"), "ada").h1();
    assert_eq!(client.ask(get("app.test", "/")).status(), 401);
}
