//! URIs that a media server is asked to open, and which of them it may.
//!
//! A media server reads `file://` URIs, follows `..`, and connects to every host that it can reach.
//! What is accepted here has one reading (RFC 3986): a scheme of the list, a host without user
//! information and in its usual spelling, and a path that leads to the same place before and after
//! its escapes are undone. Everything else is rejected. Paths are compared without their escapes:
//! servers undo them, those of unreserved characters always (RFC 3986, 6.2.2.2).
//!
//! A name may still resolve to an inner address; only a prefix with a fixed host is safe from that.
//! Files are allowed only below a prefix that names their folder.

mod path;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use self::path::{checked_path, is_below, undo_escapes, without_parameters};
use crate::host::{Authority, HostName, HostPattern};

/// The scheme of files of the media server, which have no host.
const FILE: &str = "file";

/// The schemes that may be listed, with their default ports.
const SCHEMES: [(&str, Option<u16>); 6] = [
    ("http", Some(80)),
    ("https", Some(443)),
    ("rtsp", Some(554)),
    ("rtsps", Some(322)),
    ("s3", None),
    (FILE, None),
];

/// The longest URI in bytes.
const LONGEST: usize = 4096;

/// Names below these are on inner networks, or are known to resolve to whatever address is in them.
pub const INNER: &[&str] = &[
    "alt",
    "arpa",
    "consul",
    "corp",
    "docker",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localdomain4",
    "localdomain6",
    "localhost",
    "localhost4",
    "localhost6",
    "novalocal",
    "onion",
    "openstacklocal",
    "private",
    "svc",
    "test",
    "fritz.box",
    "lacolhost.com",
    "local.gd",
    "localtest.me",
    "lvh.me",
    "nip.io",
    "sslip.io",
    "traefik.me",
    "vcap.me",
    "xip.io",
];

/// Why a URI is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum UriProblem {
    /// It is no string.
    #[error("is no string")]
    NoText,
    /// It is longer than 4096 bytes.
    #[error("is too long")]
    Length,
    /// It has a character that RFC 3986 does not allow, or a fragment.
    #[error("has a character that a URI must not have")]
    Character,
    /// It is relative, or has no `//` after its scheme.
    #[error("is not written as scheme://host/path")]
    Relative,
    /// Its scheme is another.
    #[error("has another scheme than http, https, rtsp, rtsps and s3")]
    Scheme,
    /// It has user information.
    #[error("has a user name or password")]
    UserInfo,
    /// Its host or port is not written as usual.
    #[error("has no host in its usual spelling")]
    Host,
    /// Its path has dot segments, empty segments, or escapes that hide such.
    #[error("has a path that can be read in two ways")]
    Path,
    /// It is a file, and no prefix is for files.
    #[error("is a file of the media server, and no allowed prefix is for files")]
    File,
    /// There is no prefix.
    #[error("is not allowed, for the policy has no uris")]
    NoPrefix,
    /// No prefix covers it.
    #[error("is not below an allowed prefix")]
    Elsewhere,
    /// A prefix for all hosts covers it, but its host is one of an inner network.
    #[error("names a host of an inner network")]
    Inner,
}

/// A URI with one reading.
struct Uri<'u> {
    scheme: &'static str,
    /// None of a file.
    host: Option<HostName>,
    port: Option<u16>,
    /// Begins with a slash, and has no escapes.
    path: Cow<'u, [u8]>,
}

/// The beginning of URIs that are allowed: `https://media.example.com/recordings/`,
/// `rtsp://*.cameras.example.com/`, `https://*/` for all hosts that are not on inner networks, or
/// `file:///var/recordings/` for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriPrefix {
    scheme: &'static str,
    hosts: PrefixHosts,
    port: Option<u16>,
    /// Begins with a slash.
    path: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PrefixHosts {
    /// This one, wherever it is.
    These(HostPattern),
    /// All that are public.
    Public,
    /// None: it is for files.
    None,
}

