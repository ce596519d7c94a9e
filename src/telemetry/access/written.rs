//! A complete line of the access log as text or JSON, put together from bytes: formatting by
//! [`std::fmt`] or a tree of JSON values would cost more than all other work for a small request
//! that is done here.

use std::io::Write as _;
use std::net::IpAddr;

use http::{Method, Version};

use super::head::Head;
use super::line::Line;
use super::time::Times;
use crate::addr::ClientAddr;
use crate::telemetry::LogFormat;
use crate::telemetry::escape::{bare, json_string, quoted};
use crate::telemetry::request_id::RequestId;

/// A complete line.
pub(super) struct Written<'a> {
    pub(super) id: RequestId,
    pub(super) client: ClientAddr,
    pub(super) head: &'a Head,
    pub(super) line: &'a Line,
}

impl Written<'_> {
    /// Appends the line, with a line feed.
    pub(super) fn write(&self, format: LogFormat, times: &mut Times, out: &mut Vec<u8>) {
        match format {
            LogFormat::Text => self.text(times, out),
            LogFormat::Json => self.json(times, out),
        }
        out.push(b'\n');
    }

    /// The time that it took in tenths of a millisecond.
    fn tenths(&self) -> u64 {
        (self.line.took.as_secs_f64() * 10_000.0).round() as u64
    }

    fn kind(&self) -> &'static [u8] {
        if self.line.tunnel {
            b"tunnel"
        } else {
            b"request"
        }
    }

    fn text(&self, times: &mut Times, out: &mut Vec<u8>) {
        let Self { head, line, .. } = self;
        times.write(head.at, out);
        put(out, b" ");
        put(out, self.kind());
        put(out, b" client=");
        address(out, self.client.ip());
        put(out, b" method=");
        bare(out, head.method.as_ref().map_or("-", Method::as_str));
        // As JSON strings, so that text of a client cannot end a line or a field.
        put(out, b" host=");
        put(out, head.host());
        put(out, b" path=");
        put(out, head.target());
        put(out, b" http=");
        put(out, head.version.map_or(b"-", version));
        put(out, b" status=");
        number(out, line.status.into());
        for (name, value) in [(" route=", &line.route), (" upstream=", &line.upstream)] {
            if let Some(value) = value {
                put(out, name.as_bytes());
                bare(out, value);
            }
        }
        if line.user.is_some() {
            put(out, b" user=");
            self.user(out);
        }
        put(out, b" in=");
        number(out, line.received);
        put(out, b" out=");
        number(out, line.sent);
        put(out, b" ms=");
        let tenths = self.tenths();
        number(out, tenths / 10);
        if !tenths.is_multiple_of(10) {
            put(out, b".");
            number(out, tenths % 10);
        }
        put(out, b" end=");
        put(out, line.end.name().as_bytes());
        if let Some(reason) = line.reason {
            put(out, b" reason=");
            word(out, reason);
        }
        if line.detail.is_some() {
            put(out, b" detail=");
            self.detail(out);
        }
        put(out, b" agent=");
        put(out, head.agent());
        put(out, b" id=");
        put(out, self.id.as_bytes());
    }

    /// One object, whose names are in alphabetical order.
    fn json(&self, times: &mut Times, out: &mut Vec<u8>) {
        let Self { head, line, .. } = self;
        put(out, b"{\"agent\":");
        put(out, head.agent());
        put(out, b",\"client\":\"");
        address(out, self.client.ip());
        put(out, b"\",\"detail\":");
        self.detail(out);
        put(out, b",\"end\":\"");
        put(out, line.end.name().as_bytes());
        put(out, b"\",\"host\":");
        put(out, head.host());
        put(out, b",\"http\":");
        optional(out, head.version, |out, http| {
            put(out, b"\"");
            put(out, version(http));
            put(out, b"\"");
        });
        put(out, b",\"id\":\"");
        put(out, self.id.as_bytes());
        put(out, b"\",\"in\":");
        number(out, line.received);
        put(out, b",\"kind\":\"");
        put(out, self.kind());
        put(out, b"\",\"level\":\"INFO\",\"method\":");
        let method = head.method.as_ref().map(Method::as_str);
        optional(out, method, json_string);
        put(out, b",\"ms\":");
        let tenths = self.tenths();
        number(out, tenths / 10);
        put(out, b".");
        number(out, tenths % 10);
        put(out, b",\"out\":");
        number(out, line.sent);
        put(out, b",\"path\":");
        put(out, head.target());
        put(out, b",\"reason\":");
        optional(out, line.reason, |out, reason| {
            put(out, b"\"");
            word(out, reason);
            put(out, b"\"");
        });
        put(out, b",\"route\":");
        optional(out, line.route.as_deref(), json_string);
        put(out, b",\"status\":");
        number(out, line.status.into());
        put(out, b",\"time\":\"");
        times.write(head.at, out);
        put(out, b"\",\"upstream\":");
        optional(out, line.upstream.as_deref(), json_string);
        put(out, b",\"user\":");
        self.user(out);
        put(out, b"}");
    }

    fn user(&self, out: &mut Vec<u8>) {
        optional(out, self.line.user.as_ref(), |out, user| {
            // Writing to memory does not fail.
            quoted(out, |out| drop(write!(out, "{user}")));
        });
    }

    fn detail(&self, out: &mut Vec<u8>) {
        optional(out, self.line.detail.as_ref(), |out, detail| {
            quoted(out, |out| put(out, detail.as_bytes()));
        });
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

/// A value of JSON; `null` if there is none.
fn optional<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => put(out, b"null"),
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    // As many as the largest number has.
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return put(out, &digits[at..]);
        }
    }
}

fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (at, octet) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    put(out, b".");
                }
                number(out, octet.into());
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

fn version(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_11 => b"HTTP/1.1",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"-",
    }
}

/// A reason of this program, as one word.
fn word(out: &mut Vec<u8>, reason: &'static str) {
    let bytes = reason.bytes();
    out.extend(bytes.map(|byte| if byte == b' ' { b'_' } else { byte }));
}

#[cfg(test)]
mod tests;
