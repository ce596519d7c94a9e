//! Values on the command line that several commands take.

use std::time::Duration;

use ianitor::config;

/// How long to wait: seconds, or a number with a unit.
pub(crate) fn wait(text: &str) -> Result<Duration, String> {
    match text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        true => config::duration(&format!("{text}s")),
        false => config::duration(text),
    }
}
