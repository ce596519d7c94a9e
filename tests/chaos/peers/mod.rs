//! The same load, shorter, through nginx, HAProxy, Caddy and this gateway: what each loses when it
//! is reloaded, upgraded or restarted.
//!
//! `NGINX`, `HAPROXY`, `CADDY` and `IANITOR` name other binaries.

mod caddy;
mod haproxy;
mod ianitor;
mod nginx;
mod place;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::client::Door;
use super::ledger::Ledger;
use super::load::{Load, Size, World};
use super::report::Report;
use super::server::{Manner, Server};
use super::support::Folder;
use super::threads::Threads;
use place::{Place, Processes};

const SIZE: Size = Size {
    h1: 30,
    h2: 6,
    few: 0,
    polls: 0,
    raw: 500,
    // nginx has none.
    streams: 0,
    understood: 0,
    lifetime: None,
    real_janus: 0,
    pause: Duration::from_millis(50),
};
/// Before what is tried, and after it.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(6);

/// A gateway, and something that its operators do while it is in use.
pub(super) struct Trial {
    pub(super) gateway: &'static str,
    pub(super) what: &'static str,
    /// Whether a loss is a failure of this gateway.
    pub(super) loses_nothing: bool,
    /// Starts it, with its files in this place.
    pub(super) start: fn(&Place) -> Processes,
    pub(super) act: fn(&Place, &mut Processes),
    pub(super) version: fn() -> String,
}

/// The case.
pub(crate) fn run(report: &mut Report) {
    report.head(&[
        "gateway",
        "what is done",
        "WebSockets closed",
        "requests lost",
        "sent again",
        "requests",
        "99 % within",
        "version",
    ]);
    let trials = [
        nginx::TRIALS.as_slice(),
        &haproxy::TRIALS,
        &caddy::TRIALS,
        &ianitor::TRIALS,
    ];
    let threads = Threads::start();
    for trial in trials.into_iter().flatten() {
        try_one(&threads, trial, report);
    }
}

fn try_one(threads: &Threads, trial: &Trial, report: &mut Report) {
    let ledger = Arc::<Ledger>::default();
    let server = Server::start("app", Manner::Healthy, &ledger);
    let place = Place::new(Folder::new("peers"), threads.servers.block_on(server));
    let mut processes = (trial.start)(&place);
    place.is_ready();
    let door = Door::new(place.port, &place.ca);
    let world = World::new(&door, &ledger, SIZE.pause);
    let load = Load::start(threads, &world, SIZE);
    thread::sleep(BEFORE);
    (trial.act)(&place, &mut processes);
    thread::sleep(AFTER);
    load.stop(threads);
    let (closed, totals) = (world.sockets.closed(), ledger.totals());
    let p99 = ledger.prompt.take().p99;
    println!(
        "    {}, {}: {closed} WebSockets closed, {totals:?}",
        trial.gateway, trial.what
    );
    report.cells(&[
        &trial.gateway,
        &trial.what,
        &format!("{closed} of {}", SIZE.raw),
        &totals.lost,
        &totals.repeated,
        &totals.all,
        &format!("{:.0} ms", p99.as_secs_f64() * 1e3),
        &(trial.version)(),
    ]);
    if trial.loses_nothing {
        let reason = format!("{}: {closed} WebSockets closed, {totals:?}", trial.what);
        report.check(closed == 0 && totals.lost == 0, reason);
    }
}
