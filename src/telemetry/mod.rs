//! Logs and counters: events go to standard error, access lines to standard output, and what is
//! audited to where `log.audit` says. Each has a writer thread of its own, so that a stalled reader
//! costs log lines and never blocks a worker.

pub mod access;
pub mod audit;
mod cause;
mod chain;
pub mod escape;
mod events;
mod level;
pub mod metrics;
pub mod panics;
pub mod redact;
pub mod request_id;
mod summed;

use std::fmt;
use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

pub use chain::Chain;
pub use escape::Visible;
pub use level::LogLevel;
pub use summed::{summed, write_due};

use audit::AuditTarget;
use level::LevelHandle;

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// The format of events and access lines.
    pub format: LogFormat,
    /// Which events are logged, unless `RUST_LOG` says so.
    pub level: LogLevel,
    /// Whether requests and tunnels are logged.
    pub access: bool,
    /// Where messages are logged that have to be accounted for.
    pub audit: AuditTarget,
}

impl Default for LogSpec {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: LogLevel::default(),
            access: true,
            audit: AuditTarget::Off,
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

/// The log of the process. Writes the queued lines when it is dropped.
#[derive(Debug)]
pub struct Logs {
    level: LevelHandle,
    _events: WorkerGuard,
    _accesses: WorkerGuard,
}

impl Logs {
    /// Logs events from this level on, unless `RUST_LOG` decides.
    pub fn set_level(&self, level: LogLevel) {
        self.level.set(level);
    }

    /// Whether the level comes from `RUST_LOG`, so that `log.level` has no effect.
    pub fn is_level_fixed(&self) -> bool {
        self.level.is_fixed()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        summed::write_all();
    }
}

/// The length of each queue, in events or in batches of access lines. The memory is allocated at
/// start.
const QUEUE: usize = 1024;

/// Sends events to standard error, and returns the writer of access lines.
///
/// # Errors
/// The process already has a subscriber.
pub fn init(spec: &LogSpec) -> Result<(NonBlocking, Logs), TryInitError> {
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
    let (filter, level, invalid) = LevelHandle::new(spec.level);
    let events = lines(spec.format, events, std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(events)
        .try_init()?;
    if let Some(error) = invalid {
        tracing::warn!(%error, "RUST_LOG is not valid: log.level is used instead");
    }
    Ok((
        accesses,
        Logs {
            level,
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
