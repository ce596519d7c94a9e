//! `gateway.toml`: from its text to the specification types of the other modules, or to a report of
//! everything that is wrong with it.
//!
//! ```text
//! text -toml-> DeTable -read-> Raw (typed, with places) -lower-> Config (names resolved)
//!                +------------- Diagnostics ------------+-> Report: every problem
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
//! Nothing here touches the network, and only [`load`] touches the disk: whether a certificate
//! exists or an address can be bound shows when it is opened.

mod diagnostics;
mod everybody;
mod files;
mod foreign;
mod lower;
mod meant;
mod places;
mod problem;
mod read;
mod reference;
mod schema;
mod section;
mod suggest;
mod summary;
mod syntax;
mod tables;
mod units;
mod unknown;
mod values;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::acme::AcmeSpec;
use crate::control::ControlSpec;
use crate::deploy::DeploySpec;
use crate::disk::{self, NotAFile};
use crate::exposure;
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
use read::{Section as _, Table};
use tables::Raw;

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
        LARGEST >> 10
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

/// So large that no real file comes near, so small that a log or a disk image given by mistake is
/// seen at once.
const LARGEST: u64 = 1 << 20;

const SHOWN_SECRET: &str = concat!(
    "every user of this machine can read this file, and so the secret; chmod 640 it, or write the ",
    "secret into a file of its own"
);

/// Reads a configuration file.
///
/// # Errors
/// That it cannot be read, or everything that is wrong in it.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let text = read_text(path)?;
    let parsed = parse(path, &text);
    let mut loaded = parsed.map_err(|report| match foreign::kind_of_text(&text, &report) {
        Some(what) => ConfigError::Foreign(path.to_owned(), what),
        None => ConfigError::Invalid(report),
    })?;
    if let Some(problem) = audit_log_elsewhere(&loaded) {
        return Err(ConfigError::Invalid(Report {
            file: path.to_owned(),
            problems: vec![problem],
        }));
    }
    if exposure::others_may_read(path) {
        let shown = loaded.config.inline_secrets().map(|key| Problem {
            line: 1,
            column: 1,
            key,
            text: SHOWN_SECRET.to_owned(),
        });
        loaded.warnings.problems.extend(shown);
    }
    Ok(loaded)
}

/// An audit log that would be appended to a file with another use, or to this file.
fn audit_log_elsewhere(loaded: &Loaded) -> Option<Problem> {
    const KEY: &str = "log.audit";
    let audit = loaded.config.log.audit.file()?;
    // Something such as /dev/null takes everything.
    if audit.metadata().is_ok_and(|there| !there.is_file()) {
        return None;
    }
    let files = loaded.config.files();
    let mut others = files.iter().filter(|file| file.key != KEY);
    let other = others.find(|other| exposure::is_same(&other.path, audit))?;
    let text = format!(
        "{} is {} already, and the audit log would be appended to it; write a path of its own",
        audit.display(),
        other.key
    );
    let place = loaded.places.find(KEY)?;
    Some(Problem {
        text,
        ..place.clone()
    })
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let failure = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        io::ErrorKind::FileTooLarge => ConfigError::TooLarge(path.to_owned()),
        _ if NotAFile::is(&error) && path.is_dir() => ConfigError::Folder(path.to_owned()),
        _ if NotAFile::is(&error) => ConfigError::NotAFile(path.to_owned()),
        _ => ConfigError::Unreadable(path.to_owned(), error),
    };
    let bytes = disk::read(path, LARGEST).map_err(failure)?;
    if let Some(kind) = foreign::kind_of_bytes(&bytes) {
        return Err(ConfigError::Foreign(path.to_owned(), kind));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ConfigError::NotUtf8 {
            path: path.to_owned(),
            line: 1 + good.iter().filter(|b| **b == b'\n').count(),
        }
    })
}

/// Understands a configuration. The name of the file is for the report, its folder for relative
/// paths.
///
/// # Errors
/// Everything that is wrong.
pub fn parse(file_name: &Path, text: &str) -> Result<Loaded, Report> {
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let diag = Diagnostics::new(text, document.get_ref(), &syntax_errors, Raw::KEYS);
    let raw = Raw::read(&Table::root(document.get_ref(), &diag));
    // Where the parser lost a part, names would be unknown that are in the file.
    let config = match diag.does_not_parse() {
        true => None,
        false => lower::lower(raw, file_name, &diag),
    };
    let (problems, warnings) = diag.into_reports(file_name);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded {
            config,
            warnings,
            places: Places::of(text, document.get_ref()),
        }),
        _ => Err(problems),
    }
}

#[cfg(test)]
mod tests;
