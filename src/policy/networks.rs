//! Lists of networks.

use std::fmt;
use std::net::IpAddr;

use crate::addr::{ClientAddr, Network};

/// How many networks of a list are shown.
const SHOWN: usize = 16;

/// A list of networks, never empty: an empty list could mean both "no client" and "every client".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    listed: Box<[Network]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// First and last addresses of ranges, in order and apart from each other, so that the length of
/// the list hardly counts when an address is looked up.
type Ranges<A> = Box<[(A, A)]>;

impl Networks {
    /// `None` for an empty list.
    pub fn new(networks: Vec<Network>) -> Option<Self> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in &networks {
            match network.range() {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits())),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((first.to_bits(), last.to_bits())),
                // Both ends of a network are of one family.
                _ => {}
            }
        }
        (!networks.is_empty()).then(|| Self {
            v4: apart(v4),
            v6: apart(v6),
            listed: networks.into(),
        })
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, client: ClientAddr) -> bool {
        match client.ip() {
            IpAddr::V4(ip) => has(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => has(&self.v6, ip.to_bits()),
        }
    }
}

/// The ranges in order, without those that lie in others. Two networks are either apart, or one
/// lies in the other.
fn apart<A: Ord + Copy>(mut ranges: Vec<(A, A)>) -> Ranges<A> {
    // Of two that begin together the larger one first.
    ranges.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
    let mut end = None;
    ranges.retain(|(_, last)| {
        let is_apart = end.is_none_or(|end| end < *last);
        if is_apart {
            end = Some(*last);
        }
        is_apart
    });
    ranges.into()
}

fn has<A: Ord + Copy>(ranges: &[(A, A)], address: A) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    let last_before = behind.checked_sub(1).map(|at| ranges[at].1);
    last_before.is_some_and(|last| address <= last)
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, net) in self.listed.iter().take(SHOWN).enumerate() {
            write!(f, "{}{net}", if at == 0 { "" } else { ", " })?;
        }
        match self.listed.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Networks {
        let list = list.iter().map(|text| text.parse().unwrap());
        Networks::new(list.collect()).unwrap()
    }

    fn client(text: &str) -> ClientAddr {
        ClientAddr::new(text.parse().unwrap())
    }

    #[test]
    fn an_address_is_found_as_in_the_list_itself() {
        let list = [
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.3",
            "192.0.2.0/31",
            "192.0.2.2",
            "0.0.0.0",
            "255.255.255.255",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "::1",
            "fe80::/10",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ];
        let found = networks(&list);
        let listed: Vec<Network> = list.iter().map(|text| text.parse().unwrap()).collect();
        for address in [
            "0.0.0.0",
            "0.0.0.1",
            "9.255.255.255",
            "10.0.0.0",
            "10.1.2.3",
            "10.1.2.4",
            "10.255.255.255",
            "11.0.0.0",
            "192.0.1.255",
            "192.0.2.0",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "2001:db7:ffff::",
            "2001:db8::",
            "2001:db8:1::5",
            "2001:db8:ffff::1",
            "2001:db9::",
            "fe7f::1",
            "fe80::1",
            "febf:ffff::1",
            "fec0::1",
            "::ffff:10.2.3.4",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            let address = client(address);
            let is_listed = listed.iter().any(|net| net.contains(address));
            assert_eq!(found.contains(address), is_listed, "{address}");
        }
        assert!(!networks(&["10.0.0.0/8"]).contains(client("2001:db8::1")));
    }

    #[test]
    fn of_a_long_list_the_beginning_is_shown() {
        let list: Vec<Network> = (0..20)
            .map(|n| format!("10.0.0.{n}").parse().unwrap())
            .collect();
        let shown = Networks::new(list).unwrap().to_string();
        assert!(shown.starts_with("10.0.0.0/32, 10.0.0.1/32, "));
        assert!(shown.ends_with(", 10.0.0.15/32 and 4 more"));
    }
}
