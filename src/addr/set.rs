//! Sets of networks, and how an address is looked up in them.

use std::net::IpAddr;

use super::{ClientAddr, Network};

/// Networks among which an address is looked up in logarithmic time: lists of clients and proxies
/// may have thousands of entries, and are asked for each connection or request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSet {
    listed: Box<[Network]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// First and last addresses of ranges, in order and apart from each other.
type Ranges<A> = Box<[(A, A)]>;

impl NetworkSet {
    /// Whether the address is in one of them.
    pub fn contains(&self, client: ClientAddr) -> bool {
        match client.ip() {
            IpAddr::V4(ip) => has(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => has(&self.v6, ip.to_bits()),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The networks in the order in which they were written.
    pub fn listed(&self) -> &[Network] {
        &self.listed
    }
}

impl FromIterator<Network> for NetworkSet {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let listed: Box<[Network]> = networks.into_iter().collect();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in &listed {
            match network.range() {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits())),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((first.to_bits(), last.to_bits())),
                // Both ends of a network are of one family.
                _ => {}
            }
        }
        Self {
            v4: apart(v4),
            v6: apart(v6),
            listed,
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

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
        let listed = list.map(|text| text.parse::<Network>().unwrap());
        let found: NetworkSet = listed.into_iter().collect();
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
            let address = ClientAddr::new(address.parse().unwrap());
            let is_listed = listed.iter().any(|net| net.contains(address));
            assert_eq!(found.contains(address), is_listed, "{address}");
        }
        assert!(!NetworkSet::default().contains(ClientAddr::new("10.0.0.1".parse().unwrap())));
    }

    /// A list that is as long as those of companies, with networks within others and beside others.
    #[test]
    fn long_lists_hold_the_same_addresses_as_a_look_at_each_network() {
        // Multiplied by an odd number, each of these numbers is another one.
        let scattered = |n: u32| n.wrapping_mul(0x9e37_79b1);
        let network = |n: u32| {
            let (address, prefix) = (scattered(n), 20 + n % 13);
            let first = Ipv4Addr::from_bits(address & (u32::MAX << (32 - prefix)));
            format!("{first}/{prefix}").parse::<Network>().unwrap()
        };
        let listed: Vec<Network> = (1..3000).map(network).collect();
        let set: NetworkSet = listed.iter().copied().collect();
        let near = (1..100).flat_map(|n| [scattered(n), scattered(n) ^ 1, scattered(n) + 4096]);
        for address in near.chain((0..100).map(|n| scattered(n + 5000))) {
            let client = ClientAddr::new(Ipv4Addr::from_bits(address).into());
            let is_listed = listed.iter().any(|net| net.contains(client));
            assert_eq!(set.contains(client), is_listed, "{client}");
        }
    }
}
