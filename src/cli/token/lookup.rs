//! Reads the configuration, and finds what the command line names in it.

use std::path::Path;
use std::sync::Arc;

use ianitor::config::{self, Config};
use ianitor::telemetry::Chain;

use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_USAGE};

pub(crate) fn load(path: &Path) -> Result<Config, CliError> {
    let loaded =
        config::load(path).map_err(|failure| (EXIT_CONFIG, Chain(&failure).to_string()))?;
    Ok(loaded.config)
}

/// The entry of this name; the error lists the names that there are.
pub(crate) fn named<'a, T>(
    kind: &str,
    name: &str,
    all: &'a [Arc<T>],
    name_of: fn(&T) -> &str,
) -> Result<&'a Arc<T>, CliError> {
    all.iter().find(|one| name_of(one) == name).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| name_of(one)).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        (
            EXIT_USAGE,
            format!("there is no {kind} \"{name}\"; there is: {known}"),
        )
    })
}
