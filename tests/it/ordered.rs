//! Certificates that were ordered: served when they come, missed until then, and swapped under open
//! connections.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ianitor::clock::UnixTime;
use ianitor::secret::Secret;
use ianitor::store::folder::Folder;
use ianitor::store::{Bundle, CertStore as _, Meta};
use ianitor::tls::{CertCache, OrderedSpec, ServableCert, leaf_facts};
use rcgen::{CertificateParams, KeyPair};
use rustls::HandshakeKind;

use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, Dial, TestGateway, Upstream};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Often enough to meet both workers.
const TIMES: usize = 16;

/// A certificate with its key in PEM.
fn made(
    hosts: &[&str],
    since: Duration,
    until: impl FnOnce(SystemTime) -> SystemTime,
) -> (String, String) {
    let names: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = (SystemTime::now() - since).into();
    params.not_after = until(SystemTime::now()).into();
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn valid(hosts: &[&str]) -> (String, String) {
    made(hosts, DAY, |now| now + 60 * DAY)
}

fn managed((cert, key): &(String, String)) -> ServableCert {
    let key = Secret::new(key.clone());
    ServableCert::new(
        "main",
        cert,
        &key,
        "/store/main/cert.pem".into(),
        "acme.certificates[0]",
    )
    .unwrap()
}

fn serial(managed: &ServableCert) -> String {
    managed.facts().unwrap().serial
}

/// Nothing of `[tls]` but what `asking` takes out.
const NOTHING: &str = "self_signed = [\"nothing.test\"]";

/// Asks a CA for a certificate with these hosts.
fn asking(hosts: &[&str], placeholder: bool) -> impl FnOnce(&mut ianitor::config::Config) {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let ordered = vec![OrderedSpec {
        hosts,
        config_key: "acme.certificates[0]".to_owned(),
    }];
    move |config| {
        config
            .tls
            .self_signed
            .retain(|host| host.as_str() != "nothing.test");
        (config.tls.ordered, config.tls.placeholder) = (ordered, placeholder);
    }
}

fn config(upstream: &Upstream, tls: &str) -> String {
    let listen = "https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2";
    Config::to(upstream).listen(listen).tls(tls).text()
}

/// The serial that a new handshake is shown.
fn shown(dial: &Dial) -> String {
    leaf_facts(&dial.tls(&["http/1.1"]).unwrap().leaf())
        .unwrap()
        .serial
}

#[track_caller]
fn all_are_shown(gateway: &TestGateway, managed: &ServableCert) {
    let shown: Vec<String> = (0..TIMES).map(|_| shown(&gateway.dial_blindly())).collect();
    assert!(
        shown.iter().all(|shown| *shown == serial(managed)),
        "{shown:?} and not {}",
        serial(managed)
    );
}

#[test]
fn listeners_open_before_the_first_certificate_has_come() {
    let upstream = Upstream::ok();
    let text = config(&upstream, NOTHING);
    let mut gateway =
        TestGateway::start_with(&text, CertCache::new(), asking(&["localhost"], false));
    gateway
        .dial_blindly()
        .tls(&[])
        .expect_err("nothing to show yet");
    let missing = "no certificate for localhost yet: it is being ordered\n";
    assert_eq!(gateway.status("/readyz"), (503, missing.to_owned()));
    let first = managed(&valid(&["localhost"]));
    gateway.running().cert_cache().put(first.clone());
    gateway.follow_cert_cache();
    all_are_shown(&gateway, &first);
    assert_eq!(gateway.dial_blindly().h1().get("/").status(), 200);
    assert_eq!(gateway.status("/readyz").0, 200);
    // Nobody has reloaded anything.
    let metrics = gateway.status("/metrics").1;
    for result in ["ok", "failed"] {
        assert!(
            metrics.contains(&format!("ianitor_reloads_total{{result=\"{result}\"}} 0\n")),
            "{metrics}"
        );
    }
}

#[test]
fn readiness_asks_only_for_hosts_that_are_answered_here() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"";
    let of_one = Config::new()
        .listen(listen)
        .tls(NOTHING)
        .upstream("app", &upstream.url())
        .route_with("/", "app", "host = \"a.test\"\npolicy = \"open\"")
        .table("[[passthrough]]\nsni = \"turn.test\"\nto = \"127.0.0.1:9\"");
    let orders = asking(&["turn.test", "a.test", "neighbour.test"], false);
    let gateway = TestGateway::start_with(&of_one.text(), CertCache::new(), orders);
    let missing = "no certificate for a.test yet: it is being ordered\n";
    assert_eq!(gateway.status("/readyz"), (503, missing.to_owned()));
}

