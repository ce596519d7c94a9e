//! Puts messages into frames.

use super::{CLOSE, Closed, FIN, LONGEST_CONTROL, LONGEST_HEAD, MASKED, PING, PONG, Role, TEXT};

/// Writes the frames of one side.
#[derive(Clone, Copy, Debug)]
pub struct Writer(pub Role);

impl Writer {
    /// Appends a text message in one frame.
    pub fn text(self, text: &str, out: &mut Vec<u8>) {
        self.frame(TEXT, text.as_bytes(), out);
    }

    /// Appends a ping without payload.
    pub fn ping(self, out: &mut Vec<u8>) {
        self.frame(PING, &[], out);
    }

    /// Appends a pong.
    pub fn pong(self, payload: &[u8], out: &mut Vec<u8>) {
        self.frame(PONG, payload, out);
    }

    /// Appends a close frame. The reason is cut to what a control frame holds.
    pub fn close(self, closed: Option<&Closed>, out: &mut Vec<u8>) {
        let Some(Closed { code, reason }) = closed else {
            return self.frame(CLOSE, &[], out);
        };
        let mut end = reason.len().min(LONGEST_CONTROL - 2);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut body = code.to_be_bytes().to_vec();
        body.extend_from_slice(&reason.as_bytes()[..end]);
        self.frame(CLOSE, &body, out);
    }

    /// A mask of zeroes leaves the payload as it is. Masks protect proxies that take a browser's
    /// WebSocket for HTTP; between the gateway and a server there is none.
    fn frame(self, opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
        let masked = match self.0 {
            Role::Client => MASKED,
            Role::Server => 0,
        };
        out.reserve(LONGEST_HEAD + payload.len());
        out.push(FIN | opcode);
        match payload.len() {
            short @ 0..=125 => out.push(masked | short as u8),
            middle @ 126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                out.push(masked | 127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        if self.0 == Role::Client {
            out.extend_from_slice(&[0; 4]);
        }
        out.extend_from_slice(payload);
    }
}
