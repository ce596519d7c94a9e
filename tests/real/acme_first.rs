//! The first certificate: by each kind of challenge, from each kind of CA, and while there is none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::pebble::{Options, Pebble};
use crate::support::site::{Site, hosts};
use crate::support::{Folder, free_ports, until};

const KEY_ID: &str = "a-key-of-this-test";
/// In base64url, as CAs write it.
const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// Two gateways, and a CA that looks for tokens at the one and for handshakes at the other: so each
/// is proved to answer what it is to answer.
#[test]
fn each_kind_of_challenge_leads_to_a_certificate() {
    let (folder, other) = (Folder::new("acme-tls-alpn"), Folder::new("acme-http"));
    let (by_tls, by_http) = (Site::new(&folder), Site::new(&other));
    let pebble = Pebble::start(&folder, Options::at([by_http.http, by_tls.https]));
    share_api(&folder, &other);
    let root = pebble.root(&folder);
    let tls = by_tls.start(
        &folder,
        &pebble.directory(),
        "{ hosts = [\"a.test\", \"b.test\"] }, { hosts = [\"c.test\"], key_type = \"ecdsa-p384\" }",
        "challenges = [\"tls-alpn-01\"]\ncontact = [\"mailto:ops@example.com\"]",
    );
    let http = by_http.start(
        &other,
        &pebble.directory(),
        "{ hosts = [\"a.test\"], key_type = \"rsa-2048\" }",
        "challenges = [\"http-01\"]",
    );
    let shared = by_tls.comes(&tls, &root, "a.test");
    assert_eq!(by_tls.served(&root, "b.test").unwrap(), shared);
    assert_ne!(by_tls.comes(&tls, &root, "c.test"), shared);
    assert_eq!(by_tls.kept("a.test"), shared);
    assert_eq!(
        by_http.comes(&http, &root, "a.test"),
        by_http.kept("a.test")
    );
    assert_eq!(
        (pebble.orders(), pebble.certificates(), pebble.accounts()),
        (3, 3, 2)
    );
    is_private(&by_tls);
    for gateway in [&tls, &http] {
        until("it is ready", || gateway.asks("/readyz").0 == 200);
        // The story itself asks for a name until its certificate is there.
        let mut warnings = gateway.lines("\"WARN\"");
        warnings.retain(|line| !line.contains("\"unknown_name\""));
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

/// The key of another gateway's CA, so that both trust one Pebble.
pub(crate) fn share_api(from: &Folder, to: &Folder) {
    for name in ["api-ca.pem", "api-ca.key", "api.pem", "api.key"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Nobody else may look into the store, and a person can read what is in it.
fn is_private(site: &Site) {
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let version = site.versions("a.test").pop().unwrap();
    assert_eq!((mode(&site.store), mode(&version)), (0o700, 0o700));
    for file in ["fullchain.pem", "privkey.pem", "certificate.json"] {
        assert_eq!(mode(&version.join(file)), 0o600, "{file}");
    }
    let chain = fs::read_to_string(version.join("fullchain.pem")).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2, "{chain}");
    let meta = fs::read_to_string(version.join("certificate.json")).unwrap();
    assert!(
        meta.contains("\"b.test\"") && meta.contains("Pebble Intermediate CA"),
        "{meta}"
    );
}

#[test]
fn where_the_first_kind_fails_the_next_is_tried() {
    let folder = Folder::new("acme-fallback");
    let site = Site::new(&folder);
    let [nowhere] = free_ports();
    let pebble = Pebble::start(&folder, Options::at([site.http, nowhere]));
    let root = pebble.root(&folder);
    let challenges = "challenges = [\"tls-alpn-01\", \"http-01\"]";
    let gateway = site.start(
        &folder,
        &pebble.directory(),
        &hosts(&["a.test"]),
        challenges,
    );
    site.comes(&gateway, &root, "a.test");
    let lines = gateway.lines("trying the next challenge");
    assert!(
        lines.len() == 1
            && lines[0].contains("Failed to connect")
            && lines[0].contains("tls-alpn-01"),
        "{lines:?}"
    );
    assert_eq!(pebble.orders(), 2);
}

#[test]
fn a_ca_that_takes_only_whom_it_knows() {
    let folder = Folder::new("acme-external");
    let site = Site::new(&folder);
    let options = Options {
        external_account: Some((KEY_ID, KEY)),
        ..site.looked_at()
    };
    let pebble = Pebble::start(&folder, options);
    let root = pebble.root(&folder);
    let mut gateway = site.start(&folder, &pebble.directory(), &hosts(&["a.test"]), "");
    until("it says what to write", || {
        !gateway.lines("external_account").is_empty()
    });
    assert_eq!(pebble.accounts(), 0);
    gateway.process.end();

    let key = folder.write("eab-key", &format!("{KEY}\n"));
    let external = format!(
        "external_account = {{ key_id = \"{KEY_ID}\", key_file = \"{}\" }}",
        key.display()
    );
    let mut gateway = site.start(&folder, &pebble.directory(), &hosts(&["a.test"]), &external);
    site.comes(&gateway, &root, "a.test");
    gateway.process.end();
    let said = gateway.process.said();
    assert!(!said.contains(KEY), "{said}");
    // The account is found again.
    let gateway = site.start(
        &folder,
        &pebble.directory(),
        &hosts(&["a.test", "b.test"]),
        &external,
    );
    site.comes(&gateway, &root, "b.test");
    assert_eq!(pebble.accounts(), 1);
}

/// Validation and signing take seconds, one good nonce of twenty is refused, and what was proved
/// may be found proved.
#[test]
fn a_ca_that_takes_its_time() {
    let folder = Folder::new("acme-slow");
    let site = Site::new(&folder);
    let pebble = Pebble::start(
        &folder,
        Options {
            takes_its_time: true,
            ..site.looked_at()
        },
    );
    let root = pebble.root(&folder);
    let names = ["a.test", "b.test", "c.test"];
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&names), "");
    for name in names {
        site.comes(&gateway, &root, name);
    }
    assert_eq!((pebble.accounts(), pebble.certificates()), (1, 3));
}

/// The listeners are open before there is a certificate, and before there is a CA.
#[test]
fn the_listeners_do_not_wait_for_the_ca() {
    let folder = Folder::new("acme-no-ca");
    let site = Site::new(&folder);
    let ports @ [port, _] = free_ports();
    let directory = format!("https://localhost:{port}/dir");
    let certificates = hosts(&["a.test", "b.test"]);
    let mut gateway = site.start(&folder, &directory, &certificates, "placeholder = false");
    until("it says that the CA is away", || {
        !gateway.lines("cannot be reached").is_empty()
    });
    let (status, text) = gateway.asks("/readyz");
    assert!(
        status == 503 && text.contains("a.test") && text.contains("b.test"),
        "{status} {text}"
    );
    assert_eq!(gateway.asks("/healthz").0, 200);
    assert_eq!(shown_issuer(&site), None, "no certificate, no handshake");
    gateway.process.end();

    let gateway = site.start(&folder, &directory, &certificates, "placeholder = true");
    let shown = shown_issuer(&site).unwrap();
    assert!(!shown.contains("Pebble"), "{shown}");
    assert_eq!(gateway.asks("/readyz").0, 503);

    let pebble = Pebble::start_on(&folder, ports, site.looked_at());
    let root = pebble.root(&folder);
    site.comes(&gateway, &root, "a.test");
    site.comes(&gateway, &root, "b.test");
    until("it is ready", || gateway.asks("/readyz").0 == 200);
    assert!(
        shown_issuer(&site)
            .unwrap()
            .contains("Pebble Intermediate CA")
    );
}

fn shown_issuer(site: &Site) -> Option<String> {
    let at = format!("127.0.0.1:{}", site.https);
    let said = crate::support::openssl::s_client(&["-connect", &at, "-servername", "a.test"])?;
    said.lines()
        .find(|line| line.starts_with("issuer="))
        .map(str::to_owned)
}
