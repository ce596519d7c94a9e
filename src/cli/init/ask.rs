//! Questions, on a terminal alone.

use std::io::{BufRead as _, IsTerminal as _, stdin};

use crate::cli::output::{CliError, EXIT_FAILED, show};

/// Whether there is a person to ask.
pub(super) fn is_possible() -> bool {
    stdin().is_terminal()
}

/// Whether the person agrees; nothing is asked where that is known or no one can be asked.
pub(super) fn agrees(question: &str, is_known: bool) -> Result<bool, CliError> {
    if is_known || !is_possible() {
        return Ok(true);
    }
    show(question);
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    let length = read.map_err(|error| (EXIT_FAILED, format!("standard input: {error}")))?;
    let is_yes = ["", "y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str());
    Ok(length > 0 && is_yes)
}
