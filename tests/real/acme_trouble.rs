//! What can go wrong on the way to a certificate: each is told once and clearly, and the gateway
//! goes on serving.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::dns::ASTRAY;
use crate::support::front::{Front, NEW_ORDER, Way};
use crate::support::pebble::Pebble;
use crate::support::site::{File, PAGE, Site, hosts};
use crate::support::{Folder, Gateway, until};

/// Runs what follows as a user who may not do what only root may. Whoever is not root has nothing
/// to give up.
pub(crate) fn as_a_user() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &[
            "setpriv",
            "--bounding-set",
            "-dac_override,-dac_read_search,-chown,-fowner",
        ]
    } else {
        &["env"]
    }
}

fn file<'a>(directory: &'a str, certificates: &'a str) -> File<'a> {
    File {
        directory,
        certificates,
        acme: "",
        tables: PAGE,
    }
}

#[test]
fn a_name_that_leads_elsewhere_keeps_nobody_else_waiting() {
    let folder = Folder::new("acme-astray");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let lost = format!("lost.{ASTRAY}");
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&[&lost, "a.test"]), "");
    site.comes(&gateway, &root, "a.test");
    let progress = site.goes_on(&lost, |progress| progress["failures"] == 1);
    let next = humantime::parse_rfc3339_weak(progress["next"].as_str().unwrap()).unwrap();
    // CAs count failures, and a minute later somebody may have mended it.
    let soon = [30, 75].map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
    assert!((soon[0]..soon[1]).contains(&next), "{progress}");
    let error = progress["error"].as_str().unwrap();
    let both = [
        format!("the CA refused {lost} by tls-alpn-01: "),
        "; and by http-01: ".to_owned(),
    ];
    assert!(both.iter().all(|part| error.contains(part)), "{error}");
    assert!(
        error.contains("connection refused")
            && error.contains("does the name lead to this gateway"),
        "{error}"
    );

    let lines = gateway.lines("no certificate came");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("\"ERROR\"") && lines[0].contains(&lost) && lines[0].contains("port 80"),
        "{lines:#?}"
    );
    assert!(
        lines[0].contains(&format!("`ianitor certs renew {lost}` does not wait")),
        "{lines:#?}"
    );
    let (status, text) = gateway.asks("/readyz");
    let waits = format!("no certificate for {lost} yet: the last order failed and the next is at ");
    assert!(
        status == 503 && text.contains(&waits) && !text.contains("a.test"),
        "{status} {text}"
    );
    let orders = |result| {
        gateway.metrics().sum(
            "ianitor_certificate_orders_total",
            &[("certificate", &lost), ("result", result)],
        )
    };
    assert_eq!((orders("ok"), orders("failed")), (0, 1));
    // By each of the two kinds.
    assert_eq!(pebble.orders(), 3);
}

#[test]
fn the_ca_says_when_it_wants_to_be_asked_again() {
    let folder = Folder::new("acme-rate");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let front = Front::start(&folder, &pebble, &[]);
    let mut is_cut = false;
    let limited = Arc::new(Mutex::new(None));
    let limits = Arc::clone(&limited);
    front.script(move |asked| {
        if asked.path == NEW_ORDER && !std::mem::replace(&mut is_cut, true) {
            return Way::HangUp;
        }
        let mut limited = limits.lock().unwrap();
        if asked.path == NEW_ORDER && is_cut && limited.is_none() {
            *limited = Some(asked.at);
            return Way::problem(
                429,
                "rateLimited",
                "too many new orders recently",
                "Retry-After: 8\r\n",
            );
        }
        Way::Pass
    });
    let gateway = site.start(&folder, &front.directory(), &hosts(&["a.test"]), "");
    site.comes(&gateway, &root, "a.test");
    let asked = front.asked(NEW_ORDER);
    let limited = limited.lock().unwrap().unwrap();
    let next = asked
        .iter()
        .map(|asked| asked.at)
        .find(|at| *at > limited)
        .unwrap();
    // The time to wait is counted in whole seconds.
    let waited = next.duration_since(limited).unwrap();
    assert!(waited > Duration::from_secs(7), "{waited:?}: {asked:?}");
    let lines = gateway.lines("no certificate came");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("cannot be reached"), "{}", lines[0]);
    assert!(
        lines[1].contains("too many new orders recently") && lines[1].contains("limits how often"),
        "{}",
        lines[1]
    );
    until("it is ready", || gateway.asks("/readyz").0 == 200);
}

