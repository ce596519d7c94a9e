//! A machine that starts with a clock that is hours ahead, and is set later.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::support::front::{Front, NEW_ORDER, Way};
use crate::support::pebble::Pebble;
use crate::support::site::{File, PAGE, Site, hosts};
use crate::support::{Folder, Gateway, until};

const NAME: &str = "a.test";
const AHEAD: &str = "21600";

/// A clock that shows more than it should, by the seconds in a file.
struct Clock {
    library: String,
    file: PathBuf,
}

impl Clock {
    fn new(folder: &Folder) -> Self {
        let library = folder.join("clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/clock.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .args([source, "-ldl"])
            .status();
        assert!(made.unwrap().success());
        let clock = Self {
            library: library.display().to_string(),
            file: folder.join("ahead"),
        };
        clock.set(AHEAD);
        clock
    }

    fn set(&self, seconds: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, seconds).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn start(&self, site: &Site, folder: &Folder, directory: &str) -> Gateway {
        let (preload, file) = (
            format!("LD_PRELOAD={}", self.library),
            format!("CLOCK_AHEAD={}", self.file.display()),
        );
        let certificates = hosts(&[NAME]);
        let text = File {
            directory,
            certificates: &certificates,
            acme: "",
            tables: PAGE,
        };
        site.start_by(folder, text, &["env", &preload, &file])
    }
}

/// Answers new orders with a problem until it is told to stop.
fn refusing(front: &Front, status: u16, kind: &'static str) -> Arc<AtomicBool> {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    front.script(
        move |asked| match asked.path == NEW_ORDER && !well.load(Ordering::SeqCst) {
            true => Way::problem(status, kind, "not now", ""),
            false => Way::Pass,
        },
    );
    is_well
}

fn next_of(progress: &serde_json::Value) -> SystemTime {
    humantime::parse_rfc3339_weak(progress["next"].as_str().unwrap()).unwrap()
}

#[test]
fn what_is_tried_again_in_seconds_is_not_tried_in_hours_when_the_clock_is_set_back() {
    let folder = Folder::new("acme-clock-set");
    let (site, clock) = (Site::new(&folder), Clock::new(&folder));
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let front = Front::start(&folder, &pebble, &[]);
    let is_well = refusing(&front, 500, "serverInternal");
    let gateway = clock.start(&site, &folder, &front.directory());
    let progress = site.goes_on(NAME, |progress| progress["failures"].as_u64() >= Some(1));
    assert!(
        next_of(&progress) > SystemTime::now() + Duration::from_secs(5 * 3600),
        "{progress}"
    );
    clock.set("0");
    is_well.store(true, Ordering::SeqCst);
    site.comes(&gateway, &root, NAME);
    until("what was judged by the clock is judged again", || {
        !gateway.lines("the clock was set").is_empty()
    });
    until("it is ready", || gateway.asks("/readyz").0 == 200);
}

#[test]
fn a_wait_that_was_written_by_a_clock_that_was_ahead_is_reckoned_anew_at_the_next_start() {
    let folder = Folder::new("acme-clock-written");
    let (site, clock) = (Site::new(&folder), Clock::new(&folder));
    let pebble = Pebble::start(&folder, site.looked_at());
    let front = Front::start(&folder, &pebble, &[]);
    let _is_well = refusing(&front, 403, "rejectedIdentifier");
    let mut gateway = clock.start(&site, &folder, &front.directory());
    let progress = site.goes_on(NAME, |progress| progress["failures"] == 1);
    assert!(progress["hold"] == true, "{progress}");
    gateway.process.end();
    clock.set("0");
    let _gateway = clock.start(&site, &folder, &front.directory());
    // CAs count refusals: it is waited for, but for no longer than was meant.
    let soon = SystemTime::now() + Duration::from_secs(90);
    site.goes_on(NAME, |progress| {
        progress["hold"] == true && next_of(progress) < soon
    });
    assert_eq!(front.asked(NEW_ORDER).len(), 1);
}
