//! Where requests go: what `[upstreams.*]` says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::host::{Authority, HostName};
use crate::slot::MaxConnections;

/// One server: `http://host:port`, `https://host:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddr {
    /// A host and port. A name is resolved at each connect, and every address is tried.
    Tcp {
        /// Whether TLS is spoken.
        tls: bool,
        /// The name or address.
        host: HostName,
        /// The port; 80 or 443 where none is written.
        port: u16,
    },
    /// A socket in the file system.
    Unix(Box<Path>),
}

impl ServerAddr {
    /// Whether an authority that the server wrote means the server itself.
    pub fn is(&self, authority: &Authority) -> bool {
        let Self::Tcp { tls, host, port } = self else {
            return false;
        };
        authority.host == *host && authority.port.unwrap_or(default_port(*tls)) == *port
    }

    /// Whether both are one socket, as far as their names tell: `localhost` and every address that
    /// leads to this machine alone are one, and an IPv4 address in an IPv6 one is itself.
    pub fn is_same_socket(&self, other: &Self) -> bool {
        let (
            Self::Tcp { host, port, .. },
            Self::Tcp {
                host: other_host,
                port: other_port,
                ..
            },
        ) = (self, other)
        else {
            return self == other;
        };
        let ip = |host: &HostName| host.ip().map(|ip| ip.to_canonical());
        // Connecting to the unspecified address connects to this machine.
        let is_local = |host: &HostName| match ip(host) {
            Some(ip) => ip.is_loopback() || ip.is_unspecified(),
            None => {
                matches!(
                    host.as_str(),
                    "localhost" | "localhost.localdomain" | "ip6-localhost"
                )
            }
        };
        let is_same_host =
            || host == other_host || (ip(host).is_some() && ip(host) == ip(other_host));
        port == other_port && (is_same_host() || (is_local(host) && is_local(other_host)))
    }

    /// Whether it has to be looked up.
    pub fn is_name(&self) -> bool {
        matches!(self, Self::Tcp { host, .. } if host.ip().is_none())
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for ServerAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write \"http://127.0.0.1:8088\"";
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("has no scheme; {FORM}"));
        };
        let tls = match scheme {
            "http" => false,
            "https" => true,
            "ws" => {
                return Err(format!(
                    "is a WebSocket URL; the handshake is HTTP, so write \"http://{rest}\""
                ));
            }
            "wss" => {
                return Err(format!(
                    "is a WebSocket URL; the handshake is HTTP, so write \"https://{rest}\""
                ));
            }
            _ => {
                return Err(format!(
                    "has a scheme that is not supported, {scheme:?}; {FORM}"
                ));
            }
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(
                "has a path; an upstream is a server, and paths belong to the routes (`rewrite`)"
                    .to_owned(),
            );
        }
        let authority: Authority = authority
            .parse()
            .map_err(|_| format!("does not name a host and port; {FORM}"))?;
        if authority.port == Some(0) {
            return Err("has port 0, where nothing can listen".to_owned());
        }
        Ok(Self::Tcp {
            tls,
            host: authority.host,
            port: authority.port.unwrap_or(default_port(tls)),
        })
    }
}

/// The longest path of a socket (unix(7), sun_path).
const MAX_SOCKET_PATH: usize = 107;

fn unix(path: &str) -> Result<ServerAddr, String> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err("is no absolute path; write \"unix:/run/janus.sock\"".to_owned());
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "is longer than the {MAX_SOCKET_PATH} bytes that the path of a socket may have"
        ));
    }
    Ok(ServerAddr::Unix(Path::new(path).into()))
}

/// `host:port` or `unix:/path`, as an operator wants it; TLS is said.
impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { tls, host, port } => {
                write!(f, "{}{host}:{port}", if *tls { "https://" } else { "" })
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Which of several servers a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The one that the client's address leads to, so that its sessions stay together (rendezvous
    /// hashing: if a server goes, only its clients move).
    Client,
    /// Each in turn.
    RoundRobin,
    /// The one with the fewest requests under way.
    Least,
}

impl Balance {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("client", Self::Client),
        ("round_robin", Self::RoundRobin),
        ("least", Self::Least),
    ];
}

/// How the servers of an upstream are trusted, where they speak TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The CA certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name that the certificate must have, where it is not the host.
    pub server_name: Option<HostName>,
}

/// What an upstream speaks above HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing that the gateway would have to understand.
    #[default]
    Http,
    /// The Janus API.
    Janus,
    /// The Janus admin API: never open by accident.
    JanusAdmin,
    /// Kurento's JSON-RPC: never open by accident.
    Kurento,
}

impl Protocol {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("http", Self::Http),
        ("janus", Self::Janus),
        ("janus-admin", Self::JanusAdmin),
        ("kurento", Self::Kurento),
    ];

    /// The name in `gateway.toml`.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, p)| *p == self)
            .map_or("http", |(name, _)| name)
    }

    /// Whether whoever reaches it controls the media server.
    pub fn is_control(self) -> bool {
        matches!(self, Self::JanusAdmin | Self::Kurento)
    }
}

/// One entry of `[upstreams]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// Its name in `gateway.toml`.
    pub name: Box<str>,
    /// Its servers; there is one at least.
    pub servers: Box<[ServerAddr]>,
    /// Which of them a request goes to.
    pub balance: Balance,
    /// What they speak.
    pub protocol: Protocol,
    /// Whom to trust, where they speak TLS.
    pub tls: UpstreamTls,
    /// How long a connection may lie unused.
    pub keep_alive: Duration,
    /// How many connections each of them may have.
    pub max_connections: MaxConnections,
}

/// For a connection to lie unused, where nothing else is said: less than the 120 s after which
/// Janus closes it, so that the gateway closes first.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connections to a Janus server, WebSockets aside, where nothing else is said. Its REST listener
/// takes 1,020.
pub const JANUS_CONNECTIONS: usize = 1000;

#[cfg(test)]
mod tests;
