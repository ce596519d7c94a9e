//! What a configuration says in the end: with everything that it includes, with the values of
//! variables, defaults and what routes inherit, and without secrets.

mod entries;
mod shown;
mod written;

use std::path::Path;

use super::load::load_and;
use super::{ConfigError, Loaded};
use entries::entries;

/// What is in force after all, and where each value is from.
#[derive(Debug)]
pub struct Effective {
    entries: Vec<Entry>,
}

/// A line of it.
#[derive(Debug)]
enum Entry {
    /// The beginning of a table, as TOML.
    Header(String),
    /// A key of the table.
    Key {
        /// The key, as TOML.
        name: String,
        /// The path of the key.
        path: String,
        shown: Shown,
        from: Origin,
    },
}

/// The value of a key.
#[derive(Debug)]
enum Shown {
    /// As TOML and as JSON, and the keys in it that are left out.
    Value {
        toml: String,
        json: serde_json::Value,
        left_out: Vec<String>,
    },
    /// It is a secret.
    Secret,
}

/// Where a value is from.
#[derive(Debug)]
enum Origin {
    Default,
    File {
        /// `conf.d/a.toml:3:8`.
        place: String,
        /// Variables of the environment in it.
        variables: Vec<String>,
        /// Whether it is in `[defaults]`.
        is_inherited: bool,
    },
}

/// Reads a configuration as [`load`](super::load()) does.
///
/// # Errors
/// As [`load`](super::load()).
pub fn effective(path: &Path) -> Result<(Loaded, Effective), ConfigError> {
    load_and(path, |understood| Effective {
        entries: entries(understood),
    })
}
