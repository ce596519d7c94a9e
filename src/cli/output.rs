//! What commands print, and the statuses that they end with.

use std::borrow::Cow;
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

/// The same on standard error. Every command prints by one of these two. Tokens are left out: who
/// reads them in a log of commands could use them.
pub(crate) fn complain(text: &str) {
    let text = without_tokens(text);
    let _ = std::io::stderr().write_all(escape::lines(&text).as_bytes());
}

/// The text with `eyJ…` instead of each token.
pub(crate) fn without_tokens(text: &str) -> Cow<'_, str> {
    /// How the base64 of `{"` begins.
    const START: &str = "eyJ";
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'.');
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(START) {
        let length = rest[at..].bytes().take_while(|b| is_part(*b)).count();
        let (before, token) = rest[..at + length].split_at(at);
        shown.push_str(before);
        // A header alone is longer.
        match length < 16 {
            true => shown.push_str(token),
            false => shown.push_str("eyJ…"),
        }
        rest = &rest[at + length..];
    }
    match shown.is_empty() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(shown + rest),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_has_a_token_in_it() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLV8";
        for (text, want) in [
            (token.to_owned(), "eyJ…"),
            (
                format!("a \"{token}\", Bearer {token}: no"),
                "a \"eyJ…\", Bearer eyJ…: no",
            ),
            (format!("{token}é"), "eyJ…é"),
            (
                "eyJ.toml: no such file".to_owned(),
                "eyJ.toml: no such file",
            ),
            ("no token".to_owned(), "no token"),
        ] {
            assert_eq!(without_tokens(&text), want);
        }
    }
}
