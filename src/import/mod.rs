//! `ianitor import`: a tree of NGINX's directives becomes a `gateway.toml` and a report.
//!
//! ```text
//! Tree ─mend─▶ Tree ─http, stream─▶ Gateway (routes, upstreams, policies) ─write─▶ gateway.toml
//!                        └──────────── Report: a line for each directive
//! ```
//!
//! **Never more open than the source.** What cannot be translated and may limit access closes the
//! routes that it was about: they get a policy that admits no address. That holds where a wider
//! route would take the requests over, too ([`guards`](self)). Directives that are not known count
//! as limits.
//!
//! What is written passes `config::parse`; a part that does not is closed or left out first, and
//! the report says so.

mod access;
mod addresses;
mod certificates;
mod condition;
mod context;
mod drafts;
mod extras;
mod files;
mod guard;
mod guards;
mod http;
mod known;
mod led;
mod listeners;
mod location;
mod mend;
mod model;
mod pass;
mod patterns;
mod proxied;
mod redirect;
mod regexp;
mod report;
mod routes;
mod scope;
mod server;
mod server_block;
mod settle;
mod stream;
mod target;
mod units;
mod upstreams;
mod write;

use std::path::Path;

use crate::nginx::Tree;
pub use report::{Line, Outcome, Report};

/// What has been made of a configuration.
#[derive(Debug)]
pub struct Imported {
    /// The text of `gateway.toml`.
    pub toml: String,
    /// What became of each directive.
    pub report: Report,
}

/// Translates a configuration of NGINX. Relative names of certificates begin at the folder.
pub fn nginx(tree: &Tree, folder: &Path) -> Imported {
    let mut report = Report::default();
    let directives = mend::mend(&tree.directives, &mut report);
    let passed = stream::read(&directives, &mut report);
    let mut gateway = http::read(&directives, folder, &passed, &mut report);
    gateway.passthrough = passed.servers;
    let toml = settle::settle(&mut gateway, &mut report);
    report.complete(&directives);
    Imported { toml, report }
}

#[cfg(test)]
mod tests;
