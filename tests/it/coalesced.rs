//! Browsers send requests for every name of a certificate on one connection (RFC 9113, section
//! 9.1.1), and never try a WebSocket again that was answered 421 there.

use h2::ext::Protocol;
use http::{Method, Request};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};

use crate::harness::h2::{Client, gather};
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Config, Dial, TestGateway, Upstream};

/// Writes a certificate with these names, and says how `[tls]` names it.
fn certificate(
    name: &str,
    hosts: &[&str],
    algorithm: &'static SignatureAlgorithm,
) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (
        folder.path().join(format!("{name}.pem")),
        folder.path().join(format!("{name}-key.pem")),
    );
    let params = CertificateParams::new(
        hosts
            .iter()
            .map(|host| (*host).to_owned())
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let pair = KeyPair::generate_for(algorithm).unwrap();
    std::fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    (folder, format!("{{ cert = {cert:?}, key = {key:?} }}"))
}

fn config(certificates: &[&str], page: &Upstream, media: &Upstream) -> Config {
    Config::new()
        .tls(&format!("certificates = [{}]", certificates.join(", ")))
        .upstream("page", &page.url())
        .upstream("media", &media.url())
        .policy("nobody", "\"192.0.2.1\"")
        .route_with("/", "page", "policy = \"open\"\nhost = \"app.test\"")
        .route_with("/", "media", "policy = \"open\"\nhost = \"media.test\"")
        .route_with(
            "/closed",
            "media",
            "policy = \"nobody\"\nhost = \"media.test\"",
        )
        .route_with("/", "media", "policy = \"open\"\nhost = \"other.test\"")
}

fn dial(gateway: &TestGateway) -> Dial {
    gateway.dial_blindly().name("app.test")
}

/// The status of a WebSocket on a stream.
fn open(client: &mut Client, url: &str) -> u16 {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(url)
        .header("sec-websocket-version", "13");
    let request = request.extension(Protocol::from_static("websocket"));
    assert!(client.takes_extended_connect());
    let (response, _stream) = client.begin(request.body(()).unwrap(), false);
    let response = client.run(response).unwrap();
    match response.status().as_u16() {
        200 => 200,
        _ => client.run(gather(response)).unwrap().status,
    }
}

fn get(client: &mut Client, url: &str) -> u16 {
    client.send(Request::get(url).body(()).unwrap(), b"").status
}

/// Answers handshakes with the key that they have.
fn websockets() -> Upstream {
    Upstream::raw(|conn| {
        while let Some(request) = conn.request()? {
            let Some(key) = request.head.get("sec-websocket-key") else {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
                continue;
            };
            let accept = ianitor::proxy::websocket::accept(&key.parse().unwrap());
            conn.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ))?;
            return conn.wait_for_end();
        }
        Ok(())
    })
}

#[test]
fn a_connection_carries_every_name_of_its_certificate() {
    let (page, media) = (Upstream::ok(), websockets());
    let (_a, both) = certificate("both", &["app.test", "media.test"], &PKCS_ECDSA_P256_SHA256);
    let (_b, other) = certificate("other", &["other.test"], &PKCS_ECDSA_P256_SHA256);
    let gateway = TestGateway::start(&config(&[&both, &other], &page, &media));
    let mut client = dial(&gateway).h2();
    assert_eq!(get(&mut client, "https://app.test/"), 200);
    assert_eq!(open(&mut client, "https://media.test/ws"), 200);
    assert_eq!(get(&mut client, "https://media.test/janus"), 200);
    assert_eq!(media.heads().len(), 2);
    // The host's own route and policy are asked.
    assert_eq!(open(&mut client, "https://media.test/closed"), 403);
    assert_eq!(get(&mut client, "https://media.test/closed"), 403);
    // What the certificate does not name is for another connection, though this gateway has one
    // that does.
    assert_eq!(open(&mut client, "https://other.test/ws"), 421);
    assert_eq!(get(&mut client, "https://other.test/"), 421);
    assert_eq!(get(&mut client, "https://nobody.test/"), 421);
    assert_eq!(media.heads().len(), 2);
    // Over HTTP/1.1 as well.
    let host =
        |host: &str| handshake("/ws", "").replace("Host: localhost", &format!("Host: {host}"));
    let mut client = dial(&gateway).h1();
    client.send(host("media.test"));
    assert_eq!(client.head().status(), 101);
    assert_eq!(dial(&gateway).h1().ask(host("other.test")).status(), 421);
    assert_eq!(
        dial(&gateway)
            .h1()
            .ask(host("MEDIA.test.").replace("/ws", "/closed"))
            .status(),
        403
    );
}

#[test]
fn a_tunnel_for_the_second_name_is_one_like_any_other() {
    let (page, media) = (Upstream::ok(), echo());
    let (_a, both) = certificate("both", &["*.test"], &PKCS_ECDSA_P256_SHA256);
    let mut gateway = TestGateway::start(&config(&[&both], &page, &media));
    let mut client = dial(&gateway).h1();
    client.send(handshake("/ws", "").replace("Host: localhost", "Host: media.test"));
    assert_eq!(client.head().status(), 101);
    is_alive(&mut client);
    gateway.reload(&config(&[&both], &page, &media));
    is_alive(&mut client);
    let config = config(&[&both], &page, &media)
        .text()
        .replace("host = \"media.test\"", "host = \"moved.test\"");
    gateway.reload_text(&config);
    assert_eq!(client.wire.frame().unwrap().close().0, 1008);
}

