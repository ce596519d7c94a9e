//! The access log: one line for each request and each tunnel, written when its last byte has gone.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, Version};
use serde_json::json;
use tracing_appender::non_blocking::NonBlocking;

use super::LogFormat;
use super::request_id::RequestId;
use crate::addr::ClientAddr;
use crate::slot::StreamSlot;

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
    fn name(self) -> &'static str {
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

/// What a line says.
#[derive(Clone, Debug)]
pub struct Line {
    /// When the request arrived.
    pub at: SystemTime,
    /// What everybody calls it.
    pub id: RequestId,
    /// Who sent it.
    pub client: ClientAddr,
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
    /// Whether it became a tunnel.
    pub tunnel: bool,
    /// The status that was answered.
    pub status: u16,
    /// The path of its route.
    pub route: Option<Rc<str>>,
    /// The name of its upstream.
    pub upstream: Option<Rc<str>>,
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

impl Line {
    /// Of something of which no more is known than who sent it.
    pub fn unknown(id: RequestId, client: ClientAddr) -> Self {
        Self {
            at: SystemTime::now(),
            id,
            client,
            method: None,
            target: "-".into(),
            host: "-".into(),
            agent: "-".into(),
            version: None,
            tunnel: false,
            status: 0,
            route: None,
            upstream: None,
            reason: None,
            // Until there is an answer, the one who ends it is the client.
            end: End::Client,
            received: 0,
            sent: 0,
            took: Duration::ZERO,
        }
    }

    fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = match format {
            LogFormat::Text => out.write_all(self.text().as_bytes()),
            LogFormat::Json => serde_json::to_writer(&mut *out, &self.json()).map_err(Into::into),
        };
        out.push(b'\n');
    }

    fn millis(&self) -> f64 {
        (self.took.as_secs_f64() * 10_000.0).round() / 10.0
    }

    fn method(&self) -> Option<&str> {
        self.method.as_ref().map(Method::as_str)
    }

    fn version(&self) -> Option<String> {
        self.version.map(|version| format!("{version:?}"))
    }

    fn kind(&self) -> &'static str {
        if self.tunnel { "tunnel" } else { "request" }
    }

    fn text(&self) -> String {
        let mut out = String::with_capacity(256);
        let at = humantime::format_rfc3339_millis(self.at);
        let Self { id, client, status, received, sent, .. } = self;
        let _ = write!(out, "{at} {} client={client} method={}", self.kind(), self.method().unwrap_or("-"));
        // As JSON strings: what a client sends must not be able to end a line or a field.
        let _ = write!(out, " host={} path={}", json!(self.host), json!(self.target));
        let _ = write!(out, " http={} status={status}", self.version().as_deref().unwrap_or("-"));
        for (name, value) in [("route", &self.route), ("upstream", &self.upstream)] {
            if let Some(value) = value {
                let _ = write!(out, " {name}={value}");
            }
        }
        let _ = write!(out, " in={received} out={sent} ms={} end={}", self.millis(), self.end.name());
        if let Some(reason) = self.reason {
            let _ = write!(out, " reason={}", reason.replace(' ', "_"));
        }
        let _ = write!(out, " agent={} id={id}", json!(self.agent));
        out
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "time": humantime::format_rfc3339_millis(self.at).to_string(),
            "kind": self.kind(),
            "client": self.client.to_string(),
            "method": self.method(),
            "host": self.host,
            "path": self.target,
            "http": self.version(),
            "status": self.status,
            "route": self.route.as_deref(),
            "upstream": self.upstream.as_deref(),
            "in": self.received,
            "out": self.sent,
            "ms": self.millis(),
            "end": self.end.name(),
            "reason": self.reason,
            "agent": self.agent,
            "id": self.id.to_string(),
        })
    }
}

/// Lines of one worker on their way to the writer.
#[derive(Debug)]
pub struct AccessSink {
    writer: Option<NonBlocking>,
    format: Cell<LogFormat>,
    enabled: Cell<bool>,
    stopping: Cell<bool>,
    lines: RefCell<Vec<u8>>,
}

