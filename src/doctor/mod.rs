//! `ianitor doctor`: reads the configurations of the servers on a machine, and says what is wrong
//! with them, where, and what to write.
//!
//! ```text
//! files ─▶ gather ─▶ readers (trees and lines with places) ─▶ Machine ─▶ rules ─▶ Findings
//! ```
//!
//! A finding is proved by a line, or by a line that is certainly missing. What depends on a value
//! that cannot be known, because it is calculated or a file was not read, is listed as not known.
//! Nothing here connects to anything.

pub mod catalogue;
pub mod files;
pub mod finding;
pub mod firewall;
mod gather;
pub mod machine;
mod nginx_files;
pub mod place;
pub mod read;
mod rules;
pub mod tree;

use files::Files;
use finding::Findings;
use firewall::{iptables, nft};
use machine::{Looked, Machine};

/// What was found, and what was looked at.
#[derive(Debug)]
pub struct Report {
    /// What is wrong, and what is not known.
    pub findings: Findings,
    /// What was looked at.
    pub looked: Looked,
    /// Paths that were named and lead to nothing, with the reason.
    pub useless: Vec<(String, &'static str)>,
    /// Everything that was read.
    pub machine: Machine,
}

/// Looks at the files that the paths lead to, or at those in the usual places if there are none.
/// `firewall` is the output of `iptables-save` or `nft -j list ruleset`.
pub fn examine(files: &dyn Files, paths: &[String], firewall: Option<&str>) -> Report {
    let (mut machine, useless) = gather::gather(files, paths);
    if let Some(text) = firewall {
        // What runs, and not what is stored for the next start.
        machine.firewall = firewall::Firewall::default();
        if !nft::add(&mut machine.firewall, text) {
            iptables::add(&mut machine.firewall, text);
        }
    }
    let findings = rules::run(&machine, files);
    Report {
        findings,
        looked: std::mem::take(&mut machine.looked),
        useless,
        machine,
    }
}

impl Report {
    /// Looks again, with the version of a package that a running server has told.
    pub fn know_version(&mut self, files: &dyn Files, package: &str, version: String) {
        self.machine.packages.insert(package.to_owned(), version);
        self.findings = rules::run(&self.machine, files);
    }
}
