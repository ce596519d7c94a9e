//! Host names, normalised: ASCII, lower case, no trailing dot.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest name in DNS, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A DNS name or an IP address, as in a `Host` header or a certificate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Box<str>);

impl HostName {
    /// The normalised text; IPv6 addresses have no brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// The name without its first label, which matches a wildcard certificate.
    pub fn parent(&self) -> Option<&str> {
        if self.ip().is_some() {
            return None;
        }
        self.0
            .split_once('.')
            .map(|(_, parent)| parent)
            .filter(|p| !p.is_empty())
    }
}

impl FromStr for HostName {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let ip: Ipv6Addr = v6.parse().map_err(|_| BadHost)?;
            return Ok(Self(ip.to_string().into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(BadHost);
        }
        // `127.1` and `0x7f.1` are addresses to some resolvers and names to others. A host that
        // ends in a number must be dotted IPv4 (WHATWG URL, "ends in a number").
        let last = name.rsplit('.').next().unwrap_or(name);
        if last.bytes().all(|b| b.is_ascii_digit())
            || last.starts_with("0x")
            || last.starts_with("0X")
        {
            name.parse::<Ipv4Addr>().map_err(|_| BadHost)?;
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

impl From<IpAddr> for HostName {
    fn from(ip: IpAddr) -> Self {
        Self(ip.to_string().into())
    }
}

/// Letters, digits, hyphens, and underscores, which RFC 952 forbids but networks use.
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= MAX_LABEL
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// With brackets around an IPv6 address, as in URLs and `Host` headers.
impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(&self.0)
        }
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a host name or IP address")]
pub struct BadHost;

/// The `host` of a route: a name, or `*.` and a name, which matches one more label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name.
    Exact(HostName),
    /// One label before this name.
    Wildcard(HostName),
}

impl HostPattern {
    /// Whether the name matches the pattern.
    pub fn matches(&self, host: &HostName) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(parent) => host.parent() == Some(parent.as_str()),
        }
    }
}

impl FromStr for HostPattern {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        match text.strip_prefix("*.") {
            Some(parent) => {
                let parent: HostName = parent.parse()?;
                if parent.ip().is_some() {
                    Err(BadHost)
                } else {
                    Ok(Self::Wildcard(parent))
                }
            }
            None => text.parse().map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// A host and an optional port, from a `Host` header, `:authority` or an absolute target. User
/// information is rejected (RFC 9110, section 4.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host, normalised.
    pub host: HostName,
    /// The port, if there is one.
    pub port: Option<u16>,
}

impl FromStr for Authority {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let split = match text.rfind(':') {
            Some(at) if !text[at..].contains(']') => Some(at),
            _ => None,
        };
        let (host, port) = match split {
            Some(at) => (&text[..at], Some(port(&text[at + 1..])?)),
            None => (text, None),
        };
        Ok(Self {
            host: host.parse()?,
            port,
        })
    }
}

fn port(text: &str) -> Result<u16, BadHost> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadHost);
    }
    text.parse().map_err(|_| BadHost)
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let host = |s: &str| s.parse::<HostName>().unwrap();
        assert_eq!(host("Media.Example.COM."), host("media.example.com"));
        assert_eq!(host("[::0:1]").as_str(), "::1");
        assert_eq!(host("[::1]").to_string(), "[::1]");
        assert_eq!(host("xn--mnchen-3ya.de").as_str(), "xn--mnchen-3ya.de");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "a/b",
            "a%2eb",
            "münchen.de",
            "user@host",
            "::1",
            "[::1",
            "127.1",
            "0x7f.0.0.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "*.example.com",
            &long,
            "a\0b",
        ] {
            assert_eq!(text.parse::<HostName>(), Err(BadHost), "{text:?}");
        }
    }

    #[test]
    fn a_wildcard_is_one_label() {
        let pattern: HostPattern = "*.example.com".parse().unwrap();
        let matches = |s: &str| pattern.matches(&s.parse().unwrap());
        assert!(matches("a.EXAMPLE.com"));
        assert!(!matches("example.com"));
        assert!(!matches("a.b.example.com"));
        assert!("*.10.0.0.1".parse::<HostPattern>().is_err());
        assert!("*".parse::<HostPattern>().is_err());
    }

    #[test]
    fn authorities() {
        let got: Authority = "LOCALHOST:8443".parse().unwrap();
        assert_eq!((got.host.as_str(), got.port), ("localhost", Some(8443)));
        let got: Authority = "[::1]:443".parse().unwrap();
        assert_eq!((got.host.as_str(), got.port), ("::1", Some(443)));
        assert_eq!("[::1]".parse::<Authority>().unwrap().port, None);
        for bad in ["a:", "a:+1", "a:65536", "a:1:2", "u@a:1", "a:1/", ""] {
            assert!(bad.parse::<Authority>().is_err(), "{bad:?}");
        }
    }
}
