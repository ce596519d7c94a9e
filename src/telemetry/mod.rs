//! Logs: events on standard error, accesses on standard output.

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// How lines look, of events and of accesses.
    pub format: LogFormat,
    /// Whether each request and tunnel leaves a line.
    pub access: bool,
}

impl Default for LogSpec {
    fn default() -> Self {
        Self { format: LogFormat::Text, access: true }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}
