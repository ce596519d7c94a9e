//! The part of an access line that is known with the request head.

use std::time::SystemTime;

use http::{Method, Uri, Version};

use crate::clock;
use crate::telemetry::{escape, redact};

/// The part of a line that is known with the request head. It is a copy: a header value is a slice
/// of the whole head, which would stay in memory for as long as a long poll waits.
#[derive(Clone, Debug)]
pub struct Head {
    /// When the request arrived.
    pub(super) at: SystemTime,
    /// The method, if it is HTTP.
    pub(super) method: Option<Method>,
    /// The HTTP version, if it is HTTP.
    pub(super) version: Option<Version>,
    /// The target without secrets, the host and the agent, each as a JSON string. Both formats
    /// write them so, and one allocation holds them.
    fields: Vec<u8>,
    host_at: usize,
    agent_at: usize,
}

/// What a field has whose value is not known.
const UNKNOWN: &[u8] = b"-";

/// The bytes around the texts of a [`Head`]: three pairs of quotation marks and the `?` of a query.
const AROUND: usize = 7;

impl Head {
    /// The head of a request that arrives now. `host` is the value of `Host` or `:authority`,
    /// `agent` that of `User-Agent`.
    pub fn of_request(
        (method, version): (&Method, Version),
        target: &Uri,
        host: Option<&[u8]>,
        agent: Option<&[u8]>,
    ) -> Self {
        Self {
            method: Some(method.clone()),
            version: Some(version),
            ..Self::with(
                (target.path(), target.query()),
                host.unwrap_or(UNKNOWN),
                agent.unwrap_or(UNKNOWN),
            )
        }
    }

    /// The head of a connection to a host that is not HTTP here.
    pub fn of_host(host: &str) -> Self {
        Self::with(("-", None), host.as_bytes(), UNKNOWN)
    }

    /// The head of a connection or request that could not be parsed.
    pub fn unknown() -> Self {
        Self::with(("-", None), UNKNOWN, UNKNOWN)
    }

    fn with((path, query): (&str, Option<&str>), host: &[u8], agent: &[u8]) -> Self {
        let query_len = query.map_or(0, str::len);
        let texts = [path.len() + query_len, host.len(), agent.len()];
        let most: usize = texts.map(|len| len.min(escape::FIELD)).iter().sum();
        let mut fields = Vec::with_capacity(most + AROUND);
        redact::target(&mut fields, path, query);
        let host_at = fields.len();
        redact::text(&mut fields, host);
        let agent_at = fields.len();
        redact::text(&mut fields, agent);
        // A target may be as long as a head before it is cut.
        fields.shrink_to(most + AROUND);
        Self {
            at: clock::wall(),
            method: None,
            version: None,
            fields,
            host_at,
            agent_at,
        }
    }

    /// The target, [redacted](redact::target), as a JSON string.
    pub(super) fn target(&self) -> &[u8] {
        &self.fields[..self.host_at]
    }

    /// `Host` or `:authority`, as a JSON string.
    pub(super) fn host(&self) -> &[u8] {
        &self.fields[self.host_at..self.agent_at]
    }

    /// `User-Agent`, as a JSON string.
    pub(super) fn agent(&self) -> &[u8] {
        &self.fields[self.agent_at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_target_does_not_stay_in_memory() {
        let long = "x".repeat(30_000);
        let targets = [
            "/short".to_owned(),
            format!("/{long}"),
            format!("/?{long}=1"),
            format!("/{}?{}", "1/".repeat(10_000), "a&".repeat(5_000)),
        ];
        for target in targets {
            let head = Head::of_request(
                (&Method::GET, Version::HTTP_11),
                &target.parse().unwrap(),
                Some(b"localhost"),
                Some(long.as_bytes()),
            );
            assert!(head.fields.capacity() < 3 * escape::FIELD, "{head:?}");
        }
    }
}
