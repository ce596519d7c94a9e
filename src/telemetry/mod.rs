//! Logs: events on standard error, accesses on standard output. Both are written by threads of their own, so that a
//! stalled reader costs lines and never a worker.

pub mod access;
mod chain;
mod exchange;
pub mod metrics;
pub mod redact;
pub mod request_id;

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use chain::Chain;

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

impl LogFormat {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

/// Writes what is still queued when it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    _events: WorkerGuard,
    _accesses: WorkerGuard,
}

/// Events, or batches of access lines, that may wait for their writer. The queues are allocated whole.
const QUEUE: usize = 1024;

/// Sends events to standard error, filtered by `RUST_LOG` (default `info`), and returns the writer of accesses.
///
/// # Errors
/// When the process already has a subscriber.
pub fn init(format: LogFormat) -> Result<(NonBlocking, LogGuard), TryInitError> {
    let builder = || NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE);
    let (events, events_guard) = builder().thread_name("log-events").finish(std::io::stderr());
    let (accesses, accesses_guard) = builder().thread_name("log-access").finish(std::io::stdout());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(events);
    match format {
        LogFormat::Text => {
            subscriber.with_target(false).with_ansi(std::io::stderr().is_terminal()).finish().try_init()?;
        }
        LogFormat::Json => subscriber.json().flatten_event(true).with_target(false).finish().try_init()?,
    }
    Ok((accesses, LogGuard { _events: events_guard, _accesses: accesses_guard }))
}