/// Whether a URI is below one of the prefixes.
///
/// # Errors
/// Why not.
pub fn check(uri: &str, prefixes: &[UriPrefix]) -> Result<(), UriProblem> {
    let uri = read(uri)?;
    if prefixes.is_empty() {
        return Err(UriProblem::NoPrefix);
    }
    if uri.scheme == FILE && !prefixes.iter().any(UriPrefix::is_for_files) {
        return Err(UriProblem::File);
    }
    let mut problem = UriProblem::Elsewhere;
    for prefix in prefixes {
        match prefix.covers(&uri) {
            Ok(()) => return Ok(()),
            Err(closer) => problem = problem.max(closer),
        }
    }
    Err(problem)
}

/// Whether a URI is below one of the prefixes for the server that opens it, if that server ignores
/// the parameters of path segments (`;x`), as some do. For what is forbidden.
pub fn may_be_below(uri: &str, prefixes: &[UriPrefix]) -> bool {
    let Ok(uri) = read(uri) else {
        return false;
    };
    let covers = |uri: &Uri<'_>| prefixes.iter().any(|prefix| prefix.covers(uri).is_ok());
    let is_below = covers(&uri);
    is_below
        || (uri.path.contains(&b';') && {
            let path = without_parameters(&uri.path).into();
            covers(&Uri { path, ..uri })
        })
}

impl UriPrefix {
    /// Whether it is for files of the media server.
    pub fn is_for_files(&self) -> bool {
        self.scheme == FILE
    }

    /// Whether it is for every file of the media server.
    pub fn is_for_all_files(&self) -> bool {
        self.is_for_files() && &*self.path == "/"
    }

    /// Whether it is for all hosts on the internet.
    pub fn is_for_all_hosts(&self) -> bool {
        self.hosts == PrefixHosts::Public
    }

    /// Whether each URI below the other one is below this one.
    pub fn contains(&self, other: &Self) -> bool {
        let are_hosts_of = self.hosts == other.hosts
            || match (&self.hosts, &other.hosts) {
                (PrefixHosts::These(pattern), PrefixHosts::These(HostPattern::Exact(host))) => {
                    pattern.matches(host)
                }
                _ => false,
            };
        are_hosts_of
            && self.scheme == other.scheme
            && self.port == other.port
            && is_below(other.path.as_bytes(), self.path.as_bytes())
    }

    fn covers(&self, uri: &Uri<'_>) -> Result<(), UriProblem> {
        let is_below = self.scheme == uri.scheme
            && self.port == uri.port
            && is_below(&uri.path, self.path.as_bytes());
        match (&self.hosts, &uri.host) {
            _ if !is_below => Err(UriProblem::Elsewhere),
            (PrefixHosts::Public, Some(host)) if is_public(host) => Ok(()),
            (PrefixHosts::Public, Some(_)) => Err(UriProblem::Inner),
            (PrefixHosts::These(pattern), Some(host)) if pattern.matches(host) => Ok(()),
            (PrefixHosts::None, None) => Ok(()),
            _ => Err(UriProblem::Elsewhere),
        }
    }
}

impl fmt::Display for UriPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match &self.hosts {
            PrefixHosts::These(pattern) => pattern.fmt(f)?,
            PrefixHosts::Public => f.write_str("*")?,
            PrefixHosts::None => {}
        }
        let mut schemes = SCHEMES.into_iter();
        let is_usual = schemes.any(|(name, port)| name == self.scheme && port == self.port);
        if let Some(port) = self.port.filter(|_| !is_usual) {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl FromStr for UriPrefix {
    type Err = UriProblem;

    fn from_str(text: &str) -> Result<Self, UriProblem> {
        let parts = split(text)?;
        // An escape, a query or a pattern in a prefix would make it unclear what is below it.
        if parts.path.contains(['%', '?', '*']) {
            return Err(UriProblem::Path);
        }
        let path = checked_path(parts.path)?;
        let (name, port) = match parts.authority.rsplit_once(':') {
            Some((name, port)) if name.starts_with('*') => {
                (name, Some(port.parse().map_err(|_| UriProblem::Host)?))
            }
            _ => (parts.authority, None),
        };
        let (hosts, port) = if parts.scheme == FILE {
            (PrefixHosts::None, None)
        } else if name == "*" {
            (PrefixHosts::Public, port)
        } else if name.starts_with('*') {
            let pattern = name.parse().map_err(|_| UriProblem::Host)?;
            (PrefixHosts::These(pattern), port)
        } else {
            let (host, port) = checked_authority(parts.authority)?;
            (PrefixHosts::These(HostPattern::Exact(host)), port)
        };
        Ok(Self {
            scheme: parts.scheme,
            hosts,
            port: port.or(parts.default_port),
            path: path.into(),
        })
    }
}

fn read(text: &str) -> Result<Uri<'_>, UriProblem> {
    let parts = split(text)?;
    let (host, port) = match parts.scheme {
        FILE => (None, None),
        _ => checked_authority(parts.authority).map(|(host, port)| (Some(host), port))?,
    };
    let path = parts.path.split('?').next().unwrap_or_default();
    Ok(Uri {
        scheme: parts.scheme,
        host,
        port: port.or(parts.default_port),
        path: undo_escapes(checked_path(path)?),
    })
}