#[test]
fn a_placeholder_completes_handshakes_and_vouches_for_nothing() {
    let upstream = Upstream::ok();
    let text = config(&upstream, NOTHING);
    let mut gateway =
        TestGateway::start_with(&text, CertCache::new(), asking(&["localhost"], true));
    let placeholder = shown(&gateway.dial_blindly());
    assert_eq!(
        shown(&gateway.dial_blindly()),
        placeholder,
        "the same for everybody"
    );
    let mut client = gateway.dial_blindly().h1();
    assert_eq!(client.get("/").status(), 200);
    gateway
        .dial_blindly()
        .name("other.test")
        .tls(&[])
        .expect_err("nobody ordered that");
    assert_eq!(gateway.status("/readyz").0, 503);
    let page = gateway.status("/").1;
    assert!(
        page.contains("mark warn\">placeholder<") && !page.contains("mark \">364"),
        "{page}"
    );
    assert!(
        !gateway
            .status("/metrics")
            .1
            .contains("certificate_expiry_timestamp_seconds{"),
        "it has no end that counts"
    );
    let first = managed(&valid(&["localhost"]));
    gateway.running().cert_cache().put(first.clone());
    gateway.follow_cert_cache();
    all_are_shown(&gateway, &first);
    assert_eq!(
        (client.get("/").status(), gateway.status("/readyz").0),
        (200, 200)
    );
}

#[test]
fn a_renewal_takes_nothing_from_those_who_are_inside() {
    let (sockets, upstream) = (echo(), Upstream::ok());
    let text = Config::new()
        .upstream("ws", &sockets.url())
        .upstream("app", &upstream.url());
    let text = text
        .route("/ws", "ws")
        .route("/", "app")
        .tls(NOTHING)
        .text();
    let cache = CertCache::new();
    let (old, new) = (
        managed(&valid(&["localhost"])),
        managed(&valid(&["localhost"])),
    );
    cache.put(old.clone());
    let mut gateway =
        TestGateway::start_with(&text, Arc::clone(&cache), asking(&["localhost"], false));
    all_are_shown(&gateway, &old);
    let mut tunnels: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = gateway.dial_blindly().h1();
            client.send(handshake("/ws", ""));
            assert_eq!(client.head().status(), 101);
            client
        })
        .collect();
    let mut kept: Vec<Client> = (0..8).map(|_| gateway.dial_blindly().h1()).collect();
    let mut h2 = gateway.dial_blindly().h2();
    assert_eq!(h2.get("/").status, 200);
    let dial = gateway.dial_blindly().remember();
    let remembering = dial.config(&["http/1.1"]);
    let again = || {
        let mut client = Client::new(dial.tls_over(dial.tcp(), Arc::clone(&remembering)).unwrap());
        assert_eq!(client.get("/").status(), 200);
        client.wire.stream.look(|tls| tls.handshake_kind())
    };
    assert_eq!(again(), Some(HandshakeKind::Full));

    cache.put(new.clone());
    gateway.follow_cert_cache();
    all_are_shown(&gateway, &new);
    tunnels.iter_mut().for_each(is_alive);
    assert!(
        kept.iter_mut()
            .all(|client| client.get("/").status() == 200)
    );
    assert_eq!(h2.get("/").status, 200);
    assert_eq!(again(), Some(HandshakeKind::Resumed), "tickets stay good");
}

/// Puts a certificate where an earlier run would have left it.
fn leave(store: &Path, host: &str, pair: &(String, String)) {
    let facts = managed(pair).facts().unwrap();
    let now = UnixTime::now();
    let meta = Meta {
        hosts: vec![host.to_owned()],
        key_type: "ecdsa-p256".to_owned(),
        directory: "https://ca.test/directory".to_owned(),
        profile: None,
        issued: now,
        serial: facts.serial,
        issuer: facts.issuer,
        not_before: now,
        not_after: now.after(60 * DAY),
        spread: 0.5,
        revoked: None,
    };
    let bundle = Bundle {
        chain: pair.0.clone(),
        key: Secret::new(pair.1.clone()),
        meta,
    };
    Folder::new(store)
        .put_certificate(&host.parse().unwrap(), &bundle)
        .unwrap();
}

