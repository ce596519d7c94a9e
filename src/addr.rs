//! Addresses by their role: listener, peer, client, network.

mod set;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use set::NetworkSet;

/// An address to listen on, written `IP:port` (`[::]:443`, `127.0.0.1:8443`). Names are not
/// accepted: a listener that needs DNS does not start on a machine whose network comes up late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenAddr(pub SocketAddr);

impl ListenAddr {
    /// The configured port; 0 lets the system choose a free one.
    pub fn port(self) -> u16 {
        self.0.port()
    }

    /// Whether it accepts both address families: the IPv6 wildcard, which is bound dual-stack.
    pub fn is_dual_stack(self) -> bool {
        self.0.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }

    /// Whether two listeners would accept each other's connections.
    pub fn overlaps(self, other: Self) -> bool {
        let (a, b) = (self.0, other.0);
        a.port() == b.port()
            && a.port() != 0
            && (a.ip() == b.ip()
                || self.is_dual_stack()
                || other.is_dual_stack()
                || (a.is_ipv4() == b.is_ipv4()
                    && (a.ip().is_unspecified() || b.ip().is_unspecified())))
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(Self(addr));
        }
        Err(bad_listen_addr(text))
    }
}

/// The slips that are made with addresses of listeners. It follows the text.
fn bad_listen_addr(text: &str) -> String {
    if let Some((_, rest)) = text.split_once("://") {
        return match rest.trim_end_matches('/').parse::<ListenAddr>() {
            Ok(addr) => format!("is a URL; write \"{addr}\""),
            Err(_) => "is a URL; write IP:port, such as \"[::]:443\"".to_owned(),
        };
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let example = SocketAddr::new(ip, 443);
        return format!("has no port; write it too, as in \"{example}\"");
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse::<u16>().ok();
    match (host, port) {
        ("" | "*", Some(port)) => format!(
            "has no address; write \"[::]:{port}\" for all, \"127.0.0.1:{port}\" for this machine \
             only"
        ),
        ("localhost", Some(port)) => {
            format!("is a name, and listeners have addresses; write \"127.0.0.1:{port}\"")
        }
        (name, Some(port)) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => format!(
            "is a name, and listeners have addresses; write \"[::]:{port}\" for all that this \
             machine has"
        ),
        _ => "is not IP:port, such as \"[::]:443\" or \"127.0.0.1:8443\"".to_owned(),
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HTTP over TLS.
    Https,
    /// Plain HTTP, which redirects.
    Http,
    /// Plain HTTP from proxies that end TLS.
    Plain,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Plain => "plain",
        })
    }
}

/// The other end of the TCP connection. IPv4-mapped addresses are converted to IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(SocketAddr);

impl PeerAddr {
    /// From the address that `accept` returned.
    pub fn new(addr: SocketAddr) -> Self {
        Self(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }

    /// The address itself.
    pub fn addr(self) -> SocketAddr {
        self.0
    }

    /// The peer as the client, if it is not a trusted proxy.
    pub fn client(self) -> ClientAddr {
        ClientAddr(self.0.ip())
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The client of a request, as policies, limits and upstreams see it. Always canonical: never an
/// IPv4-mapped address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    /// Canonicalises: `::ffff:192.0.2.1` becomes `192.0.2.1`.
    pub fn new(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }

    /// The address itself.
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// The unit that limits count: the IPv4 address, or the /64 of an IPv6 address, since a
    /// household has a whole /64.
    pub fn group(self) -> ClientGroup {
        match self.0 {
            IpAddr::V4(_) => ClientGroup(self.0),
            IpAddr::V6(ip) => {
                let prefix = u128::from(ip) & (u128::MAX << 64);
                ClientGroup(IpAddr::V6(Ipv6Addr::from(prefix)))
            }
        }
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unit that limits count: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ClientGroup(IpAddr);

impl ClientGroup {
    /// The address, or the /64 padded with zeros, as IPv6.
    pub fn octets(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        }
    }
}

impl fmt::Display for ClientGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

const fn v4(octets: [u8; 4], len: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len)
}

const ALL_V4: Ipv4Net = v4([0, 0, 0, 0], 0);

/// Addresses that no client on the internet has (RFC 6890): this network, private use, loopback,
/// link-local, documentation, benchmarks, multicast, reserved.
const RESERVED_V4: [Ipv4Net; 14] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// The range of all global IPv6 addresses in use today.
const GLOBAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// A network, `10.0.0.0/8`, or a single address. Host bits must be zero: `10.8.0.5/16` is usually a
/// mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Whether the address is in it.
    pub fn contains(self, client: ClientAddr) -> bool {
        self.0.contains(&client.0)
    }

    /// Its first and its last address.
    pub fn range(self) -> (IpAddr, IpAddr) {
        (self.0.network(), self.0.broadcast())
    }

    /// The networks that it lies in, from the smallest to that of all addresses.
    pub fn wider(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.0.supernet(), IpNet::supernet).map(Self)
    }

