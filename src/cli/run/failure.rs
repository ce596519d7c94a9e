//! Why `ianitor run` ends before it accepts connections.

use std::process::ExitCode;

use ianitor::telemetry::Chain;

use super::super::output::complain;

/// A failed start, which has been reported to the operator.
pub(super) struct Failure {
    code: u8,
    problems: Vec<String>,
}

impl Failure {
    /// Reports a failure on standard error: there is no log yet.
    pub(super) fn printed(code: u8, problems: Vec<String>) -> Self {
        for problem in &problems {
            complain(&format!("{problem}\n"));
        }
        Self { code, problems }
    }

    /// Logs a failure.
    pub(super) fn logged(code: u8, error: &(dyn std::error::Error + 'static)) -> Self {
        let problems = lines(error);
        for problem in &problems {
            tracing::error!("{problem}");
        }
        Self { code, problems }
    }

    /// A failure that is in the log already.
    pub(super) fn of(code: u8, problem: String) -> Self {
        Self {
            code,
            problems: vec![problem],
        }
    }

    /// With the problems of a second failure; the first one decides on the exit status.
    pub(super) fn and(mut self, other: Option<Self>) -> Self {
        self.problems
            .extend(other.into_iter().flat_map(|other| other.problems));
        self
    }

    /// A line for each problem.
    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// A line for each problem.
pub(super) fn lines(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let text = Chain(error).to_string();
    text.lines().map(str::to_owned).collect()
}