#[test]
fn what_an_earlier_run_has_left_is_served_at_once_and_kept_over_a_reload() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let left = valid(&["media.test"]);
    leave(folder.path(), "media.test", &left);
    // Nobody answers there.
    let directory = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let acme = format!(
        "[acme]\ndirectory = \"https://{directory}/directory\"\nstore = \"{}\"\n\
         certificates = [{{ hosts = [\"media.test\"] }}]\n",
        folder.path().display()
    );
    let text = |tls: &str| format!("{}{acme}", config(&upstream, tls));
    let mut gateway = TestGateway::start_text(&text("self_signed = [\"localhost\"]"));
    let is_served = |gateway: &TestGateway| {
        let dial = gateway.dial_blindly().name("media.test");
        (0..TIMES).for_each(|_| assert_eq!(shown(&dial), serial(&managed(&left))));
    };
    is_served(&gateway);
    assert_eq!(gateway.status("/readyz").0, 200);
    gateway.reload_text(&text("self_signed = [\"localhost\", \"more.test\"]"));
    is_served(&gateway);
    let mut client = gateway.dial().name("more.test").h1();
    assert_eq!(
        client
            .ask("GET / HTTP/1.1\r\nHost: more.test\r\n\r\n")
            .status(),
        200
    );
    gateway.follow_cert_cache();
    is_served(&gateway);
    gateway
        .dial()
        .name("more.test")
        .tls(&[])
        .expect("what is read from disk stays, too");
}

#[test]
fn a_file_wins_over_what_was_ordered_until_it_ends() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let ordered = managed(&valid(&["localhost"]));
    for (until, is_file) in [(1, true), (-1, false)] {
        let days = |now| if until > 0 { now + DAY } else { now - DAY };
        let pair = made(&["localhost"], 10 * DAY, days);
        let file = folder.path().join("both.pem");
        std::fs::write(&file, format!("{}{}", pair.0, pair.1)).unwrap();
        let tls = format!("certificates = [{{ cert = \"{}\" }}]", file.display());
        let mut gateway = TestGateway::start_with(
            &config(&upstream, &tls),
            CertCache::new(),
            asking(&["localhost"], false),
        );
        let wins = if is_file {
            managed(&pair)
        } else {
            ordered.clone()
        };
        gateway.running().cert_cache().put(ordered.clone());
        gateway.follow_cert_cache();
        all_are_shown(&gateway, &wins);
        assert_eq!(gateway.status("/readyz").0, 200);
    }
}

#[test]
fn the_last_certificate_stays_in_service_when_it_has_ended() {
    let upstream = Upstream::ok();
    let cache = CertCache::new();
    let ended = managed(&made(&["localhost"], 90 * DAY, |now| now - DAY));
    cache.put(ended.clone());
    let mut gateway = TestGateway::start_with(
        &config(&upstream, NOTHING),
        cache,
        asking(&["localhost"], true),
    );
    all_are_shown(&gateway, &ended);
    assert_eq!(gateway.dial_blindly().h1().get("/").status(), 200);
    let (status, why) = gateway.status("/readyz");
    assert!(
        status == 503 && why.contains("expired on"),
        "{status} {why}"
    );
    let metrics = gateway.status("/metrics").1;
    let labels = "ianitor_certificate_expiry_timestamp_seconds{\
                  name=\"localhost\",file=\"/store/main/cert.pem\"} ";
    let end = metrics
        .lines()
        .find_map(|line| line.strip_prefix(labels))
        .expect(&metrics);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(end.parse::<f64>().unwrap() < now, "{end}");
    let renewed = managed(&valid(&["localhost"]));
    gateway.running().cert_cache().put(renewed.clone());
    gateway.follow_cert_cache();
    all_are_shown(&gateway, &renewed);
    assert_eq!(gateway.status("/readyz").0, 200);
}