/// Lines are handed over at each tick, or when so many bytes have gathered.
const BATCH: usize = 16 * 1024;

impl AccessSink {
    /// A sink that writes to `writer`; without one nothing is logged.
    pub fn new(writer: Option<NonBlocking>) -> Rc<Self> {
        let (format, enabled) = (Cell::new(LogFormat::Text), Cell::new(false));
        Rc::new(Self { writer, format, enabled, stopping: Cell::new(false), lines: RefCell::default() })
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

    /// Whether lines are wanted.
    pub fn is_enabled(&self) -> bool {
        self.enabled.get()
    }

    fn log(&self, line: &Line) {
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

/// One request as the access log follows it, from the head to the last byte of its answer or tunnel.
#[derive(Debug)]
pub struct Exchange {
    id: RequestId,
    client: Cell<ClientAddr>,
    /// Of a request by HTTP/2: what it is counted by, for as long as it has not ended.
    stream: RefCell<Option<StreamSlot>>,
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    sink: Rc<AccessSink>,
    started: Instant,
    line: RefCell<Line>,
}

impl Exchange {
    /// Begins; `head` is only called if there will be a line.
    pub fn begin(
        id: RequestId,
        client: ClientAddr,
        sink: &Rc<AccessSink>,
        head: impl FnOnce(RequestId) -> Line,
    ) -> Rc<Self> {
        let log = sink.is_enabled().then(|| Log {
            sink: Rc::clone(sink),
            started: Instant::now(),
            line: RefCell::new(head(id)),
        });
        Rc::new(Self { id, client: Cell::new(client), stream: RefCell::default(), log })
    }

    /// The request's id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Who sent it.
    pub fn client(&self) -> ClientAddr {
        self.client.get()
    }

    /// It was sent by somebody else, through a trusted proxy.
    pub fn set_client(&self, client: ClientAddr) {
        self.client.set(client);
        self.note(|line| line.client = client);
    }

    /// Keeps a stream's slot until the exchange has ended.
    pub fn hold(&self, stream: StreamSlot) {
        *self.stream.borrow_mut() = Some(stream);
    }

    /// Notes something for the line, if there will be one.
    pub fn note(&self, note: impl FnOnce(&mut Line)) {
        if let Some(log) = &self.log {
            note(&mut log.line.borrow_mut());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            let mut line = log.line.borrow_mut();
            line.took = log.started.elapsed();
            if line.end == End::Client && log.sink.stopping.get() {
                line.end = End::Drain;
            }
            log.sink.log(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::request_id::RequestIds;

    fn line() -> Line {
        Line {
            at: SystemTime::UNIX_EPOCH,
            id: RequestIds::new().next(),
            client: ClientAddr::new("192.0.2.1".parse().unwrap()),
            method: Some(Method::GET),
            target: "/janus/*?token=*".into(),
            host: "localhost".into(),
            agent: "x\" end=done \u{fffd}".into(),
            version: Some(Version::HTTP_11),
            tunnel: false,
            status: 502,
            route: Some("/janus".into()),
            upstream: Some("janus".into()),
            reason: Some("upstream_refused"),
            end: End::Done,
            received: 1,
            sent: 2,
            took: Duration::from_micros(1234),
        }
    }

    #[test]
    fn a_text_line_cannot_be_forged() {
        let mut out = Vec::new();
        line().write(LogFormat::Text, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("1970-01-01T00:00:00.000Z request client=192.0.2.1 method=GET host=\"localhost\""));
        assert!(text.contains(r#" path="/janus/*?token=*" http=HTTP/1.1 status=502 route=/janus upstream=janus in=1 out=2 ms=1.2 end=done reason=upstream_refused "#), "{text}");
        assert!(text.contains(r#"agent="x\" end=done "#), "{text}");
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn json_lines_have_the_same_facts() {
        let mut out = Vec::new();
        line().write(LogFormat::Json, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["path"], "/janus/*?token=*");
        assert_eq!(value["status"], 502);
        assert_eq!(value["reason"], "upstream_refused");
        assert_eq!(value["upstream"], "janus");
    }
}
