//! Request ids, in responses, the access log and requests to upstreams.

use std::cell::Cell;
use std::fmt;

/// Sixteen hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    pub(super) fn new(number: u64) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 16];
        for (at, digit) in text.iter_mut().enumerate() {
            *digit = HEX[usize::from((number >> (60 - 4 * at)) as u8 & 15)];
        }
        Self(text)
    }

    /// The bytes of a header value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// Generates the ids of one worker. They are distinct, not secret.
#[derive(Debug)]
pub struct RequestIds {
    next: Cell<u64>,
}

impl RequestIds {
    /// Starts at a random number, so that workers and restarts do not repeat ids.
    pub fn new() -> Self {
        let mut seed = [0; 8];
        // If there is no randomness, ids can be guessed, which is harmless.
        let _ = aws_lc_rs::rand::fill(&mut seed);
        Self {
            next: Cell::new(u64::from_ne_bytes(seed)),
        }
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        // An odd step visits every number; 2^64 divided by the golden ratio makes consecutive ids
        // look different.
        let id = self.next.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.next.set(id);
        RequestId::new(id)
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_hex_digits_and_differ() {
        assert_eq!(
            RequestId::new(0x0123_4567_89ab_cdef).to_string(),
            "0123456789abcdef"
        );
        let ids = RequestIds::new();
        assert_ne!(ids.next(), ids.next());
    }
}
