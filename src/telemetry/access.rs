//! The access log: one line for each request and each tunnel, written when its last byte has gone.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Version};
use serde_json::json;
use tracing_appender::non_blocking::NonBlocking;

use super::LogFormat;
use super::escape;
use super::metrics::{RouteCounts, WorkerMetrics};
use super::request_id::RequestId;
use crate::addr::ClientAddr;

pub use super::exchange::Exchange;

/// How a request or tunnel came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was sent; of a tunnel: both sides had closed.
    Done,
    /// The client went away first.
    Client,
    /// The upstream broke off.
    Upstream,
    /// A time limit of ours.
    Timeout,
    /// The gateway was being stopped.
    Drain,
    /// A reload took the permission or the route away.
    Policy,
}

impl End {
    /// Every end, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Client,
        Self::Upstream,
        Self::Timeout,
        Self::Drain,
        Self::Policy,
    ];

    /// As the log and the metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Timeout => "timeout",
            Self::Drain => "drain",
            Self::Policy => "policy",
        }
    }
}

/// What a line says of the request itself.
#[derive(Clone, Debug)]
pub struct Head {
    /// When the request arrived.
    pub at: SystemTime,
    /// Its method, where it is HTTP.
    pub method: Option<Method>,
    /// Its target, [redacted](super::redact::target).
    pub target: String,
    /// Its `Host` or `:authority`.
    pub host: String,
    /// Its `User-Agent`.
    pub agent: String,
    /// The client's HTTP version, where it is HTTP.
    pub version: Option<Version>,
}

impl Head {
    /// Of something of which no more is known than who sent it.
    pub fn unknown() -> Self {
        Self {
            at: SystemTime::now(),
            method: None,
            target: "-".into(),
            host: "-".into(),
            agent: "-".into(),
            version: None,
        }
    }
}

/// What a line says of how the request went. It is kept, and [counted](super::metrics), even if no
/// line is written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whether it became a tunnel.
    pub tunnel: bool,
    /// The status that was answered.
    pub status: u16,
    /// The path of its route.
    pub route: Option<Rc<str>>,
    /// The name of its upstream.
    pub upstream: Option<Rc<str>>,
    /// Where its route is counted.
    pub counts: Option<Arc<RouteCounts>>,
    /// Why it was refused or cut.
    pub reason: Option<&'static str>,
    /// How it ended.
    pub end: End,
    /// Body or tunnel bytes from the client.
    pub received: u64,
    /// Body or tunnel bytes to the client.
    pub sent: u64,
    /// From the head's arrival to the last byte.
    pub took: Duration,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            tunnel: false,
            status: 0,
            route: None,
            upstream: None,
            counts: None,
            reason: None,
            // Until there is an answer, the one who ends it is the client.
            end: End::Client,
            received: 0,
            sent: 0,
            took: Duration::ZERO,
        }
    }
}

/// A line whole.
pub(super) struct Written<'a> {
    pub(super) id: RequestId,
    pub(super) client: ClientAddr,
    pub(super) head: &'a Head,
    pub(super) line: &'a Line,
}

