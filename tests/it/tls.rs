//! Whatever comes instead of a handshake, the next one is served.

use std::io::{Read as _, Write as _};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, HandshakeKind, ProtocolVersion};

use crate::harness::{Client, Config, TestGateway, Upstream, eventually};

fn world(tls: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream).tls(&format!("self_signed = [\"localhost\"]\n{tls}"));
    (upstream, TestGateway::start(&config))
}

#[test]
fn nothing_that_is_no_handshake_stops_the_listeners() {
    const TIMES: usize = 2_000;
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 100]].concat();
    let (upstream, gateway) = world("");
    let unknown = gateway.dial().name("unknown.test");
    // Kept open, so that they are there all at once.
    let mut held = Vec::new();
    for n in 0..TIMES {
        match n % 8 {
            0 => gateway
                .dial()
                .tcp()
                .write_all(b"\x80\x2e\x01\x03\x01garbage")
                .unwrap(),
            1 => gateway.dial().tcp().write_all(&hello).unwrap(),
            2 => gateway
                .dial()
                .tcp()
                .write_all(b"GET / HTTP/1.1\r\n\r\n")
                .unwrap(),
            3 => drop(gateway.dial().tcp()),
            4 => drop(unknown.tls(&[]).expect_err("no certificate for that name")),
            5 => gateway.dial().tls(&["h2"]).unwrap().reset(),
            _ => held.push(gateway.dial().tcp()),
        }
        if n % 100 == 0 {
            assert_eq!(gateway.client().get("/").status(), 200);
        }
    }
    assert_eq!(gateway.client().get("/").status(), 200);
    assert_eq!(upstream.requests().len(), TIMES / 100 + 1);
    drop(held);
    gateway.is_left_by_all();
}

#[test]
fn tls_1_2_and_1_3_are_spoken() {
    let (_upstream, gateway) = world("");
    for (version, want) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut client = gateway.dial().versions(&[version]).h1();
        assert_eq!(
            client.wire.stream.look(|tls| tls.protocol_version()),
            Some(want)
        );
        assert_eq!(client.get("/").status(), 200);
        assert_eq!(
            gateway.dial().versions(&[version]).h2().get("/").status,
            200
        );
    }
}

#[test]
fn min_version_refuses_what_is_older() {
    let (_upstream, gateway) = world("min_version = \"1.3\"");
    gateway
        .dial()
        .versions(&[&TLS12])
        .tls(&[])
        .expect_err("TLS 1.2 is too old");
    assert_eq!(gateway.client().get("/").status(), 200);
}

#[test]
fn the_protocol_is_agreed_on_in_the_handshake() {
    let (_upstream, gateway) = world("");
    for (offered, chosen) in [
        (&["http/1.1", "h2"][..], Some(&b"h2"[..])),
        (&["h2"], Some(b"h2")),
        (&["spdy/3", "http/1.1"], Some(b"http/1.1")),
        (&["http/1.0", "http/1.1"], Some(b"http/1.1")),
        (&["http/1.0"], Some(b"http/1.0")),
        (&[], None),
    ] {
        let stream = gateway.dial().tls(offered).unwrap();
        assert_eq!(
            stream
                .look(|tls| tls.alpn_protocol().map(<[u8]>::to_vec))
                .as_deref(),
            chosen,
            "{offered:?}"
        );
    }
    for offered in [&[][..], &["http/1.0"]] {
        let mut client = Client::new(gateway.dial().tls(offered).unwrap());
        assert_eq!(client.get("/").status(), 200, "{offered:?}");
    }
    gateway
        .dial()
        .tls(&["spdy/3"])
        .expect_err("nothing in common");
}

#[test]
fn an_unknown_name_is_refused_unless_the_first_certificate_is_for_all() {
    let (_upstream, gateway) = world("");
    gateway
        .dial()
        .name("unknown.test")
        .tls(&[])
        .expect_err("nobody of that name");
    // No name at all: the first certificate.
    gateway.dial().name("127.0.0.1").tls(&[]).unwrap();
    let (_upstream, gateway) = world("default = true");
    let error = gateway
        .dial()
        .name("unknown.test")
        .tls(&[])
        .expect_err("a certificate for another name");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn sessions_are_resumed_by_any_worker_and_across_a_reload() {
    for version in [&TLS12, &TLS13] {
        let (upstream, mut gateway) = world("");
        let dial = gateway.dial().versions(&[version]).remember();
        let config = dial.config(&["http/1.1"]);
        let kind = |gateway: &TestGateway| {
            let mut client = Client::new(dial.tls_over(dial.tcp(), config.clone()).unwrap());
            assert_eq!(client.get("/").status(), 200);
            assert_eq!(gateway.https(), dial.addr);
            client.wire.stream.look(|tls| tls.handshake_kind())
        };
        assert_eq!(kind(&gateway), Some(HandshakeKind::Full));
        // Often enough to meet both workers.
        (0..8)
            .for_each(|_| assert_eq!(kind(&gateway), Some(HandshakeKind::Resumed), "{version:?}"));
        let more = Config::to(&upstream).tls("self_signed = [\"localhost\", \"media.test\"]");
        gateway.reload(&more);
        assert_eq!(kind(&gateway), Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[test]
fn an_end_is_said_in_tls_too() {
    let (_upstream, gateway) = world("");
    let mut client = gateway.client();
    let answer = client.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.status(), 200);
    // Zero bytes and no error: close_notify has come.
    assert_eq!(client.wire.stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn renegotiation_and_early_data_are_not_offered() {
    let (_upstream, gateway) = world("");
    let dial = gateway.dial().versions(&[&TLS13]).remember();
    let mut config = (*dial.config(&["http/1.1"])).clone();
    config.enable_early_data = true;
    let config = std::sync::Arc::new(config);
    for _ in 0..3 {
        let mut client = Client::new(dial.tls_over(dial.tcp(), config.clone()).unwrap());
        assert_eq!(client.get("/").status(), 200);
        assert!(!client.wire.stream.look(|tls| tls.is_early_data_accepted()));
    }
}

#[test]
fn many_connections_at_once_are_all_served() {
    let (upstream, gateway) = world("");
    let mut clients: Vec<Client> = (0..200).map(|_| gateway.client()).collect();
    eventually("all are counted", || gateway.running().connections() == 200);
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status(), 200));
    drop(clients);
    gateway.is_left_by_all();
    assert_eq!(upstream.requests().len(), 200);
}

#[test]
fn clients_with_half_a_hello_delay_no_other_and_are_served_when_the_rest_comes() {
    let (_upstream, gateway) = world("");
    let dial = gateway.dial();
    let mut session = ClientConnection::new(dial.config(&[]), dial.server_name()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let (first, rest) = hello.split_at(hello.len() / 2);
    let mut slow: Vec<_> = (0..200).map(|_| dial.tcp()).collect();
    for client in &mut slow {
        client.write_all(first).unwrap();
    }
    assert_eq!(gateway.client().get("/").status(), 200);
    for byte in rest {
        slow[0].write_all(&[*byte]).unwrap();
    }
    for client in &mut slow[1..] {
        client.write_all(rest).unwrap();
    }
    for client in &mut slow {
        let mut answer = [0];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x16], "a handshake record");
    }
    assert_eq!(gateway.client().get("/").status(), 200);
    drop(slow);
    gateway.is_left_by_all();
}
