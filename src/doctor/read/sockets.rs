//! `/proc/net/{tcp,tcp6,udp,udp6}`: what listens, and where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::cursor::Cursor;
use crate::doctor::place::Place;

/// A listening socket.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Whether it is one of TCP.
    pub is_tcp: bool,
    /// The address that it is bound to.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Its line.
    pub place: Place,
}

/// TCP_LISTEN of the kernel.
const LISTENS: &str = "0A";
/// UDP sockets that are bound and not connected have the number of TCP_CLOSE.
const BOUND: &str = "07";

/// Reads a table.
pub fn read(file: &Arc<str>, text: &str) -> Vec<Socket> {
    let is_tcp = file.contains("tcp");
    let mut cursor = Cursor::new(file, text);
    let mut found = Vec::new();
    while cursor.peek().is_some() {
        cursor.skip_space();
        let place = cursor.place();
        let words: Vec<&str> = cursor.take_line().split_whitespace().collect();
        let Some([_, local, _, state]) = words.first_chunk() else {
            continue;
        };
        let wanted = if is_tcp { LISTENS } else { BOUND };
        if let Some((address, port)) = address(local).filter(|_| *state == wanted) {
            found.push(Socket {
                is_tcp,
                address,
                port,
                place,
            });
        }
    }
    found
}

/// `0100007F:1F98`: words of 32 bits in the order of a little machine, the port in the usual one.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    if !address.is_ascii() {
        return None;
    }
    let words = address.as_bytes().chunks(8);
    let words = words.map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.swap_bytes())
    });
    let words: Vec<u32> = words.collect::<Option<_>>()?;
    let address = match words[..] {
        [word] => IpAddr::V4(Ipv4Addr::from_bits(word)),
        [a, b, c, d] => {
            let bits = [a, b, c, d]
                .into_iter()
                .fold(0, |bits, word| bits << 32 | u128::from(word));
            IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}
