//! `[upstreams.*]`: the servers that requests are forwarded to.

mod written;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::health::HealthSpec;
use crate::exposure::{NamedFile, Use};
use crate::host::{Authority, HostName};
use crate::pin::Pin;
use crate::signalling;
pub use crate::signalling::InfoPolicy;
use crate::signalling::janus::{CredentialFiles, Credentials, LoadError};
use crate::signalling::owners;
use crate::slot::MaxConnections;

/// One server: `http://host:port`, `https://host:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddr {
    /// A host and port. A name is resolved at each connect, and every address is tried.
    Tcp {
        /// Whether the connection uses TLS.
        tls: bool,
        /// The name or address.
        host: HostName,
        /// The port; 80 or 443 by default.
        port: u16,
    },
    /// A socket in the file system.
    Unix(Box<Path>),
}

impl ServerAddr {
    /// Whether an authority in a response of the server is the server itself.
    pub fn is(&self, authority: &Authority) -> bool {
        let Self::Tcp { tls, host, port } = self else {
            return false;
        };
        authority.host == *host && authority.port.unwrap_or(default_port(*tls)) == *port
    }

    /// Whether both are the same socket, without looking up names: `localhost` equals all loopback
    /// addresses, and an IPv4-mapped IPv6 address equals its IPv4 address.
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
        // A connection to the unspecified address goes to this machine.
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

    /// Whether the host is a name that has to be resolved.
    pub fn is_name(&self) -> bool {
        matches!(self, Self::Tcp { host, .. } if host.ip().is_none())
    }

    /// Whether connections use TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for ServerAddr {
    type Err = String;

    /// The error follows the text, and has what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        written::parse(text)
    }
}

/// `host:port`, `https://host:port` or `unix:/path`.
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
    /// One server per client address, so that sessions stay on their server (rendezvous hashing:
    /// when a server is down, only its clients move).
    Client,
    /// Each server in turn.
    RoundRobin,
    /// The server with the fewest requests in progress.
    Least,
}

impl Balance {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("client", Self::Client),
        ("round_robin", Self::RoundRobin),
        ("least", Self::Least),
    ];
}

/// How the certificates of an upstream's servers are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The certificates that are trusted instead of the system's CAs.
    pub ca_file: Option<PathBuf>,
    /// The keys that are trusted instead, whatever their certificates say; none if empty.
    pub pins: Vec<Pin>,
    /// The name in the certificate, if it is not the host.
    pub server_name: Option<HostName>,
    /// The certificate that the servers are shown, if they ask for one.
    pub client_cert: Option<ClientCertFiles>,
}

/// The files of a certificate by which the gateway says to servers who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertFiles {
    /// The PEM file with the certificate and then its issuers.
    pub cert: PathBuf,
    /// The PEM file with the private key; may be the same file.
    pub key: PathBuf,
}

/// The signalling protocol of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Plain HTTP, without a protocol that the gateway understands.
    #[default]
    Http,
    /// The Janus API.
    Janus,
    /// The Janus admin API, a control port.
    JanusAdmin,
    /// Kurento's JSON-RPC, a control port.
    Kurento,
    /// XMPP of Prosody as Jitsi uses it, by BOSH and WebSocket.
    Jitsi,
    /// WHIP and WHEP (RFC 9725): SDP over HTTP.
    Whip,
}

impl Protocol {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("http", Self::Http),
        ("janus", Self::Janus),
        ("janus-admin", Self::JanusAdmin),
        ("kurento", Self::Kurento),
        ("jitsi", Self::Jitsi),
        ("whip", Self::Whip),
    ];

    /// The name in `gateway.toml`.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, p)| *p == self)
            .map_or("http", |(name, _)| name)
    }

    /// Whether it controls a media server for every client that reaches it, so that a policy `open`
    /// has to be confirmed.
    pub fn is_control(self) -> bool {
        matches!(self, Self::JanusAdmin | Self::Kurento)
    }

    /// How much is remembered of whose sessions there are, if it has any.
    pub fn owner_limits(self) -> Option<owners::Limits> {
        let limits = owners::Limits::default();
        match self {
            Self::Http => None,
            Self::Janus | Self::JanusAdmin | Self::Kurento => Some(limits),
            // Prosody ends a session that is silent for longer than `wait` and `inactivity`, which
            // are 60 s each by default.
            Self::Jitsi => Some(owners::Limits {
                idle_objects: Duration::from_secs(300),
                ..limits
            }),
            // A stream that is live for days sends no request meanwhile.
            Self::Whip => Some(owners::Limits {
                idle_objects: Duration::from_secs(7 * 24 * 3600),
                ..limits
            }),
        }
    }

    /// The protocol of its messages, if the gateway can judge them.
    pub fn of_messages(self) -> Option<signalling::Protocol> {
        match self {
            Self::Janus => Some(signalling::Protocol::Janus),
            Self::JanusAdmin => Some(signalling::Protocol::JanusAdmin),
            Self::Kurento => Some(signalling::Protocol::Kurento),
            Self::Http | Self::Jitsi | Self::Whip => None,
        }
    }
}

