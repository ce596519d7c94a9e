//! One line of the access log, as text or JSON.

use std::fmt::{self, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Version};
use serde_json::json;

use super::end::End;
use crate::addr::ClientAddr;
use crate::clock;
use crate::telemetry::LogFormat;
use crate::telemetry::escape;
use crate::telemetry::metrics::RouteCounts;
use crate::telemetry::request_id::RequestId;

/// The part of a line that is known with the request head.
#[derive(Clone, Debug)]
pub struct Head {
    /// When the request arrived.
    pub at: SystemTime,
    /// The method, if it is HTTP.
    pub method: Option<Method>,
    /// The target, [redacted](crate::telemetry::redact::target).
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
            at: clock::wall(),
            method: None,
            target: "-".into(),
            host: "-".into(),
            agent: "-".into(),
            version: None,
        }
    }
}

/// The part of a line about how the request went. [Counted](crate::telemetry::metrics) even if no
/// line is written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whether the request became a tunnel.
    pub tunnel: bool,
    /// Whether it is counted only, and no line is written.
    pub is_silent: bool,
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
    /// Who the request is from, if its token says so.
    pub user: Option<Rc<dyn User>>,
    /// What the reason leaves open: which claim or which key. May come from the
    /// client.
    pub detail: Option<Box<str>>,
    /// What ended it.
    pub end: End,
    /// Body or tunnel bytes from the client.
    pub received: u64,
    /// Body or tunnel bytes to the client.
    pub sent: u64,
    /// The time from the request head to the last byte.
    pub took: Duration,
}

/// The user of a request as access lines show it, formatted only when a line is written.
pub trait User: fmt::Debug + fmt::Display {}

impl<T: fmt::Debug + fmt::Display> User for T {}

impl Default for Line {
    fn default() -> Self {
        Self {
            tunnel: false,
            is_silent: false,
            status: 0,
            route: None,
            upstream: None,
            counts: None,
            reason: None,
            user: None,
            detail: None,
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
    pub(super) fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
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
        if let Some(user) = &line.user {
            let _ = write!(out, " user={}", json!(escape::shown(user)));
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
        if let Some(detail) = &line.detail {
            let _ = write!(out, " detail={}", json!(escape::field(detail)));
        }
        let _ = write!(out, " agent={} id={id}", json!(agent));
        out
    }

    fn json(&self) -> serde_json::Value {
        let Self { head, line, .. } = self;
        json!({
            "time": humantime::format_rfc3339_millis(head.at).to_string(),
            "level": "INFO",
            "kind": self.kind(),
            "client": self.client.to_string(),
            "method": head.method.as_ref().map(Method::as_str),
            "host": head.host,
            "path": head.target,
            "http": head.version.map(|version| format!("{version:?}")),
            "status": line.status,
            "route": line.route.as_deref(),
            "upstream": line.upstream.as_deref(),
            "user": line.user.as_ref().map(escape::shown),
            "in": line.received,
            "out": line.sent,
            "ms": self.millis(),
            "end": line.end.name(),
            "reason": line.reason.map(|reason| reason.replace(' ', "_")),
            "detail": line.detail.as_deref().map(escape::field),
            "agent": head.agent,
            "id": self.id.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
