//! Ports of loopback that nobody uses.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

/// So many different ones.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    // Held together, so that they differ.
    let held: [_; N] = std::array::from_fn(|_| loopback_listeners());
    held.each_ref().map(|listeners| listeners[0].local_addr().unwrap().port())
}

/// Whether this machine has an IPv6 loopback.
pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Listeners on one free port of every loopback address of this machine.
fn loopback_listeners() -> Vec<TcpListener> {
    let ipv6 = has_ipv6();
    (0..100)
        .find_map(|_| {
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let port = v4.local_addr().ok()?.port();
            if !ipv6 {
                return Some(vec![v4]);
            }
            TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok().map(|v6| vec![v4, v6])
        })
        .unwrap()
}
