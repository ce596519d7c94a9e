//! A name server, for a CA that looks where names lead: nearly all of them to this machine.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;
use std::thread;

/// Names with this end lead to an address where nobody listens.
pub(crate) const ASTRAY: &str = "astray.test";

const TYPE_A: u16 = 1;
const HEAD: usize = 12;

/// Where it answers: one for all tests of this process.
pub(crate) fn name_server() -> SocketAddr {
    static ADDR: OnceLock<SocketAddr> = OnceLock::new();
    *ADDR.get_or_init(|| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = socket.local_addr().unwrap();
        thread::spawn(move || serve(&socket));
        addr
    })
}

fn serve(socket: &UdpSocket) {
    let mut query = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut query).unwrap();
        if let Some(answer) = answer(&query[..length]) {
            // Whoever does not wait for it any more has no need of it.
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// One question, one address at most (RFC 1035, section 4).
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = HEAD;
    while *query.get(at)? > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..end)?).to_ascii_lowercase());
        at = end;
    }
    let question = query.get(HEAD..at + 5)?;
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let count = u8::from(kind == TYPE_A);
    let mut out = query[..2].to_vec();
    // An answer with authority, one question, and nothing beside the answers.
    out.extend([0x85, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    out.extend(question);
    if count == 1 {
        let last = if labels.join(".").ends_with(ASTRAY) {
            254
        } else {
            1
        };
        // The name of the question, an address of the Internet, to be forgotten at once.
        out.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, last]);
    }
    Some(out)
}
