//! Renewals: nobody notices them, and they come when they should.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::support::front::{Front, NEW_ORDER, Way};
use crate::support::pebble::{Options, Pebble};
use crate::support::site::{File, Site, hosts};
use crate::support::wire::h1::Client;
use crate::support::wire::load::StopOnDrop;
use crate::support::wire::websocket::{echo, handshake, is_alive};
use crate::support::wire::{Dial, Upstream};
use crate::support::{Folder, Gateway, until};

const SOCKETS: usize = 200;
const NAME: &str = "a.test";

#[test]
fn a_renewal_under_load_is_noticed_by_nobody() {
    let folder = Folder::new("acme-renewal");
    let site = Site::new(&folder);
    let pebble = Pebble::start(
        &folder,
        Options {
            validity: 40,
            ..site.looked_at()
        },
    );
    let root = pebble.root(&folder);
    let (sockets, pages) = (echo(), Upstream::ok());
    let tables = tables(&sockets, &pages);
    let file = File {
        directory: &pebble.directory(),
        certificates: &hosts(&[NAME]),
        acme: "",
        tables: &tables,
    };
    let gateway = site.start_with(&folder, file);
    let first = site.comes(&gateway, &root, NAME);

    let dial = site.dial(&root).name(NAME);
    let mut open: Vec<Client> = (0..SOCKETS).map(|_| websocket(&dial)).collect();
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| ask_until(&is_over, &asked, &dial, true));
        scope.spawn(|| ask_until(&is_over, &asked, &dial, false));
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                open.iter_mut().for_each(is_alive)
            }
        });
        let _end = StopOnDrop(&is_over);
        let second = site.comes_another(&gateway, &root, NAME, &first);
        until("the store has it", || site.kept(NAME) == second);
        let before = asked.load(Ordering::SeqCst);
        until("requests go on", || {
            asked.load(Ordering::SeqCst) > before + 100
        });
    });
    open.iter_mut().for_each(is_alive);
    gateway.counts("ianitor_tunnels_open", &[], SOCKETS as u64);
    let requests = asked.load(Ordering::SeqCst);
    println!("{requests} requests and {SOCKETS} sockets through a renewal");
    assert_eq!(pages.requests().len(), requests);
    let renewed = gateway
        .lines("ordering")
        .into_iter()
        .filter(|line| line.contains("half of its short lifetime"));
    assert!(renewed.count() >= 1, "{:?}", gateway.lines("ordering"));
}

fn tables(sockets: &Upstream, pages: &Upstream) -> String {
    format!(
        "[upstreams]\nsockets = {{ servers = [\"{}\"] }}\npages = {{ servers = [\"{}\"] }}\n\
         [[routes]]\npath = \"/ws\"\nupstream = \"sockets\"\npolicy = \"open\"\n\
         [[routes]]\npath = \"/\"\nupstream = \"pages\"\npolicy = \"open\"\n",
        sockets.url(),
        pages.url()
    )
}

fn websocket(dial: &Dial) -> Client {
    let mut socket = dial.h1();
    socket.send(handshake("/ws", "").replace("Host: localhost", &format!("Host: {NAME}")));
    assert_eq!(socket.head().status(), 101);
    socket
}

