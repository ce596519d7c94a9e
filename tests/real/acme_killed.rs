//! What is left when a gateway is killed, when its CA is, and when there are two of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::front::{FINALIZE, Front, Way};
use crate::support::pebble::{Options, Pebble};
use crate::support::site::{Site, hosts};
use crate::support::{Folder, Gateway, until};

const ORDERS: usize = 50;
/// From before the first request to the CA until after the certificate is in service.
const LONGEST: u64 = 1000;

/// Each round a gateway starts with one certificate more and is killed in the middle.
#[test]
fn a_gateway_that_is_killed_leaves_old_or_new() {
    let folder = Folder::new("acme-killed");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let names: Vec<String> = (0..ORDERS).map(|n| format!("h{n}.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut chance = Chance::new();
    let mut cut = 0;
    for count in 1..=ORDERS {
        let before = whole(&site, &names);
        let mut gateway = site.start(&folder, &pebble.directory(), &hosts(&names[..count]), "");
        // What there was is served from the first moment on.
        for name in &before {
            assert_eq!(
                site.served(&root, name).unwrap(),
                site.kept(name),
                "{name} in round {count}"
            );
        }
        thread::sleep(Duration::from_millis(chance.below(LONGEST)));
        gateway.process.kill();
        let after = whole(&site, &names);
        assert!(
            before.iter().all(|name| after.contains(name)),
            "{before:?} {after:?}"
        );
        cut += usize::from(after.len() < count);
    }
    println!("{cut} of {ORDERS} rounds ended before their orders");
    assert!(cut > ORDERS / 10, "hardly any order was cut: {cut}");
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&names), "");
    for name in &names {
        site.comes(&gateway, &root, name);
    }
    assert_eq!(whole(&site, &names), names);
    assert_eq!(pebble.accounts(), 1, "a crash makes no second account");
    assert!(
        gateway.lines("\"ERROR\"").is_empty(),
        "{:?}",
        gateway.lines("\"ERROR\"")
    );
}

/// Numbers that differ from run to run; the first is printed, for the record.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        println!("seed {seed}");
        Self(seed | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// The names that have a certificate. Whatever is in the store under its final name must be whole.
fn whole<'a>(site: &Site, names: &[&'a str]) -> Vec<&'a str> {
    let mut have = Vec::new();
    for name in names {
        let versions = site.versions(name);
        versions.iter().for_each(|version| is_whole(version, name));
        if !versions.is_empty() {
            have.push(*name);
        }
    }
    files(&site.store)
        .iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "json"))
        .for_each(is_json);
    have
}

fn is_whole(version: &Path, name: &str) {
    let read = |file: &str| fs::read_to_string(version.join(file)).unwrap();
    let (chain, key) = (
        read("fullchain.pem"),
        ianitor::secret::Secret::new(read("privkey.pem")),
    );
    let managed =
        ianitor::tls::ServableCert::new(name, &chain, &key, version.to_owned(), "test").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&read("certificate.json")).unwrap();
    assert_eq!(
        meta["serial"],
        managed.facts().unwrap().serial,
        "{}",
        version.display()
    );
}

fn is_json(file: &PathBuf) {
    let text = fs::read(file).unwrap();
    assert!(
        serde_json::from_slice::<serde_json::Value>(&text).is_ok(),
        "{}",
        file.display()
    );
}

/// All files that are not a writer's own business: temporary ones begin with a dot, and so do
/// temporary folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.map(|entry| entry.unwrap());
    let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    entries
        .map(|entry| entry.path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The CA forgets accounts and orders, as Pebble does; the gateway does not mind.
#[test]
fn a_ca_that_dies_between_order_and_certificate() {
    let folder = Folder::new("acme-ca-dies");
    let site = Site::new(&folder);
    let mut pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let front = Front::start(&folder, &pebble, &[]);
    let mut gateway = site.start(&folder, &front.directory(), &hosts(&["a.test"]), "");
    let serial = site.comes(&gateway, &root, "a.test");
    gateway.process.end();

    let has_died = Arc::new(AtomicBool::new(false));
    let (tell, id) = (Arc::clone(&has_died), pebble.process.id());
    front.script(move |asked| {
        if asked.path.starts_with(FINALIZE) && !tell.swap(true, Ordering::SeqCst) {
            kill_process(
                Pid::from_raw(i32::try_from(id).unwrap()).unwrap(),
                Signal::KILL,
            )
            .unwrap();
        }
        Way::Pass
    });
    let gateway = site.start(
        &folder,
        &front.directory(),
        &hosts(&["a.test", "b.test"]),
        "",
    );
    until("it was killed", || has_died.load(Ordering::SeqCst));
    until("it is told of", || {
        !gateway.lines("no certificate came").is_empty()
    });
    assert_eq!(site.served(&root, "a.test").unwrap(), serial);
    pebble.start_again(&folder);
    let new_root = pebble.root(&folder);
    site.comes(&gateway, &new_root, "b.test");
    assert_eq!(site.served(&root, "a.test").unwrap(), serial);
    assert_eq!(pebble.accounts(), 1);
}

/// The CA looks for tokens at the one and for handshakes at the other, so each of them could get a
/// certificate.
#[test]
fn two_gateways_on_one_store_order_once() {
    let (folder, other) = (Folder::new("acme-two-a"), Folder::new("acme-two-b"));
    let first = Site::new(&folder);
    let second = Site {
        store: first.store.clone(),
        ..Site::new(&other)
    };
    let pebble = Pebble::start(
        &folder,
        Options {
            validity: 60,
            ..Options::at([first.http, second.https])
        },
    );
    crate::acme_first::share_api(&folder, &other);
    let root = pebble.root(&folder);
    let names = ["a.test", "b.test"];
    let start = |site: &Site, folder: &Folder, challenge: &str| -> Gateway {
        site.start(
            folder,
            &pebble.directory(),
            &hosts(&names),
            &format!("challenges = [\"{challenge}\"]"),
        )
    };
    let one = start(&first, &folder, "http-01");
    let two = start(&second, &other, "tls-alpn-01");
    let serials = names.map(|name| first.comes(&one, &root, name));
    for (name, serial) in names.iter().zip(&serials) {
        assert_eq!(second.comes(&two, &root, name), *serial);
    }
    assert_eq!((pebble.orders(), pebble.accounts()), (2, 1));
    // Renewals too.
    for (name, serial) in names.iter().zip(&serials) {
        let new = first.comes_another(&one, &root, name, serial);
        until("both have it", || {
            second.served(&root, name).is_ok_and(|serial| serial == new)
        });
    }
    assert_eq!((pebble.orders(), pebble.accounts()), (4, 1));
}
