//! `gateway.toml`: from its text to the specification types of the other modules, or to a report of
//! everything that is wrong with it.
//!
//! ```text
//! files -include-> Sources -toml, merge, variables-> Document -read-> Raw (typed, with places)
//!           +------------------ Diagnostics ------------------+         |
//!                                    v                                lower
//!                          Report: every problem                        v
//!                                                          Config (names resolved)
//! ```
//!
//! An operator who has ten mistakes in a file wants to read ten lines, not to run the check ten
//! times. serde's derive stops at the first mistake; so a small typed reader (`read`) walks the
//! tables, reports what is wrong with a value, and goes on.
//!
//! A key is declared once, in `tables/`: its kind, what holds without it, and its text in
//! `docs/reference.md`. `values/` has the kinds. `lower/` compares keys with each other and makes
//! the types of the other modules; a flat table, such as `[limits]`, does not need it.
//!
//! Nothing here touches the network, and only [`load`](load()) and [`effective`](effective()) touch
//! the disk: whether a certificate exists or an address can be bound shows when it is opened.

mod diagnostics;
mod document;
mod effective;
mod everybody;
mod files;
mod foreign;
mod include;
mod json_schema;
mod load;
mod lower;
mod meant;
mod merge;
mod places;
mod problem;
mod read;
mod reference;
mod schema;
mod section;
mod sources;
mod suggest;
mod summary;
mod syntax;
mod tables;
mod units;
mod unknown;
mod values;
mod variables;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::acme::AcmeSpec;
use crate::control::ControlSpec;
use crate::deploy::DeploySpec;
use crate::limits::Limits;
use crate::listen::ListenSpec;
use crate::policy::Policy;
use crate::route::RouteTable;
use crate::route::passthrough::Passthrough;
use crate::telemetry::LogSpec;
use crate::tls::TlsSpec;
use crate::token::issuer::IssuerSpec;
use crate::turn::TurnSpec;
use diagnostics::Diagnostics;
use document::Document;
use problem::{Finding, Kind};
use read::{Section as _, Table};
use sources::Sources;
use tables::Raw;
use variables::Environment;

pub use effective::{Effective, effective};
pub use json_schema::json_schema;
pub use load::{STDIN, is_stdin, load, sources_of};
pub use places::Places;
pub use problem::{Problem, Report};
pub use reference::reference;
pub use summary::summary;
pub use units::duration;
pub use values::{nearest_plugin, plugin_name};

/// What a `gateway.toml` says, with every name resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file itself, as it was named.
    pub file: PathBuf,
    /// The files that it includes, in the order in which they were read.
    pub included: Vec<PathBuf>,
    /// `[listen]`.
    pub listen: ListenSpec,
    /// `listen.control`.
    pub control: ControlSpec,
    /// `[log]`.
    pub log: LogSpec,
    /// `reload.watch`.
    pub is_watched: bool,
    /// `[limits]`.
    pub limits: Limits,
    /// `[tls]`, its paths relative to the folder of the file.
    pub tls: TlsSpec,
    /// `[[routes]]` and `[upstreams]`.
    pub routes: Arc<RouteTable>,
    /// `[[passthrough]]`.
    pub passthrough: Vec<Passthrough>,
    /// `[issuers]`, in the order of the file.
    pub issuers: Vec<Arc<IssuerSpec>>,
    /// `[policies]`, in the order of the file. The built-in `open` is only where a route names it.
    pub policies: Vec<Arc<Policy>>,
    /// `[turn]`, in the order of the file.
    pub turns: Vec<Arc<TurnSpec>>,
    /// `[acme]`.
    pub acme: Option<AcmeSpec>,
    /// `[[deploy]]`, in the order of the file.
    pub deploy: Vec<Arc<DeploySpec>>,
}

/// A configuration that can be used, and what is odd about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is taken but hardly meant. Often empty.
    pub warnings: Report,
    /// Where its keys are.
    pub places: Places,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Standard input cannot be read.
    #[error("standard input cannot be read")]
    Stdin(#[source] io::Error),
    /// There is nothing under the name.
    #[error("{}: there is no such file; name another with --config", .0.display())]
    Missing(PathBuf),
    /// The name is that of a folder.
    #[error("{}: is a folder; write --config {}", .0.display(), .0.join("gateway.toml").display())]
    Folder(PathBuf),
    /// The name is that of a pipe, a device or a socket.
    #[error("{}: is no regular file but a pipe, a device or a socket; save the configuration \
             in a file", .0.display())]
    NotAFile(PathBuf),
    /// The system does not let us read it.
    #[error("{}: cannot be read; is the user of this process allowed to?", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// No configuration is that large.
    #[error(
        "{}: is larger than {} KiB, which no configuration is; is it the right file?",
        .0.display(),
        load::LARGEST >> 10
    )]
    TooLarge(PathBuf),
    /// It is a file of another kind.
    #[error("{}: is {}, and no gateway.toml; name that with --config", .0.display(), .1)]
    Foreign(PathBuf, &'static str),
    /// TOML is UTF-8.
    #[error("{}:{line}: is not UTF-8 on this line; save the file as UTF-8", .path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not.
        line: usize,
    },
    /// It was read, and is wrong.
    #[error(transparent)]
    Invalid(#[from] Report),
}

/// Understands a configuration without the files that it includes. The name of the file is for the
/// report, its folder for relative paths.
///
/// # Errors
/// Everything that is wrong.
pub fn parse(file_name: &Path, text: &str) -> Result<Loaded, Report> {
    let sources = Sources::of(file_name, text.to_owned());
    let understood = understand(&sources, Vec::new(), &variables::of_process, |_| ());
    understood.map(|(loaded, ())| loaded)
}

/// What a configuration is made from, for those who show more of it than its meaning.
struct Understood<'u> {
    sources: &'u Sources,
    document: &'u Document<'u>,
    /// The position of a route, and a key that it has from `[defaults]`.
    inherited: &'u [(usize, &'static str)],
}

/// Understands what was read. A valid configuration is passed to `also` as well.
fn understand<R>(
    sources: &Sources,
    findings: Vec<Finding>,
    environment: Environment<'_>,
    also: impl FnOnce(&Understood<'_>) -> R,
) -> Result<(Loaded, R), Report> {
    let mut document = document::read(sources, Raw::KEYS, environment);
    let is_problem = |finding: &Finding| finding.kind != Kind::Warning;
    let is_whole = document.is_whole && !findings.iter().any(is_problem);
    let mut first = std::mem::take(&mut document.findings);
    first.extend(findings);
    let diag = Diagnostics::new(sources, is_whole, &document.unclosed, Raw::KEYS);
    let raw = Raw::read(&Table::root(&document.table, &diag));
    // Where a part is missing, names would be unknown that are in it.
    let config = match diag.is_whole() {
        true => lower::lower(raw, sources, &diag),
        false => None,
    };
    let reports = diag.into_reports(first);
    match config {
        Some(config) if reports.problems.is_empty() => {
            let loaded = Loaded {
                config,
                warnings: reports.warnings,
                places: Places::of(sources, &document),
            };
            let more = also(&Understood {
                sources,
                document: &document,
                inherited: &reports.inherited,
            });
            Ok((loaded, more))
        }
        _ => Err(reports.problems),
    }
}

#[cfg(test)]
mod tests;
