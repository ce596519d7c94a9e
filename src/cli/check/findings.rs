//! What asking the servers of one kind has found.

use std::fmt::{Display, Write as _};

use ianitor::telemetry::Visible;

/// Lines for people under a title, and the number of problems among them.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) text: String,
    pub(super) problems: usize,
}

/// One sentence about one target. It may have been written in part by others.
pub(super) struct Finding {
    is_ok: bool,
    text: String,
}

impl Finding {
    /// The target is as the configuration says.
    pub(super) fn ok(text: impl Display) -> Self {
        Self {
            is_ok: true,
            text: Visible(text).to_string(),
        }
    }

    /// Something has to be done.
    pub(super) fn problem(text: impl Display) -> Self {
        Self {
            is_ok: false,
            text: Visible(text).to_string(),
        }
    }
}

impl Findings {
    /// Adds a line. The target is what the configuration names.
    pub(super) fn add(&mut self, target: impl Display, verdict: &Finding) {
        self.problems += usize::from(!verdict.is_ok);
        let word = if verdict.is_ok { "ok" } else { "problem" };
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "  {target}  {word}: {}", verdict.text);
    }

    /// With this title if there is anything to show.
    pub(super) fn titled(self, title: &str) -> Self {
        if self.text.is_empty() {
            return self;
        }
        let text = format!("{title}\n{}", self.text);
        Self { text, ..self }
    }
}
