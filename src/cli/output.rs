//! What commands print, and the statuses that they end with.

use std::io::Write as _;
use std::process::ExitCode;

use ianitor::telemetry::escape;
use tokio::runtime::{Builder, Runtime};

/// Failed at run time.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The command line is wrong (sysexits.h: EX_USAGE).
pub(crate) const EXIT_USAGE: u8 = 64;
/// The configuration is wrong (sysexits.h: EX_CONFIG).
pub(crate) const EXIT_CONFIG: u8 = 78;

/// An exit status, and the error message that explains it.
pub(crate) type CliError = (u8, String);

/// Prints to standard output. Control characters are escaped, since much of the text comes from
/// elsewhere. A closed output, as `head` leaves it, is not an error.
pub(crate) fn show(text: &str) {
    let _ = std::io::stdout().write_all(escape::lines(text).as_bytes());
}

/// The same on standard error. Every command prints by one of these two.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().write_all(escape::lines(text).as_bytes());
}

/// Prints the error message of a command that failed, and returns its exit status.
pub(crate) fn finish(result: Result<ExitCode, CliError>) -> ExitCode {
    result.unwrap_or_else(|(status, message)| {
        complain(&format!("{message}\n"));
        ExitCode::from(status)
    })
}

/// A runtime for a command that asks servers.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| (EXIT_FAILED, format!("cannot start a runtime: {error}")))
}
