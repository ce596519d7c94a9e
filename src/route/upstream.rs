//! Where requests go: what `[upstreams.*]` says.

use std::fmt;
use std::str::FromStr;

use crate::host::HostName;

/// One server, `http://host:port`. Its name is resolved at each connect, and every address is tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddr {
    /// The name or address.
    pub host: HostName,
    /// The port; 80 where none is written.
    pub port: u16,
}

impl FromStr for ServerAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write \"http://127.0.0.1:8088\"";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("has no scheme; {FORM}"));
        };
        match scheme {
            "http" => {}
            "ws" => return Err(format!("is a WebSocket URL; the handshake is HTTP, so write \"http://{rest}\"")),
            _ => return Err(format!("has a scheme that is not supported, {scheme:?}; {FORM}")),
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err("has a path; an upstream is a server, and paths belong to the routes (`rewrite`)".to_owned());
        }
        let authority: crate::host::Authority =
            authority.parse().map_err(|_| format!("does not name a host and port; {FORM}"))?;
        if authority.port == Some(0) {
            return Err("has port 0, where nothing can listen".to_owned());
        }
        Ok(Self { host: authority.host, port: authority.port.unwrap_or(80) })
    }
}

/// `host:port`, as a resolver and an operator want it.
impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
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
    pub const NAMES: [(&'static str, Self); 4] =
        [("http", Self::Http), ("janus", Self::Janus), ("janus-admin", Self::JanusAdmin), ("kurento", Self::Kurento)];

    /// The name in `gateway.toml`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, p)| *p == self).map_or("http", |(name, _)| name)
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
    /// The server.
    pub server: ServerAddr,
    /// What it speaks.
    pub protocol: Protocol,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        let server: ServerAddr = "http://localhost:8088/".parse().unwrap();
        assert_eq!(server.to_string(), "localhost:8088");
        assert_eq!("http://[::1]".parse::<ServerAddr>().unwrap().to_string(), "[::1]:80");
        for (text, want) in [
            ("127.0.0.1:8088", "no scheme"),
            ("ws://127.0.0.1:8188", "http://127.0.0.1:8188"),
            ("ftp://x", "not supported"),
            ("http://x:1/janus", "has a path"),
            ("http://", "host and port"),
            ("http://a:b", "host and port"),
            ("http://a:0", "port 0"),
        ] {
            let got = text.parse::<ServerAddr>().unwrap_err();
            assert!(got.contains(want), "{text}: {got}");
        }
    }
}
