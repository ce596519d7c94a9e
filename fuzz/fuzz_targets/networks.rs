//! Networks and listeners: what is shown parses to the same again, and membership is what the bits
//! say.
//!
//! Input, a line each: a network, an address, another network, two listeners.
#![no_main]

use std::net::IpAddr;

use ianitor::addr::{ClientAddr, ListenAddr, Network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let network: Option<Network> = line().parse().ok();
    let ip: Option<IpAddr> = line().parse().ok();
    let other: Option<Network> = line().parse().ok();
    let listeners: [Option<ListenAddr>; 2] = [line(), line()].map(|text| text.parse().ok());

    for network in [network, other].into_iter().flatten() {
        assert_eq!(network.to_string().parse(), Ok(network));
        assert!(network.covers(network));
        let (base, _) = bits(network);
        assert!(network.contains(ClientAddr::new(base)));
    }
    if let (Some(network), Some(ip)) = (network, ip) {
        let client = ClientAddr::new(ip);
        assert_eq!(
            network.contains(client),
            contains(network, client.ip()),
            "{network} {ip}"
        );
        let single: Network = client.to_string().parse().expect("an address is a network");
        assert_eq!(network.covers(single), network.contains(client));
        // A client and its IPv4-mapped form are one.
        if let IpAddr::V4(v4) = client.ip() {
            assert_eq!(
                network.contains(ClientAddr::new(v4.to_ipv6_mapped().into())),
                network.contains(client)
            );
        }
        assert_eq!(ClientAddr::new(client.ip()).group(), client.group());
    }
    if let (Some(a), Some(b)) = (network, other) {
        let ((base, length), (_, outer_length)) = (bits(b), bits(a));
        assert_eq!(
            a.covers(b),
            contains(a, base) && length >= outer_length,
            "{a} {b}"
        );
        if let Some(ip) = ip.filter(|_| a.covers(b)) {
            assert!(!b.contains(ClientAddr::new(ip)) || a.contains(ClientAddr::new(ip)));
        }
    }
    for listener in listeners.into_iter().flatten() {
        assert_eq!(listener.to_string().parse(), Ok(listener));
        assert_eq!(listener.overlaps(listener), listener.port() != 0);
    }
    if let [Some(a), Some(b)] = listeners {
        assert_eq!(a.overlaps(b), b.overlaps(a), "{a} {b}");
        assert!(!a.overlaps(b) || a.port() == b.port());
    }
});

/// Read off what is shown, which the types keep to themselves.
fn bits(network: Network) -> (IpAddr, u32) {
    let text = network.to_string();
    let (base, length) = text.split_once('/').expect("a length is always shown");
    (
        base.parse().expect("an address"),
        length.parse().expect("a length"),
    )
}

fn contains(network: Network, ip: IpAddr) -> bool {
    match (bits(network), ip) {
        ((IpAddr::V4(base), length), IpAddr::V4(ip)) => {
            (base.to_bits() ^ ip.to_bits())
                .checked_shr(32 - length)
                .unwrap_or(0)
                == 0
        }
        ((IpAddr::V6(base), length), IpAddr::V6(ip)) => {
            (base.to_bits() ^ ip.to_bits())
                .checked_shr(128 - length)
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}
