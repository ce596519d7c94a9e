//! The access log: one line for each request and each tunnel, written after its last byte.

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

/// What ended a request or tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was sent; for a tunnel, both sides closed it.
    Done,
    /// The client disconnected.
    Client,
    /// The upstream closed the connection early.
    Upstream,
    /// A time limit of the gateway.
    Timeout,
    /// The gateway was stopped.
    Drain,
    /// The permission ended, or a reload removed the route.
    Policy,
}

impl End {
    /// All variants in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Client,
        Self::Upstream,
        Self::Timeout,
        Self::Drain,
        Self::Policy,
    ];

    /// The name in the log and in metrics.
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

/// The part of a line that is known with the request head.
#[derive(Clone, Debug)]
pub struct Head {
    /// When the request arrived.
    pub at: SystemTime,
    /// The method, if it is HTTP.
    pub method: Option<Method>,
    /// The target, [redacted](super::redact::target).
    pub target: String,
    /// `Host` or `:authority`.
    pub host: String,
    /// `User-Agent`.
    pub agent: String,
    /// The HTTP version, if it is HTTP.
    pub version: Option<Version>,
}

impl Head {
    /// The head of a connection or request that could not be parsed.
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

/// The part of a line about how the request went. [Counted](super::metrics) even if no line is
/// written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whether the request became a tunnel.
    pub tunnel: bool,
    /// The status of the response; 0 without one.
    pub status: u16,
    /// The path of the route.
    pub route: Option<Rc<str>>,
    /// The name of the upstream.
    pub upstream: Option<Rc<str>>,
    /// The counters of the route.
    pub counts: Option<Arc<RouteCounts>>,
    /// Why the request was rejected or cut off.
    pub reason: Option<&'static str>,
    /// What ended it.
    pub end: End,
    /// Body or tunnel bytes from the client.
    pub received: u64,
    /// Body or tunnel bytes to the client.
    pub sent: u64,
    /// The time from the request head to the last byte.
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
            // Before there is a response, only the client can end the request.
            end: End::Client,
            received: 0,
            sent: 0,
            took: Duration::ZERO,
        }
    }
}

/// A complete line.
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
        // Fields from outside are already escaped and cut; escaping the line again covers fields
        // that may be added later.
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
        // As JSON strings, so that text of a client cannot end a line or a field.
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

/// Buffers the lines of one worker for the writer, and counts them.
#[derive(Debug)]
pub struct AccessSink {
    writer: Option<NonBlocking>,
    format: Cell<LogFormat>,
    enabled: Cell<bool>,
    stopping: Cell<bool>,
    lines: RefCell<Vec<u8>>,
    metrics: Arc<WorkerMetrics>,
}

/// Lines go to the writer at each tick, or when this many bytes are buffered.
const BATCH: usize = 16 * 1024;

impl AccessSink {
    /// A sink that writes to `writer`, if there is one, and counts in `metrics`.
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

    /// Applies `[log]`.
    pub fn configure(&self, format: LogFormat, enabled: bool) {
        self.format.set(format);
        self.enabled.set(enabled && self.writer.is_some());
    }

    /// From now on, requests and tunnels that are still open are ended by the gateway.
    pub fn set_stopping(&self) {
        self.stopping.set(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Whether lines are written.
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

    /// Sends the buffered lines to the writer.
    pub fn flush(&self) {
        self.hand_over(&mut self.lines.borrow_mut());
    }

    fn hand_over(&self, lines: &mut Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        if let Some(writer) = &self.writer {
            // Never blocks: if the queue is full, lines are dropped, and the writer counts them.
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
