//! Locks across processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// Takes a lock that has been released. A process that another test starts at this moment has
/// copies of all open files until it executes its program.
fn is_free(store: &Folder, name: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if store.try_lock(name).unwrap().is_some() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn a_lock_is_for_one_at_a_time_and_is_given_back() {
    let made = Made::new();
    let other = Folder::new(made.at(""));
    let held = made.store.try_lock("media.test").unwrap().unwrap();
    assert!(other.try_lock("media.test").unwrap().is_none());
    assert!(made.store.try_lock("media.test").unwrap().is_none());
    assert!(
        other.try_lock("www.test").unwrap().is_some(),
        "another name has another lock"
    );
    drop(held);
    assert!(is_free(&other, "media.test"));
    assert_eq!(
        listed(&made.at("locks")),
        ["media.test.lock", "www.test.lock"],
        "the files stay"
    );
}

#[test]
fn names_that_are_no_file_names_have_locks_of_their_own() {
    let made = Made::new();
    let names = [
        "../../etc/cron.d/x",
        "https://ca.test/directory",
        "https://ca.test/directory/",
        "",
        ".",
    ];
    let held: Vec<_> = names
        .iter()
        .map(|name| made.store.try_lock(name).unwrap().unwrap())
        .collect();
    assert_eq!(held.len(), listed(&made.at("locks")).len());
    assert_eq!(listed(made.around.path()), ["acme"]);
}

#[test]
fn a_process_that_is_killed_gives_its_lock_back() {
    let made = Made::new();
    drop(made.store.try_lock("media.test").unwrap());
    let mut other = Command::new("flock")
        .args(["--no-fork", "--exclusive"])
        .arg(made.at("locks/media.test.lock"))
        .arg("cat")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while made.store.try_lock("media.test").unwrap().is_some() {
        assert!(
            Instant::now() < until,
            "the other process never took the lock"
        );
        std::thread::yield_now();
    }
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(is_free(&made.store, "media.test"));
}
