//! Proxies and balancers between the client and the gateway.

use std::io::Write as _;

use ianitor::listen::Kind;

use super::world::{World, get, reason};
use crate::harness::{Client, Dial, Upstream};

const LISTEN: &str = "https = [\"127.0.0.1:0\"]\nplain = [\"127.0.0.1:0\"]\n\
    trusted_proxies = [\"127.0.0.6\"]\nproxy_protocol = [\"127.0.0.7\"]";

#[test]
fn the_certificate_of_a_proxy_is_not_that_of_its_client() {
    let world = World::with_listen(Upstream::ok(), LISTEN, "", "");
    let dial = world.showing(world.dial("app.test"), "ada");
    assert_eq!(dial.h1().ask(get("app.test", "/")).status(), 200);
    let mut proxy = dial.clone().from("127.0.0.6").h1();
    for forwarded in [
        "",
        "X-Forwarded-For: 192.0.2.7\r\n",
        "X-Forwarded-For: 127.0.0.6\r\n",
    ] {
        let line = format!("\r\n{forwarded}\r\n");
        let request = get("app.test", "/").replace("\r\n\r\n", &line);
        assert_eq!(proxy.ask(request).status(), 403, "{forwarded}");
    }
    let lines = world.gateway.access.lines(4);
    assert_eq!(reason(&lines[1]), "certificate_of_proxy", "{}", lines[1]);
    assert_eq!(proxy.ask(get("app.test", "/open")).status(), 200);
}

#[test]
fn behind_a_balancer_with_the_proxy_protocol_the_client_shows_its_own() {
    let world = World::with_listen(Upstream::ok(), LISTEN, "", "");
    let dial = world
        .showing(world.dial("app.test"), "ada")
        .from("127.0.0.7");
    for (client, status) in [("192.0.2.7", 200), ("127.0.0.6", 403)] {
        let mut tcp = dial.tcp();
        write!(tcp, "PROXY TCP4 {client} 192.0.2.1 4711 443\r\n").unwrap();
        let tls = dial.tls_over(tcp, dial.config(&["http/1.1"])).unwrap();
        let answer = Client::new(tls).ask(get("app.test", "/"));
        assert_eq!(answer.status(), status, "{client}");
    }
}

#[test]
fn without_tls_there_is_no_certificate() {
    let world = World::with_listen(Upstream::ok(), LISTEN, "", "");
    let plain = world.gateway.running().addresses(Kind::Plain).next();
    let dial = Dial::new(plain.unwrap(), rustls::RootCertStore::empty());
    for (from, status) in [("127.0.0.1", 401), ("127.0.0.6", 403)] {
        let mut client = Client::new(dial.clone().from(from).tcp());
        let forged = "\r\nX-Client-Cert-Subject: CN=ada\r\n\r\n";
        let request = get("app.test", "/").replace("\r\n\r\n", forged);
        assert_eq!(client.ask(request).status(), status, "{from}");
    }
    assert!(world.app.heads().is_empty());
}
