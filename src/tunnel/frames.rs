//! Follows WebSocket frame headers in a stream of bytes (RFC 6455, section 5.2) without keeping any
//! payload, so that a close frame can be put between two frames.

/// Where in a frame the stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between frames.
    Start,
    /// The mask bit and the short length come next.
    Length7,
    /// `left` bytes of the extended length are still to come.
    LengthMore { left: u8, value: u64, masked: bool },
    /// `left` bytes of the mask are still to come, then the payload.
    Mask { left: u8, payload: u64 },
    /// This many bytes of payload are still to come.
    Payload(u64),
}

/// One direction's place in its frames.
#[derive(Clone, Debug)]
pub struct Follower {
    at: At,
    close_seen: bool,
}

const OPCODE: u8 = 0x0f;
const OPCODE_CLOSE: u8 = 0x8;
const MASKED: u8 = 0x80;

impl Follower {
    /// Before the first frame.
    pub fn new() -> Self {
        Self {
            at: At::Start,
            close_seen: false,
        }
    }

    /// Whether the last byte seen was the last of a frame.
    pub fn is_between_frames(&self) -> bool {
        self.at == At::Start
    }

    /// Whether a close frame has begun.
    pub fn has_seen_close(&self) -> bool {
        self.close_seen
    }

    /// Follows the stream over its next bytes.
    pub fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            self.at = match self.at {
                At::Start => {
                    self.close_seen |= byte & OPCODE == OPCODE_CLOSE;
                    At::Length7
                }
                At::Length7 => {
                    let masked = byte & MASKED != 0;
                    match byte & !MASKED {
                        126 => At::LengthMore {
                            left: 2,
                            value: 0,
                            masked,
                        },
                        127 => At::LengthMore {
                            left: 8,
                            value: 0,
                            masked,
                        },
                        short => after_length(u64::from(short), masked),
                    }
                }
                At::LengthMore {
                    left,
                    value,
                    masked,
                } => {
                    let value = value << 8 | u64::from(byte);
                    if left > 1 {
                        At::LengthMore {
                            left: left - 1,
                            value,
                            masked,
                        }
                    } else {
                        after_length(value, masked)
                    }
                }
                At::Mask { left: 1, payload } => after_mask(payload),
                At::Mask { left, payload } => At::Mask {
                    left: left - 1,
                    payload,
                },
                At::Payload(left) => {
                    // The payload is skipped in one step, the byte in hand included.
                    let here = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(here).unwrap_or(bytes.len())..];
                    self.at = after_mask(left - here);
                    continue;
                }
            };
            bytes = rest;
        }
    }
}

impl Default for Follower {
    fn default() -> Self {
        Self::new()
    }
}

fn after_length(payload: u64, masked: bool) -> At {
    if masked {
        At::Mask { left: 4, payload }
    } else {
        after_mask(payload)
    }
}

fn after_mask(payload: u64) -> At {
    if payload == 0 {
        At::Start
    } else {
        At::Payload(payload)
    }
}

/// A close frame as a server sends it: unmasked. The reason is cut to what a control frame holds.
pub fn server_close(code: u16, reason: &str) -> Vec<u8> {
    let mut frame = vec![0x80 | OPCODE_CLOSE];
    let body = close_body(code, reason);
    frame.push(body.len() as u8);
    frame.extend_from_slice(&body);
    frame
}

/// A close frame as a client sends it: masked with zeroes, since nothing between here and the
/// upstream could be confused by its payload.
pub fn client_close(code: u16, reason: &str) -> Vec<u8> {
    let mut frame = vec![0x80 | OPCODE_CLOSE];
    let body = close_body(code, reason);
    frame.push(MASKED | body.len() as u8);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&body);
    frame
}

fn close_body(code: u16, reason: &str) -> Vec<u8> {
    const MAX_CONTROL: usize = 125;
    let mut body = code.to_be_bytes().to_vec();
    let end = (0..=reason.len().min(MAX_CONTROL - 2))
        .rev()
        .find(|end| reason.is_char_boundary(*end))
        .unwrap_or(0);
    body.extend_from_slice(&reason.as_bytes()[..end]);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, masked: bool, len: usize) -> Vec<u8> {
        let mut out = vec![first];
        let bit = if masked { MASKED } else { 0 };
        match len {
            0..=125 => out.push(bit | len as u8),
            126..=0xffff => {
                out.push(bit | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                out.push(bit | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        if masked {
            out.extend_from_slice(&[8, 8, 8, 8]);
        }
        out.resize(out.len() + len, 0x88);
        out
    }

    #[test]
    fn boundaries_are_found_however_the_bytes_arrive() {
        let lens = [0, 1, 125, 126, 300, 65_535, 65_536, 70_000];
        let frames: Vec<_> = lens
            .iter()
            .flat_map(|len| [frame(0x81, true, *len), frame(0x02, false, *len)])
            .collect();
        let ends: Vec<usize> = frames
            .iter()
            .scan(0, |end, f| {
                *end += f.len();
                Some(*end)
            })
            .collect();
        let stream = frames.concat();
        for step in [1, 2, 3, 7, 1000, 65_536, stream.len()] {
            let mut follower = Follower::new();
            let mut at = 0;
            for chunk in stream.chunks(step) {
                follower.follow(chunk);
                at += chunk.len();
                assert_eq!(
                    follower.is_between_frames(),
                    ends.contains(&at),
                    "step {step} at {at}"
                );
            }
            assert!(!follower.has_seen_close());
        }
    }

    #[test]
    fn a_close_frame_is_noticed_and_payload_is_not_mistaken_for_one() {
        let mut follower = Follower::new();
        follower.follow(&frame(0x81, true, 500));
        assert!(!follower.has_seen_close());
        follower.follow(&server_close(1001, "going away"));
        assert!(follower.has_seen_close() && follower.is_between_frames());
    }

    #[test]
    fn huge_lengths_do_not_overflow() {
        let mut follower = Follower::new();
        follower.follow(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3]);
        assert!(!follower.is_between_frames());
    }

    #[test]
    fn close_frames_are_well_formed() {
        assert_eq!(
            server_close(1001, "bye"),
            [0x88, 5, 3, 0xe9, b'b', b'y', b'e']
        );
        assert_eq!(client_close(1000, ""), [0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]);
        let long = server_close(1008, &"ä".repeat(100));
        assert_eq!(long.len(), 2 + 124);
        assert!(std::str::from_utf8(&long[4..]).is_ok());
    }
}
