//! The gateway that ships, under constant load, while everything that can go wrong does.
//!
//! `make chaos` runs the cases named below in turn, against the release binary; `make soak` and
//! `make reliability` run those that take longer. A case fills in a report: rows for the table at
//! the end, and failures, of which one is enough to exit with 1. `IANITOR=PATH` tries another
//! binary.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "all of this is a test"
)]

mod client;
mod floods;
mod gateway;
mod latency;
mod ledger;
mod link;
mod load;
mod peers;
mod report;
mod server;
mod setup;
mod soak;
mod steps;
#[path = "../real/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the cases here need a part of it")]
mod support;
mod threads;

use std::process::ExitCode;

use report::Report;

/// A case by name, whether `make chaos` runs it, and what it does.
struct Case {
    name: &'static str,
    is_usual: bool,
    run: fn(&mut Report),
}

const CASES: [Case; 5] = [
    Case {
        name: "floods",
        is_usual: true,
        run: floods::run,
    },
    Case {
        name: "load",
        is_usual: true,
        run: steps::run,
    },
    Case {
        name: "link",
        is_usual: true,
        run: link::run,
    },
    Case {
        name: "peers",
        is_usual: false,
        run: peers::run,
    },
    Case {
        name: "soak",
        is_usual: false,
        run: soak::run,
    },
];

/// Runs the cases that are named, or the usual ones.
fn main() -> ExitCode {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let unknown = |name: &&String| CASES.iter().all(|case| case.name != **name);
    if let Some(name) = named.iter().find(unknown) {
        let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        eprintln!(
            "no case is called {name:?}; there are: {}",
            names.join(", ")
        );
        return ExitCode::from(64);
    }
    raise_descriptors();
    let is_run = |case: &&Case| match named.as_slice() {
        [] => case.is_usual,
        names => names.iter().any(|name| name == case.name),
    };
    let mut reports = Vec::new();
    for case in CASES.iter().filter(is_run) {
        println!("{}", case.name);
        let mut report = Report::new(case.name);
        (case.run)(&mut report);
        reports.push(report);
    }
    reports.iter().for_each(Report::print);
    if reports.iter().all(Report::is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Each socket takes a descriptor here on both ends.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}