impl Written<'_> {
    fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
        let line = match format {
            LogFormat::Text => self.text(),
            LogFormat::Json => self.json().to_string(),
        };
        // Foreign fields are escaped and cut where they are taken; here nothing is left to whoever
        // adds another one.
        out.extend_from_slice(escape::json(&line).as_bytes());
        out.push(b'\n');
    }

    fn millis(&self) -> f64 {
        (self.line.took.as_secs_f64() * 10_000.0).round() / 10.0
    }

    fn kind(&self) -> &'static str {
        if self.line.tunnel {
            "tunnel"
        } else {
            "request"
        }
    }

    fn text(&self) -> String {
        let mut out = String::with_capacity(256);
        let Self {
            id,
            client,
            head:
                Head {
                    at,
                    method,
                    target,
                    host,
                    agent,
                    version,
                },
            line,
        } = self;
        let Line {
            status,
            received,
            sent,
            end,
            ..
        } = line;
        let _ = write!(
            out,
            "{} {}",
            humantime::format_rfc3339_millis(*at),
            self.kind()
        );
        let _ = write!(
            out,
            " client={client} method={}",
            method.as_ref().map_or("-", Method::as_str)
        );
        // As JSON strings: what a client sends must not be able to end a line or a field.
        let _ = write!(out, " host={} path={}", json!(host), json!(target));
        match version {
            Some(version) => write!(out, " http={version:?} status={status}"),
            None => write!(out, " http=- status={status}"),
        }
        .unwrap_or_default();
        for (name, value) in [("route", &line.route), ("upstream", &line.upstream)] {
            if let Some(value) = value {
                let _ = write!(out, " {name}={value}");
            }
        }
        let _ = write!(
            out,
            " in={received} out={sent} ms={} end={}",
            self.millis(),
            end.name()
        );
        if let Some(reason) = line.reason {
            let _ = write!(out, " reason={}", reason.replace(' ', "_"));
        }
        let _ = write!(out, " agent={} id={id}", json!(agent));
        out
    }

    fn json(&self) -> serde_json::Value {
        let Self { head, line, .. } = self;
        json!({
            "time": humantime::format_rfc3339_millis(head.at).to_string(),
            "kind": self.kind(),
            "client": self.client.to_string(),
            "method": head.method.as_ref().map(Method::as_str),
            "host": head.host,
            "path": head.target,
            "http": head.version.map(|version| format!("{version:?}")),
            "status": line.status,
            "route": line.route.as_deref(),
            "upstream": line.upstream.as_deref(),
            "in": line.received,
            "out": line.sent,
            "ms": self.millis(),
            "end": line.end.name(),
            "reason": line.reason,
            "agent": head.agent,
            "id": self.id.to_string(),
        })
    }
}

/// Lines of one worker on their way to the writer and into its counters.
#[derive(Debug)]
pub struct AccessSink {
    writer: Option<NonBlocking>,
    format: Cell<LogFormat>,
    enabled: Cell<bool>,
    stopping: Cell<bool>,
    lines: RefCell<Vec<u8>>,
    metrics: Arc<WorkerMetrics>,
}

/// Lines are handed over at each tick, or when so many bytes have gathered.
const BATCH: usize = 16 * 1024;

impl AccessSink {
    /// A sink that writes to `writer` and counts in `metrics`; without a writer it only counts.
    pub fn new(writer: Option<NonBlocking>, metrics: Arc<WorkerMetrics>) -> Rc<Self> {
        let (format, enabled) = (Cell::new(LogFormat::Text), Cell::new(false));
        Rc::new(Self {
            writer,
            format,
            enabled,
            stopping: Cell::new(false),
            lines: RefCell::default(),
            metrics,
        })
    }

    /// Takes up what `[log]` says.
    pub fn configure(&self, format: LogFormat, enabled: bool) {
        self.format.set(format);
        self.enabled.set(enabled && self.writer.is_some());
    }

    /// From now on it is the gateway that ends whatever is still open.
    pub fn set_stopping(&self) {
        self.stopping.set(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Whether lines are wanted.
    pub fn is_enabled(&self) -> bool {
        self.enabled.get()
    }

    pub(super) fn log(&self, line: &Written<'_>) {
        let mut lines = self.lines.borrow_mut();
        line.write(self.format.get(), &mut lines);
        if lines.len() >= BATCH {
            self.hand_over(&mut lines);
        }
    }

    /// Hands over what has gathered.
    pub fn flush(&self) {
        self.hand_over(&mut self.lines.borrow_mut());
    }

    fn hand_over(&self, lines: &mut Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        if let Some(writer) = &self.writer {
            // Never blocks: a full queue drops lines, which the writer counts.
            let _ = writer.clone().write_all(lines);
        }
        lines.clear();
        lines.shrink_to(BATCH * 2);
    }
}

impl Drop for AccessSink {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