/// Over one connection, or with a handshake for each.
fn ask_until(is_over: &AtomicBool, asked: &AtomicUsize, dial: &Dial, stays: bool) {
    let mut client = dial.h1();
    while !is_over.load(Ordering::SeqCst) {
        if !stays {
            client = dial.h1();
        }
        let answer = client.ask(format!("GET /page HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
        assert_eq!((answer.status(), &*answer.body), (200, &b"ok"[..]));
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

/// Debian's Pebble knows neither: the front adds them.
#[test]
fn the_ca_says_when_and_is_asked_for_a_profile() {
    let folder = Folder::new("acme-ari");
    let site = Site::new(&folder);
    let pebble = Pebble::start(
        &folder,
        Options {
            validity: 300,
            ..site.looked_at()
        },
    );
    let root = pebble.root(&folder);
    let front = Front::start(&folder, &pebble, &["classic", "shortlived"]);
    // A window that is not over is waited for, though half of the lifetime would come much later.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    // Windows are written in whole seconds.
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs() + 20);
    front.window([begin, begin + Duration::from_secs(1)], 60);
    let certificates = format!("{{ hosts = [\"{NAME}\"], profile = \"shortlived\" }}");
    let gateway = site.start(&folder, &front.directory(), &certificates, "");
    let first = site.comes(&gateway, &root, NAME);
    let id = certificate_id(&site.versions(NAME)[0].join("fullchain.pem"));
    let planned = site.goes_on(NAME, |progress| {
        progress["why"] == "the CA's renewal information"
    });
    assert!(planned["next"].is_string(), "{planned}");
    site.comes_another(&gateway, &root, NAME, &first);

    let orders = front.asked(NEW_ORDER);
    assert!(
        orders
            .iter()
            .all(|order| order.payload["profile"] == "shortlived"),
        "{orders:?}"
    );
    // A refused nonce is asked for again.
    let (plain, renewals): (Vec<_>, Vec<_>) = orders
        .iter()
        .partition(|order| order.payload["replaces"].is_null());
    assert!(!plain.is_empty() && !renewals.is_empty(), "{orders:?}");
    for renewal in renewals {
        assert_eq!(renewal.payload["replaces"], id);
        assert!(
            renewal.at >= begin,
            "ordered {:?} before the window",
            begin.duration_since(renewal.at)
        );
    }
    let infos = front.asked(&format!("/renewal-info/{id}"));
    assert_eq!(
        infos.len(),
        1,
        "asked again only after Retry-After: {infos:?}"
    );
}

/// RFC 9773, section 4.1, by somebody else's words.
fn certificate_id(file: &Path) -> String {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let leaf = CertificateDer::pem_file_iter(file)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    instant_acme::CertificateIdentifier::try_from(&leaf)
        .unwrap()
        .to_string()
}

#[test]
fn a_profile_that_the_ca_does_not_have_is_not_asked_for() {
    let folder = Folder::new("acme-profile");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let front = Front::start(&folder, &pebble, &["classic"]);
    // Before that, somebody else answers in the CA's place.
    let mut is_up = false;
    front.script(move |_| match std::mem::replace(&mut is_up, true) {
        true => Way::Pass,
        false => Way::Answer(
            502,
            "Content-Type: text/html\r\n".to_owned(),
            "<html>bad gateway</html>".into(),
        ),
    });
    let certificates = format!("{{ hosts = [\"{NAME}\"], profile = \"shortlived\" }}");
    let gateway = site.start(&folder, &front.directory(), &certificates, "");
    until("it says so", || {
        !gateway.lines("the CA has no profile").is_empty()
    });
    let line = gateway.lines("no certificate came").remove(0);
    assert!(line.contains("answered 502"), "{line}");
    let line = gateway.lines("the CA has no profile").remove(0);
    assert!(
        line.contains("shortlived") && line.contains("classic"),
        "{line}"
    );
    assert!(front.asked(NEW_ORDER).is_empty());
}

/// The only certificate goes on being served when it is over: clients then decide.
#[test]
fn what_has_expired_stays_in_service_and_is_told_of() {
    let folder = Folder::new("acme-expired");
    let site = Site::new(&folder);
    let mut pebble = Pebble::start(
        &folder,
        Options {
            validity: 8,
            ..site.looked_at()
        },
    );
    let root = pebble.root(&folder);
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&[NAME]), "");
    site.comes(&gateway, &root, NAME);
    pebble.process.kill();
    let serial = site.kept(NAME);
    until("it is loudly told of", || {
        !gateway.lines("EXPIRED").is_empty()
    });
    let line = gateway.lines("EXPIRED").remove(0);
    assert!(line.contains("\"ERROR\"") && line.contains(NAME), "{line}");
    // The last second of a certificate belongs to it.
    until("clients that look at dates refuse it", || {
        site.served(&root, NAME).is_err()
    });
    assert_eq!(shown(&gateway), Some(serial));
    let ends = gateway.metrics().sum(
        "ianitor_certificate_expiry_timestamp_seconds",
        &[("name", NAME)],
    );
    assert!(
        ends > 0 && SystemTime::UNIX_EPOCH + Duration::from_secs(ends) < SystemTime::now(),
        "{ends}"
    );
    // And when the CA is back, all is well.
    pebble.start_again(&folder);
    let root = pebble.root(&folder);
    site.comes(&gateway, &root, NAME);
}

/// What somebody sees who verifies nothing.
fn shown(gateway: &Gateway) -> Option<String> {
    crate::support::openssl::shown_serial(gateway.https, NAME)
        .map(|shown| shown.replace("serial=", "").to_lowercase())
}
