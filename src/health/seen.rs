//! What a server turned out to be, in words.

use std::fmt;

use crate::route::upstream::Protocol;
use crate::telemetry::Visible;

/// What a server turned out to be. Shown as "Janus 1.1.2, REST API at /janus, accepts sessions".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The API that it has.
    pub api: Api,
    /// Where and how it was recognized.
    pub place: Place,
    /// As it reports.
    pub version: Option<String>,
    /// Whether it accepts new sessions, if it says so.
    pub accepts_sessions: Option<bool>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.api {
            Api::Janus | Api::JanusAdmin | Api::SomeJanus => "Janus",
            Api::Kurento => "Kurento",
            Api::Prosody => "Prosody",
            Api::SomeXmpp => "a server of XMPP",
        })?;
        if let Some(version) = &self.version {
            write!(f, " {}", Visible(version))?;
        }
        f.write_str(", ")?;
        if self.api == Api::JanusAdmin {
            f.write_str("ADMIN ")?;
        }
        write!(f, "{}", self.place)?;
        if self.api == Api::SomeJanus {
            f.write_str(", of clients or of operators: it does not say which")?;
        }
        match self.accepts_sessions {
            Some(true) => f.write_str(", accepts sessions"),
            Some(false) => f.write_str(", accepts no new sessions"),
            None => Ok(()),
        }
    }
}

/// Where an API was found. Shown as "REST API at /janus", "WebSocket API".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Janus over HTTP, below this path.
    Rest(String),
    /// Janus by WebSocket, at this path and with this subprotocol.
    WebSocket(String, &'static str),
    /// Kurento at this path.
    Kurento(String),
    /// XMPP at this path, and by what it is carried there.
    Xmpp(String, Carrier),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest(path) => write!(f, "REST API at {path}"),
            Self::WebSocket(..) => f.write_str("WebSocket API"),
            Self::Kurento(path) => write!(f, "control port at {path}"),
            Self::Xmpp(path, Carrier::Bosh) => write!(f, "BOSH at {path}"),
            Self::Xmpp(path, Carrier::WebSocket) => write!(f, "WebSocket at {path}"),
        }
    }
}

/// What XMPP is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Long polls (XEP-0124).
    Bosh,
    /// A WebSocket (RFC 7395).
    WebSocket,
}

/// An API that is known by its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Janus' API for clients.
    Janus,
    /// Janus' admin API.
    JanusAdmin,
    /// Janus, but not known with which of its two APIs.
    SomeJanus,
    /// Kurento's JSON-RPC.
    Kurento,
    /// Prosody.
    Prosody,
    /// A server of XMPP that does not say which.
    SomeXmpp,
}

impl Api {
    /// The `protocol` of an upstream with this API.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Janus | Self::SomeJanus => Protocol::Janus,
            Self::JanusAdmin => Protocol::JanusAdmin,
            Self::Kurento => Protocol::Kurento,
            Self::Prosody | Self::SomeXmpp => Protocol::Jitsi,
        }
    }

    /// What a port with this API is called where something else was expected.
    pub fn port(self) -> &'static str {
        match self {
            Self::Janus => "the port of Janus for clients",
            Self::JanusAdmin => "Janus' ADMIN port",
            Self::SomeJanus => "a port of Janus",
            Self::Kurento => "Kurento's control port",
            Self::Prosody => "a port of Prosody",
            Self::SomeXmpp => "a port for XMPP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_described_in_words() {
        let seen = |api, place, version: Option<&str>, accepts_sessions| Seen {
            api,
            place,
            version: version.map(str::to_owned),
            accepts_sessions,
        };
        let rest = |path: &str| Place::Rest(path.to_owned());
        let websocket = Place::WebSocket("/".to_owned(), "janus-protocol");
        for (seen, words) in [
            (
                seen(Api::Janus, rest("/janus"), Some("1.1.2"), Some(true)),
                "Janus 1.1.2, REST API at /janus, accepts sessions",
            ),
            (
                seen(Api::Janus, websocket, Some("1.1.2"), Some(false)),
                "Janus 1.1.2, WebSocket API, accepts no new sessions",
            ),
            (
                seen(Api::JanusAdmin, rest("/admin"), Some("1.1.2"), None),
                "Janus 1.1.2, ADMIN REST API at /admin",
            ),
            (
                seen(Api::SomeJanus, rest("/x"), None, None),
                "Janus, REST API at /x, of clients or of operators: it does not say which",
            ),
            (
                seen(
                    Api::Kurento,
                    Place::Kurento("/kurento".to_owned()),
                    None,
                    None,
                ),
                "Kurento, control port at /kurento",
            ),
            (
                seen(
                    Api::Prosody,
                    Place::Xmpp("/http-bind".to_owned(), Carrier::Bosh),
                    None,
                    None,
                ),
                "Prosody, BOSH at /http-bind",
            ),
        ] {
            assert_eq!(seen.to_string(), words);
        }
    }
}