    /// Whether every address of the other network is in it.
    pub fn covers(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether these networks together cover all of IPv4 or all of IPv6.
    pub fn are_all(list: impl IntoIterator<Item = Self>) -> bool {
        let list: Vec<IpNet> = list.into_iter().map(|net| net.0).collect();
        IpNet::aggregate(&list)
            .iter()
            .any(|net| net.prefix_len() == 0)
    }

    /// Whether it is large enough to be everybody by itself. Of most networks this is all that has
    /// to be known.
    pub fn may_be_everybody(self) -> bool {
        self.0.prefix_len() <= GLOBAL_V6.prefix_len()
    }

    /// Whether these networks together cover every client on the internet, by IPv4 or by IPv6.
    /// Private and reserved addresses may be missing.
    pub fn are_everybody(list: impl IntoIterator<Item = Self>) -> bool {
        let list: Vec<IpNet> = list.into_iter().map(|net| net.0).collect();
        let with_reserved: Vec<IpNet> = list
            .iter()
            .copied()
            .chain(RESERVED_V4.map(IpNet::V4))
            .collect();
        let has_all_of_v4 = IpNet::aggregate(&with_reserved).contains(&IpNet::V4(ALL_V4));
        has_all_of_v4
            || IpNet::aggregate(&list)
                .iter()
                .any(|net| net.contains(&IpNet::V6(GLOBAL_V6)))
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net: IpNet = match text.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().into(),
            Err(_) => text.parse().map_err(|_| bad_network(text))?,
        };
        let net = canonical(net);
        if net.addr() != net.network() {
            return Err(format!(
                "has bits set below its prefix; did you mean \"{}\"?",
                net.trunc()
            ));
        }
        Ok(Self(net))
    }
}

/// The slips that are made with networks. It follows the text.
fn bad_network(text: &str) -> String {
    if text == "localhost" {
        return "is a name; write \"127.0.0.0/8\" and \"::1\"".to_owned();
    }
    let bare = text.trim_matches(['[', ']']);
    let ip = bare.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()));
    let with_stars = || from_stars(text).map(IpNet::V4);
    let with_mask = || {
        let (ip, mask) = text.split_once('/')?;
        let net = Ipv4Net::with_netmask(ip.parse().ok()?, mask.parse().ok()?).ok()?;
        Some(IpNet::V4(net.trunc()))
    };
    match (ip, with_stars().or_else(with_mask)) {
        (Some(ip), _) => format!("is not a network; write \"{ip}\""),
        (None, Some(net)) => format!("is not a network; write \"{net}\""),
        (None, None) => {
            "is not a network, such as \"10.8.0.0/16\", \"2001:db8::/32\" or \"192.0.2.7\""
                .to_owned()
        }
    }
}

/// The network that is meant by `10.8.*` or `10.8.*.*`.
fn from_stars(text: &str) -> Option<Ipv4Net> {
    let mut octets = [0; 4];
    let mut len = 0;
    let parts: Vec<&str> = text.split('.').collect();
    let stars = parts.iter().rev().take_while(|part| **part == "*").count();
    if stars == 0 || parts.len() > 4 || stars == parts.len() {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(&parts[..parts.len() - stars]) {
        *octet = part.parse().ok()?;
        len += 8;
    }
    Ipv4Net::new(octets.into(), len).ok()
}

/// Converts `::ffff:10.0.0.0/104` to `10.0.0.0/8`: client addresses are canonical, so networks must
/// be too.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(len)) => Ipv4Net::new(v4, len).map_or(net, IpNet::V4),
        _ => net,
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
