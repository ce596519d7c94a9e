//! Which events are logged: those of `log.level`, which a reload changes, or those of `RUST_LOG`.

use std::fmt;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The environment variable that goes before `log.level`.
const VARIABLE: &str = "RUST_LOG";

/// The least important events that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What has failed and stays so.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happens to the gateway itself.
    #[default]
    Info,
    /// What happens to connections and requests.
    Debug,
    /// More.
    Trace,
}

impl LogLevel {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The filter: events of libraries are logged up to `info` only, since at `debug` nearly all
    /// lines would be about frames of HTTP/2.
    fn filter(self) -> EnvFilter {
        EnvFilter::new(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "info,ianitor=debug",
            Self::Trace => "info,ianitor=trace",
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().find(|(_, level)| level == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

/// The filter in force, which can be replaced.
pub(super) type Filter = reload::Layer<EnvFilter, Registry>;

/// Changes the level.
#[derive(Debug)]
pub(super) struct LevelHandle {
    handle: reload::Handle<EnvFilter, Registry>,
    /// Whether `RUST_LOG` decides.
    is_fixed: bool,
}

impl LevelHandle {
    /// The filter of the environment or, without one, of a level. The error says that the one of
    /// the environment is not valid.
    pub(super) fn new(level: LogLevel) -> (Filter, Self, Option<ParseError>) {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let parsed = (!text.is_empty()).then(|| text.parse::<EnvFilter>());
        let (filter, is_fixed, error) = match parsed {
            Some(Ok(filter)) => (filter, true, None),
            Some(Err(error)) => (level.filter(), false, Some(error)),
            None => (level.filter(), false, None),
        };
        let (filter, handle) = reload::Layer::new(filter);
        (filter, Self { handle, is_fixed }, error)
    }

    /// Applies a level, unless `RUST_LOG` decides.
    pub(super) fn set(&self, level: LogLevel) {
        if !self.is_fixed {
            // The subscriber lives as long as the process.
            let _ = self.handle.reload(level.filter());
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.is_fixed
    }
}