/// Found before the CA is asked for anything.
#[test]
fn a_store_that_cannot_be_written() {
    let folder = Folder::new("acme-store");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    fs::create_dir(&site.store).unwrap();
    may(&site.store, 0o500);
    let (directory, certificates) = (pebble.directory(), hosts(&["a.test"]));
    let gateway = site.start_by(&folder, file(&directory, &certificates), as_a_user());
    until("it is told of", || {
        !gateway.lines("no certificate came").is_empty()
    });
    let line = gateway.lines("no certificate came").remove(0);
    assert!(
        line.contains(site.store.to_str().unwrap()) && line.contains("cannot be written"),
        "{line}"
    );
    assert_eq!(gateway.asks("/healthz").0, 200);
    assert_eq!((pebble.accounts(), pebble.orders()), (0, 0));
    may(&site.store, 0o700);
    site.comes(&gateway, &root, "a.test");
}

fn may(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A limit of the size of files stands for a disk without room: a write fails in the middle.
#[test]
fn a_disk_that_is_full() {
    let folder = Folder::new("acme-full");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let directory = pebble.directory();
    let mut gateway = site.start(&folder, &directory, &hosts(&["a.test"]), "");
    let serial = site.comes(&gateway, &root, "a.test");
    gateway.process.end();
    let orders = pebble.orders();

    let full = ["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=0:"];
    let gateway = site.start_by(
        &folder,
        file(&directory, &hosts(&["a.test", "b.test"])),
        &full,
    );
    until("it is told of", || {
        !gateway.lines("no certificate came").is_empty()
    });
    let line = gateway.lines("no certificate came").remove(0);
    assert!(
        line.contains("see that there is room") && line.contains("file too large"),
        "{line}"
    );
    assert_eq!(site.served(&root, "a.test").unwrap(), serial);
    assert_eq!(pebble.orders(), orders);
    make_room(&gateway);
    site.comes(&gateway, &root, "b.test");
    assert_eq!(site.kept("a.test"), serial);
}

fn make_room(gateway: &Gateway) {
    let pid = gateway.process.id().to_string();
    let status = Command::new("prlimit")
        .args(["--fsize=unlimited:", "--pid", &pid])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

/// To a clock that is late, a certificate of the CA's API begins in the future.
#[test]
fn a_clock_that_is_wrong() {
    let folder = Folder::new("acme-clock");
    let site = Site::new(&folder);
    api_of_the_future(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&["a.test"]), "");
    until("it is told of", || {
        !gateway.lines("no certificate came").is_empty()
    });
    let line = gateway.lines("no certificate came").remove(0);
    assert!(line.contains("is this machine's clock right?"), "{line}");
    assert_eq!(gateway.asks("/healthz").0, 200);
    assert_eq!(pebble.orders(), 0);
}

/// What the API of a CA shows tomorrow.
fn api_of_the_future(folder: &Folder) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let day = Duration::from_secs(86_400);
    leaf.not_before = (SystemTime::now() + day).into();
    leaf.not_after = (SystemTime::now() + 30 * day).into();
    let leaf = leaf
        .signed_by(&key, &rcgen::Issuer::from_params(&ca, &ca_key))
        .unwrap();
    folder.write("api-ca.pem", &ca_cert.pem());
    folder.write("api.pem", &leaf.pem());
    folder.write("api.key", &key.serialize_pem());
}
