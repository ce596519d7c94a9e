//! An order that the CA finishes late: it is waited for, over restarts too, and never made twice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::front::{FINALIZE, Front, NEW_ORDER, ORDER, Way};
use crate::support::pebble::Pebble;
use crate::support::site::{Site, hosts};
use crate::support::{Folder, Gateway, until};

const NAME: &str = "a.test";
/// For longer than the gateway stays at one order, and no longer than a test waits.
const BUSY: &str = "Retry-After: 22\r\n";

/// A CA that signs for as long as the test wants.
struct Slow {
    front: Front,
    is_done: Arc<AtomicBool>,
}

impl Slow {
    fn start(folder: &Folder, pebble: &Pebble) -> Self {
        let front = Front::start(folder, pebble, &[]);
        let is_done = Arc::new(AtomicBool::new(false));
        let (done, mut is_finalized) = (Arc::clone(&is_done), false);
        front.script(move |asked| {
            is_finalized |= asked.path.starts_with(FINALIZE);
            let is_of_order = asked.path.starts_with(FINALIZE) || asked.path.starts_with(ORDER);
            match is_of_order && is_finalized && !done.load(Ordering::SeqCst) {
                true => Way::Processing(BUSY),
                false => Way::Pass,
            }
        });
        Self { front, is_done }
    }

    /// How often it was asked whether it is done.
    fn looks(&self) -> usize {
        let finalized = self.front.asked(FINALIZE).first().map(|asked| asked.at);
        let looks = self.front.asked(ORDER);
        finalized.map_or(0, |at| looks.iter().filter(|look| look.at > at).count())
    }
}

fn order_of(site: &Site) -> PathBuf {
    site.store
        .join("certificates")
        .join(NAME)
        .join("order.json")
}

/// The gateway has left the order to the CA, and says so.
fn is_left(site: &Site) {
    let progress = site.goes_on(NAME, |progress| {
        progress["why"]
            .as_str()
            .is_some_and(|why| why.ends_with("the CA has not finished the order"))
    });
    assert_eq!(
        (&progress["failures"], &progress["hold"]),
        (&0.into(), &false.into()),
        "{progress}"
    );
}

#[test]
fn an_order_that_is_finished_late_is_waited_for_over_restarts_and_made_once() {
    let folder = Folder::new("acme-late");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let slow = Slow::start(&folder, &pebble);
    let start = || -> Gateway { site.start(&folder, &slow.front.directory(), &hosts(&[NAME]), "") };

    let mut gateway = start();
    is_left(&site);
    let order = fs::read_to_string(order_of(&site)).unwrap();
    assert_eq!(
        fs::metadata(order_of(&site)).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        order.contains(ORDER)
            && order.contains("BEGIN PRIVATE KEY")
            && order.contains("\"expires\""),
        "{order}"
    );
    assert!(!gateway.process.said().contains("PRIVATE KEY"));
    assert!(gateway.lines("\"WARN\"").is_empty() && gateway.lines("\"ERROR\"").is_empty());
    let (status, text) = gateway.asks("/readyz");
    assert!(
        status == 503 && text.contains("being ordered") && text.contains(NAME),
        "{status} {text}"
    );

    // Whether it ends in order or is killed, the next one asks at its start.
    gateway.process.end();
    let looks = slow.looks();
    let mut gateway = start();
    until("it asks at its start", || slow.looks() > looks);
    is_left(&site);
    gateway.process.kill();
    let looks = slow.looks();
    let gateway = start();
    until("it asks at its start", || slow.looks() > looks);
    is_left(&site);

    // And then when the CA has said, without a restart.
    slow.is_done.store(true, Ordering::SeqCst);
    site.comes(&gateway, &root, NAME);
    let looks: Vec<_> = slow
        .front
        .asked(ORDER)
        .iter()
        .map(|asked| asked.at)
        .collect();
    let [.., before, last] = looks[..] else {
        panic!("{looks:?}")
    };
    assert!(
        last.duration_since(before).unwrap() > Duration::from_secs(20),
        "{looks:?}"
    );
    assert_eq!(
        (pebble.orders(), pebble.certificates(), pebble.accounts()),
        (1, 1, 1)
    );
    assert_eq!(slow.front.asked(FINALIZE).len(), 1);
    assert!(!order_of(&site).exists());
    let orders = |result| {
        gateway
            .metrics()
            .sum("ianitor_certificate_orders_total", &[("result", result)])
    };
    assert_eq!((orders("ok"), orders("failed")), (1, 0));
    until("it is ready", || gateway.asks("/readyz").0 == 200);
}

#[test]
fn an_order_that_the_ca_has_lost_or_that_is_damaged_is_made_anew_at_once() {
    let folder = Folder::new("acme-lost");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let slow = Slow::start(&folder, &pebble);
    let mut gateway = site.start(&folder, &slow.front.directory(), &hosts(&[NAME]), "");
    is_left(&site);
    gateway.process.end();

    let lost = slow.front.asked(ORDER).last().unwrap().path.clone();
    slow.front.script(move |asked| match asked.path == lost {
        true => Way::problem(404, "malformed", "no such order", ""),
        false => Way::Pass,
    });
    let mut gateway = site.start(&folder, &slow.front.directory(), &hosts(&[NAME]), "");
    let serial = site.comes(&gateway, &root, NAME);
    assert_eq!(
        (pebble.orders(), gateway.lines("no certificate came").len()),
        (2, 0)
    );
    gateway.process.end();

    // An account that is damaged is set aside too.
    fs::write(order_of(&site), "{").unwrap();
    let accounts = site.store.join("accounts");
    let account = fs::read_dir(&accounts)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    fs::write(account.join("key.pem"), "no key").unwrap();
    let gateway = site.start(
        &folder,
        &slow.front.directory(),
        &hosts(&[NAME, "b.test"]),
        "",
    );
    site.comes(&gateway, &root, "b.test");
    assert_eq!(site.served(&root, NAME).unwrap(), serial);
    assert_eq!((pebble.orders(), pebble.accounts()), (3, 2));
    // The damaged order is not read: its certificate is not due.
    let aside = gateway.lines("set aside");
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(slow.front.asked(NEW_ORDER).len() >= 3);
}
