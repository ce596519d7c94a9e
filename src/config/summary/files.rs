//! The files that a configuration was read from.

use std::path::PathBuf;

use super::Row;
use crate::config::Config;

/// How many included files are named.
const NAMED_FILES: usize = 20;

/// `gateway.toml` and what it includes, if it includes anything.
pub(super) fn files(config: &Config) -> Vec<Row> {
    let included = &config.included;
    if included.is_empty() {
        return Vec::new();
    }
    let name = |path: &PathBuf| path.display().to_string();
    let first = format!("{}, with {} more:", name(&config.file), included.len());
    let rest = included.len().saturating_sub(NAMED_FILES);
    let names = included.iter().take(NAMED_FILES).map(name);
    let rest = (rest > 0).then(|| format!("and {rest} more"));
    let all = std::iter::once(first).chain(names).chain(rest);
    all.map(|name| vec![name]).collect()
}
