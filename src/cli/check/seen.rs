//! What a server turned out to be, in words.

use std::fmt;

use ianitor::route::upstream::Protocol;

/// What a server turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) api: Api,
    /// Where and how it was recognized.
    pub(super) place: Place,
    /// As it reports.
    pub(super) version: Option<String>,
}

/// Where an API was found. Shown as "at /janus", "by WebSocket (janus-protocol)".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Janus over HTTP, below this path.
    Rest(String),
    /// Janus by WebSocket, at this path and with this subprotocol.
    WebSocket(String, &'static str),
    /// Kurento at this path.
    Kurento(String),
    /// XMPP at this path, and by what it is carried there.
    Xmpp(String, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest(path) | Self::Kurento(path) => write!(f, "at {path}"),
            Self::Xmpp(path, carrier) => write!(f, "at {path}, by {carrier}"),
            Self::WebSocket(_, subprotocol) => write!(f, "by WebSocket ({subprotocol})"),
        }
    }
}

/// An API that is known by its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Janus,
    JanusAdmin,
    /// Janus, but not known with which of its two APIs.
    SomeJanus,
    Kurento,
    Prosody,
    /// A server of XMPP that does not say which.
    SomeXmpp,
}

impl Api {
    /// The `protocol` of an upstream with this API.
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Janus | Self::SomeJanus => Protocol::Janus,
            Self::JanusAdmin => Protocol::JanusAdmin,
            Self::Kurento => Protocol::Kurento,
            Self::Prosody | Self::SomeXmpp => Protocol::Jitsi,
        }
    }

    /// Its name in a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Janus => "the Janus API",
            Self::JanusAdmin => "Janus' ADMIN API",
            Self::SomeJanus => "a Janus (its admin API or not: it does not tell)",
            Self::Kurento => "Kurento's control port",
            Self::Prosody => "Prosody",
            Self::SomeXmpp => "a server of XMPP",
        }
    }
}
