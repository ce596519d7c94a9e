//! Rules of a firewall: every question has an answer, whatever the rules are.
#![no_main]

use ianitor::doctor::firewall::{Firewall, iptables, nft};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut firewall = Firewall::default();
    if !nft::add(&mut firewall, text) {
        iptables::add(&mut firewall, text);
    }
    for port in [0, 22, 7088, u16::MAX] {
        firewall.shuts(true, port);
        firewall.shuts(false, port);
    }
});
