//! Ports of loopback that nobody uses.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that the kernel takes the ports of clients from: between the choice and its use
/// nobody gets in.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// So many different ones, which no other test of this process gets either.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| {
        (0..COUNT)
            .map(|_| next())
            .find(|port| is_free(*port))
            .unwrap()
    })
}

/// Each process begins somewhere else.
fn next() -> u16 {
    static STEPS: AtomicU16 = AtomicU16::new(0);
    let start = process::id().wrapping_mul(997) % u32::from(COUNT);
    let step = u32::from(STEPS.fetch_add(1, Ordering::SeqCst));
    FIRST + u16::try_from((start + step) % u32::from(COUNT)).unwrap()
}

/// Whether this machine has an IPv6 loopback.
pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// On every loopback address of this machine.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && (!has_ipv6() || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok())
}
