//! What the new process of an upgrade knows from the old one.

use std::sync::{Arc, Mutex};

use crate::harness::h1::Answer;
use crate::harness::issuer::{KeyServer, Says, Signer};
use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, Then, Upstream, eventually, staff};
use crate::jwks::{ask, guarded};

/// A server of WHIP: an offer gets a resource, as soon as it may be answered.
fn whip(waits: &Arc<Mutex<()>>) -> Upstream {
    let waits = Arc::clone(waits);
    Upstream::http(move |request, conn| {
        if !request.head.to_string().starts_with("POST ") {
            return conn
                .send("HTTP/1.1 204 No Content\r\n\r\n")
                .map(|()| Then::Keep);
        }
        drop(waits.lock().unwrap());
        let number = request.head.get("x-number").unwrap_or("0");
        let answer = format!(
            "HTTP/1.1 201 Created\r\nLocation: /whip/r{number}\r\nContent-Length: 0\r\n\r\n"
        );
        conn.send(answer).map(|()| Then::Keep)
    })
}

fn request(client: &mut Client, subject: &str, method: &str, target: &str, number: &str) {
    let token = staff::token(subject, 600);
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         X-Number: {number}\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    ));
}

fn exchange(gateway: &GatewayProcess, subject: &str, method: &str, target: &str) -> Answer {
    let mut client = gateway.dial().h1();
    request(&mut client, subject, method, target, "1");
    client.answer()
}

fn callers(upstream: &Upstream) -> Config {
    Config::new()
        .table(&format!(
            "[upstreams.whip]\nservers = [\"{}\"]\nprotocol = \"whip\"",
            upstream.url()
        ))
        .table(&staff::issuer(""))
        .table("[policies.callers]\nissuers = [\"staff\"]")
        .route_with("/whip", "whip", "policy = \"callers\"")
}

#[test]
fn resources_stay_whose_they_are_also_those_that_the_old_process_creates_later() {
    created_later(|gateway| gateway.upgrade());
}

/// The process between the two has nothing else to do.
#[test]
fn two_upgrades_later_that_is_still_so() {
    created_later(|gateway| {
        gateway.upgrade();
        gateway.upgrade();
        gateway.event("stays while an older one drains");
    });
}

fn created_later(upgrade: impl Fn(&GatewayProcess)) {
    let waits = Arc::new(Mutex::new(()));
    let upstream = whip(&waits);
    let gateway = GatewayProcess::start(&callers(&upstream));
    assert_eq!(exchange(&gateway, "alice", "POST", "/whip").status(), 201);
    // One more offer is under way while the gateway is upgraded.
    let held = waits.lock().unwrap();
    let mut late = gateway.dial().h1();
    request(&mut late, "alice", "POST", "/whip", "2");
    eventually("the server has both offers", || upstream.heads().len() == 2);
    upgrade(&gateway);
    drop(held);
    assert_eq!(late.answer().status(), 201);
    for resource in ["/whip/r1", "/whip/r2"] {
        eventually("it is known whose it is", || {
            exchange(&gateway, "alice", "PATCH", resource).status() == 204
        });
        let refused = exchange(&gateway, "mallory", "DELETE", resource);
        assert_eq!(refused.status(), 404);
        assert_eq!(
            exchange(&gateway, "alice", "DELETE", resource).status(),
            204
        );
    }
}

#[test]
fn keys_of_issuers_are_there_though_their_server_is_gone() {
    let (upstream, signer) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::with_set(&[&signer]);
    let config = Config::new().upstream("app", &upstream.url());
    let lines = format!("jwks_url = \"{}\"", keys.url("/jwks.json"));
    let gateway = GatewayProcess::start(&guarded(config, "staff", "/", &lines));
    gateway.event("an issuer's keys have changed");
    let (before, after) = (signer.token(), signer.token_for(500));
    assert_eq!(ask(&mut gateway.dial().h1(), "/", &before), 200);
    keys.says("/jwks.json", Says::Nothing);
    gateway.upgrade();
    for token in [&before, &after] {
        assert_eq!(ask(&mut gateway.dial().h1(), "/", token), 200);
    }
    // They are as fresh as they were.
    assert_eq!(keys.asked().len(), 1);
}

#[test]
fn a_client_that_has_sent_wrong_tokens_is_not_forgotten() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .limits("bad_tokens_per_client = \"2/10m\"\nexempt = []")
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table("[policies.staff]\nissuers = [\"staff\"]")
        .route_with("/", "app", "policy = \"staff\"");
    let gateway = GatewayProcess::start(&config);
    let forged = staff::mint(
        "another secret, long enough for HS256 as well",
        &serde_json::json!({ "sub": "x", "exp": staff::now() + 600 }),
    );
    let ask = || ask(&mut gateway.dial().h1(), "/", &forged);
    assert_eq!((ask(), ask(), ask()), (401, 401, 429));
    gateway.upgrade();
    assert_eq!(ask(), 429);
}

#[test]
fn a_token_that_is_revoked_ends_its_websockets_in_the_old_process_too() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), echo());
    let list = folder.path().join("revoked");
    std::fs::write(&list, "").unwrap();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(&format!("revoked_file = {list:?}")))
        .table("[policies.staff]\nissuers = [\"staff\"]")
        .route_with("/", "app", "policy = \"staff\"");
    let gateway = GatewayProcess::start(&config);
    let open = |id: &str| {
        let claims = serde_json::json!({ "sub": "a", "jti": id, "exp": staff::now() + 600 });
        let token = staff::mint(staff::SECRET, &claims);
        let mut client = gateway.dial().h1();
        client.send(handshake(
            "/",
            &format!("Authorization: Bearer {token}\r\n"),
        ));
        assert_eq!(client.head().status(), 101);
        client
    };
    let (mut kept, mut revoked) = (open("kept"), open("gone"));
    gateway.upgrade();
    std::fs::write(&list, "jti gone\n").unwrap();
    assert_eq!(revoked.wire.frame().unwrap().close().0, 1008);
    is_alive(&mut kept);
}
