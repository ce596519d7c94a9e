//! Finds what the command line names in a configuration.

use std::sync::Arc;

use crate::cli::output::{CliError, EXIT_USAGE};

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
