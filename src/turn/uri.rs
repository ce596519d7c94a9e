//! URIs of relays (RFC 7065, RFC 7064), always with a port.

use std::fmt;
use std::str::FromStr;

use crate::host::{Authority, HostName};

/// `turn:host:port?transport=udp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TurnUri {
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: HostName,
    /// The port, by default the scheme's; Janus would use 3478 for `turns:` too.
    pub port: u16,
    /// The transport; `None`: the client chooses.
    pub transport: Option<Transport>,
}

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// STUN: it tells a client its address and relays nothing.
    Stun,
    /// TURN.
    Turn,
    /// TURN in TLS or DTLS.
    Turns,
}

/// The transport between a client and its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Scheme {
    const ALL: [(&str, Self); 3] = [
        ("stun", Self::Stun),
        ("turn", Self::Turn),
        ("turns", Self::Turns),
    ];

    /// The text before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Stun | Self::Turn => 3478,
            Self::Turns => 5349,
        }
    }
}

impl Transport {
    /// The text after `transport=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl TurnUri {
    /// Whether this is a relay, not only STUN.
    pub fn relays(&self) -> bool {
        self.scheme != Scheme::Stun
    }

    /// Whether the host is an IPv6 address, which crashes Janus.
    pub fn is_ipv6_literal(&self) -> bool {
        self.host.ip().is_some_and(|ip| ip.is_ipv6())
    }
}

impl FromStr for TurnUri {
    type Err = BadUri;

    fn from_str(text: &str) -> Result<Self, BadUri> {
        let (scheme, rest) = text.split_once(':').ok_or(BadUri::Scheme)?;
        let known = Scheme::ALL
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(scheme));
        let (_, scheme) = known.ok_or(BadUri::Scheme)?;
        if rest.starts_with("//") {
            return Err(BadUri::Slashes);
        }
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        if authority.contains('@') {
            return Err(BadUri::User);
        }
        if authority.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(BadUri::Brackets);
        }
        let Authority { host, port } = authority.parse().map_err(|_| BadUri::Host)?;
        if port == Some(0) {
            return Err(BadUri::Host);
        }
        let transport = match query {
            None => None,
            Some(_) if scheme == Scheme::Stun => return Err(BadUri::StunQuery),
            Some("transport=udp") => Some(Transport::Udp),
            Some("transport=tcp") => Some(Transport::Tcp),
            Some(_) => return Err(BadUri::Query),
        };
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or_else(|| scheme.default_port()),
            transport,
        })
    }
}

impl fmt::Display for TurnUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.scheme.name(), self.host, self.port)?;
        self.transport.map_or(Ok(()), |transport| {
            write!(f, "?transport={}", transport.name())
        })
    }
}

/// Why a text is not such a URI. Displayed after the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUri {
    /// No scheme, or an unknown one.
    #[error("is not a TURN URI, such as \"turn:turn.example.com:3478?transport=udp\"")]
    Scheme,
    /// Slashes after the scheme, as in a URL.
    #[error(
        "has \"//\" behind its scheme, which TURN URIs do not; write \"turn:turn.example.com:3478\""
    )]
    Slashes,
    /// Credentials in the URI; they are made for each client.
    #[error("has a user name in it; clients get credentials instead; remove it")]
    User,
    /// An IPv6 address without brackets.
    #[error("needs brackets around the address: \"turn:[2001:db8::1]:3478\"")]
    Brackets,
    /// No host, or no port.
    #[error("does not name a host and a port; write \"turn:turn.example.com:3478\"")]
    Host,
    /// A transport for STUN.
    #[error("has a query, which is for turn: and turns:; take it out")]
    StunQuery,
    /// Another query or transport. The scheme chooses TLS.
    #[error(
        "may end in ?transport=udp or ?transport=tcp and in nothing else; for TLS write \"turns:\""
    )]
    Query,
}