/// One entry of `[upstreams]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// The name in `gateway.toml`.
    pub name: Box<str>,
    /// The servers, at least one; those of `backup` are last.
    pub servers: Box<[ServerAddr]>,
    /// How many of them are of `backup`: they get requests while no other server is up.
    pub backups: usize,
    /// The ids of the servers in the same order, where the path of a request names its server;
    /// empty where `balance` chooses one.
    pub bridges: Box<[Box<str>]>,
    /// How requests are distributed over them.
    pub balance: Balance,
    /// Their protocol.
    pub protocol: Protocol,
    /// How their certificates are verified.
    pub tls: UpstreamTls,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// The most connections to each server.
    pub max_connections: MaxConnections,
    /// How they are probed; `None` if they are not.
    pub health: Option<HealthSpec>,
    /// How long a request waits for one of them to become free.
    pub queue: Duration,
    /// Whether they get the cookies of clients.
    pub forward_cookies: bool,
    /// The file with Janus' `api_secret`, or with its `admin_secret`.
    pub secret_file: Option<PathBuf>,
    /// The file with Janus' `token_auth_secret`.
    pub token_auth_secret_file: Option<PathBuf>,
    /// Whether Janus gets the subject of each client with the handles that it attaches.
    pub identify: bool,
    /// What clients are shown of what Janus says about itself.
    pub info: InfoPolicy,
    /// What `sub` of Jitsi's tokens is compared with where a room has no tenant.
    pub domain: XmppDomain,
}

/// The XMPP domain of a Prosody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum XmppDomain {
    /// The host that a request names.
    #[default]
    Host,
    /// This one.
    Name(HostName),
    /// Any: `sub` is not compared, neither with a tenant.
    Any,
}

impl UpstreamSpec {
    /// The files that it names.
    pub fn files(&self) -> Vec<NamedFile> {
        let key = format!("upstreams.{}", self.name);
        let list = |at| match (self.is_by_path(), self.is_backup(at)) {
            (true, _) => "bridges",
            (false, true) => "backup",
            (false, false) => "servers",
        };
        let ca_file = self.tls.ca_file.iter();
        let ca_file = ca_file.map(|ca| NamedFile::watched(format!("{key}.ca_file"), ca, Use::CA));
        let servers = self.servers.iter().enumerate();
        let sockets = servers.filter_map(|(at, server)| match server {
            ServerAddr::Unix(path) => {
                let list = list(at);
                Some(NamedFile::new(format!("{key}.{list}"), path, Use::SOCKET))
            }
            ServerAddr::Tcp { .. } => None,
        });
        let secrets = self.credential_files().named();
        let secrets = secrets
            .map(|(name, path)| NamedFile::watched(format!("{key}.{name}"), path, Use::SECRET));
        let shown = self.tls.client_cert.iter().flat_map(|shown| {
            let key = |name| format!("{key}.client_cert.{name}");
            [
                NamedFile::watched(key("cert"), &shown.cert, Use::CERTIFICATE),
                NamedFile::watched(key("key"), &shown.key, Use::KEY),
            ]
        });
        let files = ca_file.chain(shown).chain(sockets);
        files.chain(secrets).collect()
    }

    /// Whether one of its servers is one of the other's.
    pub fn shares_server(&self, other: &Self) -> bool {
        self.servers.iter().any(|server| {
            let mut others = other.servers.iter();
            others.any(|other| server.is_same_socket(other))
        })
    }

    /// Whether a server, by its position, gets requests only while no other one is up.
    pub fn is_backup(&self, at: usize) -> bool {
        at + self.backups >= self.servers.len()
    }

    /// Whether the path of a request names its server.
    pub fn is_by_path(&self) -> bool {
        !self.bridges.is_empty()
    }

    /// The position of the one server that a request may go to, by what follows the path of its
    /// route; `None` if it may go to any of them.
    ///
    /// # Errors
    /// If the path has to name a bridge and names none.
    pub fn server_of(&self, rest: &str) -> Result<Option<usize>, NoBridge> {
        if !self.is_by_path() {
            return Ok(None);
        }
        let id = rest
            .strip_prefix('/')
            .and_then(|rest| rest.split('/').next());
        let at = self.bridges.iter().position(|bridge| Some(&**bridge) == id);
        at.map(Some).ok_or(NoBridge)
    }

    /// Whether a request that was sent to a server would still be.
    pub fn leads_to(&self, server: &ServerAddr, rest: &str) -> bool {
        match self.server_of(rest) {
            Ok(None) => self.servers.contains(server),
            Ok(Some(at)) => self.servers[at] == *server,
            Err(NoBridge) => false,
        }
    }

    /// A server as logs, metrics and commands name it: by its address, a bridge by its id too.
    pub fn server_name(&self, at: usize) -> String {
        match self.bridges.get(at) {
            Some(bridge) => format!("{bridge}={}", self.servers[at]),
            None => self.servers[at].to_string(),
        }
    }

    /// The names of all servers, in order.
    pub fn server_names(&self) -> impl Iterator<Item = String> {
        (0..self.servers.len()).map(|at| self.server_name(at))
    }

    /// Whether the messages of every client are understood, whatever its policy says: secrets are
    /// put into them, or something is changed in them.
    pub fn changes_messages(&self) -> bool {
        self.protocol.of_messages().is_some()
            && (self.secret_file.is_some()
                || self.token_auth_secret_file.is_some()
                || self.identify
                || self.info != InfoPolicy::Full)
    }

    /// Reads the secrets that go into messages to the servers.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn credentials(&self) -> Result<Credentials, Vec<LoadError>> {
        self.credential_files().load()
    }

    fn credential_files(&self) -> CredentialFiles<'_> {
        CredentialFiles {
            upstream: &self.name,
            secret_file: self.secret_file.as_deref(),
            token_auth_secret_file: self.token_auth_secret_file.as_deref(),
        }
    }
}

/// The path of a request names no bridge of its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBridge;

/// The default time for which an idle connection is kept: less than the 120 s after which Janus
/// closes it, so that the gateway closes first.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The default limit of connections to a Janus server, not counting WebSockets. Its REST listener
/// accepts 1,020.
pub const JANUS_CONNECTIONS: usize = 1000;

#[cfg(test)]
mod tests;
