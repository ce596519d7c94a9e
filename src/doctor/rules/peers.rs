//! Where clients may relay to: `denied-peer-ip` and `allowed-peer-ip` of coturn.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::finding::{Findings, Fix};
use super::super::machine::Machine;
use super::super::place::Place;
use super::super::read::settings::Settings;
use super::coturn::relays;

/// Networks that a relay for the Internet must not reach, as ranges, which coturn wants.
const PRIVATE: [(&str, &str); 7] = [
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

/// From one address to another; IPv4 in the lower half of the numbers.
type Range = (bool, u128, u128);

fn number(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (true, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (false, v6.to_bits()),
    }
}

/// `10.0.0.1` or `10.0.0.0-10.255.255.255`.
fn range(text: &str) -> Option<Range> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (is_v4, from) = number(from.trim().parse().ok()?);
    let (is_also_v4, to) = number(to.trim().parse().ok()?);
    (is_v4 == is_also_v4).then_some((is_v4, from, to))
}

fn ranges(file: &Settings, name: &str) -> Vec<Range> {
    let mut ranges: Vec<Range> = file.all(name).filter_map(|it| range(&it.value)).collect();
    ranges.sort_unstable();
    ranges
}

/// Whether sorted ranges cover all of another.
fn cover(ranges: &[Range], (is_v4, from, to): Range) -> bool {
    let mut next = from;
    for (_, start, end) in ranges.iter().filter(|range| range.0 == is_v4) {
        if *start <= next && *end >= next {
            match end.checked_add(1) {
                Some(after) => next = after,
                None => return true,
            }
        }
    }
    next > to
}

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for file in machine.coturn.iter().filter(|file| relays(file)) {
        networks(file, found);
        private(file, found);
        own_address(file, found);
    }
}

/// coturn reports a network in this form and goes on without it.
fn networks(file: &Settings, found: &mut Findings) {
    for name in ["denied-peer-ip", "allowed-peer-ip"] {
        for setting in file.all(name) {
            let Ok(network) = setting.value.parse::<IpNet>() else {
                continue;
            };
            let why = "coturn does not know this form, and ignores the line; it takes ranges";
            let (from, to) = (network.network(), network.broadcast());
            let fix = Fix::write(format!("{name}={from}-{to}"));
            found.add("coturn-peer-network", &setting.place, why, fix);
        }
    }
}

fn private(file: &Settings, found: &mut Findings) {
    let denied = ranges(file, "denied-peer-ip");
    let missing = |(from, to): &&(&str, &str)| {
        range(&format!("{from}-{to}")).is_some_and(|range| !cover(&denied, range))
    };
    let missing: Vec<_> = PRIVATE.iter().filter(missing).collect();
    if missing.is_empty() {
        return;
    }
    let first = file.all("denied-peer-ip").next();
    let place = first.map_or_else(|| Place::start_of(&file.file), |it| it.place.clone());
    let names: Vec<String> = missing
        .iter()
        .map(|(from, to)| format!("{from}-{to}"))
        .collect();
    let why = format!(
        "who has a credential can relay into private networks behind this machine: {}",
        names.join(", ")
    );
    let lines: Vec<String> = names
        .iter()
        .map(|it| format!("denied-peer-ip={it}"))
        .collect();
    found.add(
        "coturn-private-peers",
        &place,
        why,
        Fix::add(lines.join("\n")),
    );
}

/// Two clients that both relay here reach each other by the relay's own public address.
fn own_address(file: &Settings, found: &mut Findings) {
    let (denied, allowed) = (
        ranges(file, "denied-peer-ip"),
        ranges(file, "allowed-peer-ip"),
    );
    let name = match file.get("external-ip") {
        Some(_) => "external-ip",
        None => "relay-ip",
    };
    let own = file.all(name);
    for setting in own {
        let public = setting.value.split('/').next().unwrap_or_default().trim();
        let Some(range) = range(public) else {
            continue;
        };
        if cover(&denied, range) && !cover(&allowed, range) {
            let why = format!(
                "two clients that both need the relay cannot reach each other: {public} is denied \
                 as a peer"
            );
            let fix = Fix::add(format!("allowed-peer-ip={public}"));
            found.add("coturn-own-address-denied", &setting.place, why, fix);
        }
    }
}
