//! The configuration that a command is about.

use std::path::{Path, PathBuf};

use clap::Args;
use ianitor::config::{self, Loaded};
use ianitor::telemetry::Chain;

use super::output::{CliError, EXIT_CONFIG};

/// The name of the file in the working folder.
const HERE: &str = "gateway.toml";

/// Where packages put it.
const INSTALLED: &str = "/etc/ianitor/gateway.toml";

/// `--config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration. By default gateway.toml in the working folder, or else
    /// /etc/ianitor/gateway.toml. For check, config and run, `-` is standard input.
    #[arg(short = 'c', long = "config", global = true, value_name = "FILE")]
    named: Option<PathBuf>,
}

impl ConfigFile {
    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.named.as_deref().unwrap_or_else(|| default())
    }

    /// The path on the command line.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.named.as_deref()
    }

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, a line each.
    pub(crate) fn load(&self) -> Result<Loaded, CliError> {
        load(self.path())
    }
}

/// Reads a configuration.
///
/// # Errors
/// What is wrong with it, a line each.
pub(crate) fn load(path: &Path) -> Result<Loaded, CliError> {
    config::load(path).map_err(|failure| {
        let text = with_hint(path, Chain(&failure).to_string());
        (EXIT_CONFIG, text)
    })
}

/// The problems with a configuration; and if the default one is missing, what to do.
pub(crate) fn with_hint(path: &Path, mut problems: String) -> String {
    if path == Path::new(HERE) && !is_there(HERE) {
        problems += &format!("\nthere is no {INSTALLED} either; name yours with --config FILE");
    }
    problems
}

fn default() -> &'static Path {
    let found = [HERE, INSTALLED].into_iter().find(|path| is_there(path));
    Path::new(found.unwrap_or(HERE))
}

/// Whether there is such a file, readable or not.
fn is_there(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}