struct Parts<'u> {
    scheme: &'static str,
    default_port: Option<u16>,
    authority: &'u str,
    /// With the query.
    path: &'u str,
}

fn split(text: &str) -> Result<Parts<'_>, UriProblem> {
    if text.len() > LONGEST {
        return Err(UriProblem::Length);
    }
    if !text.bytes().all(is_allowed) {
        return Err(UriProblem::Character);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UriProblem::Relative)?;
    let mut schemes = SCHEMES.into_iter();
    let known = schemes.find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    let (scheme, default_port) = known.ok_or(UriProblem::Scheme)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.starts_with('?') {
        return Err(UriProblem::Path);
    }
    if authority.contains('@') {
        return Err(UriProblem::UserInfo);
    }
    if scheme == FILE {
        let has_host = !authority.is_empty();
        // The media server takes what follows a question mark for a part of the path.
        if has_host || !path.starts_with('/') || path.contains('?') {
            return Err(if has_host {
                UriProblem::Host
            } else {
                UriProblem::Path
            });
        }
    }
    Ok(Parts {
        scheme,
        default_port,
        authority,
        path,
    })
}

/// What RFC 3986 allows, without the `#` of a fragment: a media server has no use for one.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#'
        )
}

fn checked_authority(text: &str) -> Result<(HostName, Option<u16>), UriProblem> {
    let Authority { host, port } = text.parse().map_err(|_| UriProblem::Host)?;
    let (name, digits) = match port {
        Some(_) => text.rsplit_once(':').unwrap_or((text, "")),
        None => (text, ""),
    };
    // Of the spellings of one host only the usual one: no dot at the end, no IPv4 inside IPv6, no
    // zeros before the port.
    let is_mapped =
        matches!(host.ip(), Some(IpAddr::V6(ip)) if ip.to_ipv4().is_some() && !ip.is_loopback());
    if name.ends_with('.') || is_mapped || digits.starts_with('0') {
        return Err(UriProblem::Host);
    }
    Ok((host, port))
}

fn is_public(host: &HostName) -> bool {
    match host.ip() {
        Some(IpAddr::V4(ip)) => is_public_v4(ip),
        Some(IpAddr::V6(ip)) => is_public_v6(ip),
        None => {
            let name = host.as_str();
            let is_below = |suffix: &&str| {
                let rest = name.strip_suffix(*suffix);
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            name.contains('.') && !INNER.iter().any(is_below)
        }
    }
}

/// Whether an address may be that of a host on the internet (RFC 6890).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_special = (a == 192 && b == 0 && c == 0) || (a == 198 && (18..20).contains(&b));
    !(a == 0
        || a >= 224
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || is_shared
        || is_special)
}

/// The same for IPv6: global unicast, without the ranges that contain IPv4 addresses or are for
/// documentation.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_teredo = first == 0x2001 && second < 0x200;
    let is_documentation = (first == 0x2001 && second == 0xdb8) || first == 0x3fff;
    is_global && !is_teredo && !is_documentation && first != 0x2002
}

#[cfg(test)]
mod tests;