#[test]
fn the_certificate_that_the_client_has_seen_counts() {
    let (page, media) = (Upstream::ok(), websockets());
    let (_a, ecdsa) = certificate(
        "ecdsa",
        &["app.test", "media.test"],
        &PKCS_ECDSA_P256_SHA256,
    );
    let (_b, rsa) = certificate("rsa", &["app.test", "other.test"], &PKCS_RSA_SHA256);
    let gateway = TestGateway::start(&config(&[&ecdsa, &rsa], &page, &media));
    for versions in [rustls::ALL_VERSIONS, &[&rustls::version::TLS12]] {
        let modern = dial(&gateway).versions(versions);
        assert_eq!(get(&mut modern.h2(), "https://media.test/"), 200);
        assert_eq!(get(&mut modern.h2(), "https://other.test/"), 421);
        let old = dial(&gateway).versions(versions).without_ecdsa();
        assert_eq!(get(&mut old.h2(), "https://media.test/"), 421);
        assert_eq!(get(&mut old.h2(), "https://other.test/"), 200);
    }
}

#[test]
fn a_reload_does_not_change_what_an_open_connection_has_seen() {
    let (page, media) = (Upstream::ok(), websockets());
    let (_a, both) = certificate("both", &["app.test", "media.test"], &PKCS_ECDSA_P256_SHA256);
    let (_b, one) = certificate("one", &["app.test"], &PKCS_ECDSA_P256_SHA256);
    let mut gateway = TestGateway::start(&config(&[&both], &page, &media));
    let mut before = dial(&gateway).h2();
    assert_eq!(get(&mut before, "https://media.test/"), 200);
    gateway.reload(&config(&[&one], &page, &media));
    let mut after = dial(&gateway).h2();
    assert_eq!(open(&mut before, "https://media.test/ws"), 200);
    assert_eq!(open(&mut after, "https://media.test/ws"), 421);
    gateway.reload(&config(&[&both], &page, &media));
    assert_eq!(open(&mut after, "https://media.test/ws"), 421);
    assert_eq!(open(&mut dial(&gateway).h2(), "https://media.test/ws"), 200);
}

#[test]
fn a_name_on_another_listener_is_misdirected() {
    let (page, media) = (Upstream::ok(), websockets());
    let (_a, both) = certificate("both", &["app.test", "media.test"], &PKCS_ECDSA_P256_SHA256);
    let listen = "https = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\nworkers = 2";
    let gateway = TestGateway::start(&config(&[&both], &page, &media).listen(listen));
    let ports: Vec<u16> = gateway
        .running()
        .addresses(ianitor::listen::Kind::Https)
        .map(|address| address.port())
        .collect();
    let mut client = dial(&gateway).h2();
    assert_eq!(
        open(&mut client, &format!("https://media.test:{}/ws", ports[0])),
        200
    );
    assert_eq!(
        open(&mut client, &format!("https://media.test:{}/ws", ports[1])),
        421
    );
    assert_eq!(
        get(&mut client, &format!("https://media.test:{}/", ports[1])),
        421
    );
    // A port mapping in front has ports that no listener has.
    assert_eq!(open(&mut client, "https://media.test/ws"), 200);
}

#[test]
fn a_trusted_proxy_has_one_name_for_all_of_its_clients() {
    let (page, media) = (Upstream::ok(), websockets());
    let (_a, one) = certificate("one", &["app.test"], &PKCS_ECDSA_P256_SHA256);
    let listen = "https = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.2\"]";
    let gateway = TestGateway::start(&config(&[&one], &page, &media).listen(listen));
    assert_eq!(get(&mut dial(&gateway).h2(), "https://media.test/"), 421);
    assert_eq!(
        get(
            &mut dial(&gateway).from("127.0.0.2").h2(),
            "https://media.test/"
        ),
        200
    );
}

#[test]
fn a_name_that_is_passed_through_is_asked_for_on_a_connection_of_its_own() {
    let (page, media) = (Upstream::ok(), websockets());
    let (_a, wide) = certificate("wide", &["app.test", "pass.test"], &PKCS_ECDSA_P256_SHA256);
    let config = Config::new()
        .tls(&format!("certificates = [{wide}]"))
        .upstream("page", &page.url())
        .table(&format!(
            "[[passthrough]]\nsni = \"pass.test\"\nto = \"{}\"\n",
            media.url().trim_start_matches("http://")
        ))
        .route("/", "page");
    let gateway = TestGateway::start(&config);
    let mut client = dial(&gateway).h2();
    assert_eq!(get(&mut client, "https://app.test/"), 200);
    assert_eq!(get(&mut client, "https://pass.test/"), 421);
    assert_eq!(open(&mut client, "https://pass.test/ws"), 421);
}
