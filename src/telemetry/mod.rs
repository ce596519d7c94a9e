//! Logs and counters: events go to standard error, access lines to standard output. Each has a
//! writer thread of its own, so that a stalled reader costs log lines and never blocks a worker.

pub mod access;
mod chain;
pub mod escape;
mod events;
pub mod metrics;
pub mod redact;
pub mod request_id;
mod summed;

use std::fmt;
use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

pub use chain::Chain;
pub use escape::Visible;
pub use summed::{summed, write_due};

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// The format of events and access lines.
    pub format: LogFormat,
    /// Whether requests and tunnels are logged.
    pub access: bool,
}

impl Default for LogSpec {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            access: true,
        }
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Writes the queued lines when it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    _events: WorkerGuard,
    _accesses: WorkerGuard,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        summed::write_all();
    }
}

/// The length of each queue, in events or in batches of access lines. The memory is allocated at
/// start.
const QUEUE: usize = 1024;

/// Sends events to standard error, filtered by `RUST_LOG` (default `info`), and returns the writer
/// of access lines.
///
/// # Errors
/// The process already has a subscriber.
pub fn init(format: LogFormat) -> Result<(NonBlocking, LogGuard), TryInitError> {
    let builder = || {
        NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUE)
    };
    let (events, events_guard) = builder()
        .thread_name("log-events")
        .finish(std::io::stderr());
    let (accesses, accesses_guard) = builder()
        .thread_name("log-access")
        .finish(std::io::stdout());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let events = lines(format, events, std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(events)
        .try_init()?;
    Ok((
        accesses,
        LogGuard {
            _events: events_guard,
            _accesses: accesses_guard,
        },
    ))
}

/// The layer that writes events, escaped, and with colours on a terminal.
fn lines<S, W>(format: LogFormat, writer: W, is_terminal: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_timer(events::Millis)
        .fmt_fields(events::TextFields);
    match format {
        LogFormat::Text => Box::new(layer.with_target(false).with_ansi(is_terminal)),
        LogFormat::Json => Box::new(layer.with_ansi(false).event_format(events::JsonLines)),
    }
}
