//! What the stories stand on: a gateway, upstreams that play scripts, clients that send any bytes
//! they like.
//!
//! Nothing waits for a fixed time. What must happen has [`DEADLINE`] to happen, which is only
//! reached when it does not.

pub(crate) mod ca;
pub(crate) mod config;
pub(crate) mod gateway;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod h2_raw;
pub(crate) mod issuer;
pub(crate) mod janus;
pub(crate) mod jar;
pub(crate) mod kurento;
pub(crate) mod load;
pub(crate) mod message;
pub(crate) mod process;
pub(crate) mod staff;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod upstream;
pub(crate) mod websocket;

use std::time::{Duration, Instant};

pub(crate) use config::Config;
pub(crate) use gateway::TestGateway;
pub(crate) use h1::Client;
pub(crate) use tls::Dial;
pub(crate) use upstream::{Conn, Then, Upstream};

/// So long that a loaded machine keeps it, so short that a hanging test is seen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes in which a lost, doubled or moved piece is seen.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    let mut out = Vec::with_capacity(len + 4);
    while out.len() < len {
        out.extend_from_slice(&next());
    }
    out.truncate(len);
    out
}
