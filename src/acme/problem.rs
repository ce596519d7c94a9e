//! Problem documents of CAs (RFC 8555, section 6.7): their type, and how they are shown.

use std::fmt;

use instant_acme::Problem;

use crate::telemetry::escape::steers;

/// The last part of the type: `rateLimited` of `urn:ietf:params:acme:error:rateLimited`.
pub(super) fn type_of(problem: &Problem) -> Option<&str> {
    problem
        .r#type
        .as_deref()
        .map(|text| text.rsplit(':').next().unwrap_or(text))
}

/// Whether the CA reports a problem of its own, which may pass.
pub(super) fn is_server_trouble(problem: &Problem) -> bool {
    let is_passing = matches!(
        type_of(problem),
        Some("serverInternal" | "badNonce" | "accountDoesNotExist" | "orderNotReady")
    );
    is_passing || problem.status.is_some_and(|status| status >= 500)
}

/// A problem in the CA's words, shortened for a log line and safe for a terminal.
pub(super) struct Said<'a>(pub(super) &'a Problem);

/// How many characters of a text are shown, and how many subproblems.
const LONGEST: usize = 1000;
const MOST: usize = 20;

/// Without control characters.
fn plain(text: &str) -> String {
    text.chars()
        .take(LONGEST)
        .map(|c| if steers(c) { ' ' } else { c })
        .collect()
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            detail,
            status,
            subproblems,
            ..
        } = self.0;
        match (detail.as_deref().map(plain), type_of(self.0).map(plain)) {
            (Some(detail), Some(word)) => write!(f, "{detail:?} ({word})")?,
            (Some(detail), None) => write!(f, "{detail:?}")?,
            (None, Some(word)) => f.write_str(&word)?,
            (None, None) => write!(f, "status {}", status.unwrap_or(0))?,
        }
        for sub in subproblems.iter().take(MOST) {
            write!(f, "; {}", plain(&sub.to_string()))?;
        }
        Ok(())
    }
}
