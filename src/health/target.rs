//! A server to probe, and what a probe finds.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::exchange::{AskedServer, NoAnswer};
use super::routed::Routed;
use crate::route::health::{HealthSpec, Probed};
use crate::route::upstream::{Protocol, XmppDomain};
use crate::telemetry::Chain;

/// A server to probe.
#[derive(Clone, Debug)]
pub struct ProbeTarget {
    /// The name of its upstream.
    pub upstream: Box<str>,
    /// Its own, as logs and metrics have it.
    pub name: String,
    /// How it is probed.
    pub spec: HealthSpec,
    /// What it speaks.
    pub protocol: Protocol,
    /// The XMPP domain that it serves, if it is a Prosody.
    pub domain: XmppDomain,
    /// How routes address it.
    pub routed: Routed,
    /// How it is reached.
    pub server: AskedServer,
}

impl ProbeTarget {
    /// Whether the same is asked as often, and the answers are judged in the same way.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        self.spec == other.spec
            && self.protocol == other.protocol
            && self.domain == other.domain
            && self.routed == other.routed
    }
}

/// What a probe that has succeeded found out: the state, and the server in words.
pub(super) type Found = (Probed, String);

/// Why a probe has failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no answer within this time.
    Late(Duration),
    /// There was no answer for another reason.
    NoAnswer(NoAnswer),
    /// The response has a status that is not right.
    Status(StatusCode),
    /// The answer is of something else.
    NotThe(Protocol),
    /// It does not serve the XMPP domain.
    Domain(String),
}

impl From<NoAnswer> for Failure {
    fn from(error: NoAnswer) -> Self {
        Self::NoAnswer(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(time) => write!(f, "no answer within {time:?}"),
            Self::NoAnswer(NoAnswer::Timeout) => f.write_str("no answer in time"),
            Self::NoAnswer(NoAnswer::Unreachable(error)) => write!(f, "{}", Chain(error)),
            Self::NoAnswer(NoAnswer::Closed(error)) => {
                write!(f, "no answer by HTTP: {}", Chain(&**error))
            }
            Self::Status(status) => write!(f, "answers HTTP {}", status.as_u16()),
            Self::NotThe(protocol) => write!(
                f,
                "no answer of {} at the paths that routes lead to",
                match protocol {
                    Protocol::Janus => "the Janus API",
                    Protocol::JanusAdmin => "Janus' admin API",
                    Protocol::Kurento => "Kurento",
                    Protocol::Jitsi => "Prosody",
                    Protocol::Http | Protocol::Whip => "HTTP",
                }
            ),
            Self::Domain(domain) => {
                write!(
                    f,
                    "is a server of XMPP that does not serve the domain {domain}"
                )
            }
        }
    }
}
