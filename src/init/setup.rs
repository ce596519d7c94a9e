//! What a gateway is set up for.

use std::collections::BTreeSet;
use std::fmt;

use crate::host::HostName;

/// A server that the gateway stands in front of, or beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Janus: REST, WebSockets and the admin API.
    Janus,
    /// Kurento's control port.
    Kurento,
    /// Prosody and a video bridge, as Jitsi Meet has them.
    Jitsi,
    /// coturn, which gets its credentials from the gateway.
    Coturn,
}

impl Service {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Janus, Self::Kurento, Self::Jitsi, Self::Coturn];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Janus => "janus",
            Self::Kurento => "kurento",
            Self::Jitsi => "jitsi",
            Self::Coturn => "coturn",
        }
    }

    /// The TCP ports of this machine by which it is recognized, with what is there.
    pub fn ports(self) -> &'static [(u16, &'static str)] {
        match self {
            Self::Janus => &[
                (8088, "Janus' REST API"),
                (8188, "Janus' WebSockets"),
                (7088, "Janus' admin API"),
                (7188, "Janus' admin API by WebSocket"),
            ],
            Self::Kurento => &[(8888, "Kurento's control port")],
            Self::Jitsi => &[
                (5280, "Prosody's BOSH and WebSockets"),
                (9090, "the video bridge's WebSockets"),
            ],
            Self::Coturn => &[(3478, "coturn")],
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The servers.
    pub services: BTreeSet<Service>,
    /// The name by which clients reach the gateway.
    pub host: HostName,
    /// The name by which clients reach coturn.
    pub turn: HostName,
    /// Certificates are ordered from Let's Encrypt, which may write to this address. Without it
    /// they are self-signed.
    pub mail: Option<String>,
}

impl Setup {
    /// Whether it is for this server.
    pub fn has(&self, service: Service) -> bool {
        self.services.contains(&service)
    }
}
