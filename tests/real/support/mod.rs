//! What the stories stand on: the gateway as it ships, real servers, real clients, each a process
//! of its own.

mod bystander;
mod cable;
mod clients;
pub(crate) mod dns;
mod folder;
pub(crate) mod front;
mod gateway;
pub(crate) mod guarded;
mod issuer;
pub(crate) mod janus;
mod kurento;
pub(crate) mod kurento_roles;
#[path = "../../status/metrics.rs"]
#[allow(dead_code, reason = "the stories here need a part of it")]
mod metrics;
mod neighbours;
pub(crate) mod openssl;
pub(crate) mod pebble;
mod ports;
mod process;
mod prosody;
pub(crate) mod rpc;
mod shipped;
pub(crate) mod site;
pub(crate) mod talk;
mod whip;
pub(crate) mod wire;

pub(crate) use bystander::Bystander;
use cable::Cable;
pub(crate) use clients::{Answer, Clients};
pub(crate) use folder::{Folder, pictures};
pub(crate) use gateway::{Gateway, ianitor, ianitor_does};
pub(crate) use issuer::Issuer;
pub(crate) use kurento::Kurento;
pub(crate) use ports::{free_ports, has_ipv6};
pub(crate) use process::Process;
pub(crate) use shipped::{loopback, part_of_page, shipped};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// Waits until something is so, for at most half a minute.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A named part of a story.
pub(crate) type Step<W> = (&'static str, fn(&W));

/// Runs the steps side by side, for some of them wait for minutes; the names of those that failed.
pub(crate) fn side_by_side<W: Sync>(world: &W, steps: &[Step<W>]) -> Vec<&'static str> {
    let run = |step: fn(&W)| catch_unwind(AssertUnwindSafe(|| step(world))).is_ok();
    thread::scope(|scope| {
        let running: Vec<_> = steps
            .iter()
            .map(|(name, step)| (*name, scope.spawn(move || run(*step))))
            .collect();
        running
            .into_iter()
            .filter_map(|(name, step)| (!step.join().unwrap_or(false)).then_some(name))
            .collect()
    })
}
