//! WebSocket handshakes and frames (RFC 6455), for both ends.

use std::io::{self, Read, Write};

use super::message::Wire;
use super::{Client, Upstream};

/// The key of the RFC's example, and its answer: what the gateway computes is held against the RFC
/// and not against itself.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;

/// The client's handshake, with more header lines, each ended.
pub(crate) fn handshake(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

/// The server's 101, with more header lines, each ended.
pub(crate) fn switching(more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{more}\r\n"
    )
}

/// One frame; the payload is unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) is_last: bool,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn from_client(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            mask: Some([0x37, 0xfa, 0x21, 0x3d]),
            ..Self::from_server(opcode, payload)
        }
    }

    pub(crate) fn from_server(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            is_last: true,
            opcode,
            mask: None,
            payload: payload.as_ref().to_vec(),
        }
    }

    /// A close frame from a server.
    pub(crate) fn server_close(code: u16, reason: &str) -> Self {
        Self::from_server(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// A close frame from a client.
    pub(crate) fn client_close(code: u16, reason: &str) -> Self {
        Self::from_client(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// Not the last frame of its message.
    pub(crate) fn part(mut self) -> Self {
        self.is_last = false;
        self
    }

    /// The code and the reason of a close frame.
    #[track_caller]
    pub(crate) fn close(&self) -> (u16, String) {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        let (code, reason) = self.payload.split_first_chunk().unwrap();
        (
            u16::from_be_bytes(*code),
            String::from_utf8(reason.to_vec()).unwrap(),
        )
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let mut out = vec![if self.is_last { 0x80 } else { 0 } | self.opcode];
        match u16::try_from(self.payload.len()) {
            Ok(short @ ..126) => out.push(mask_bit | u8::try_from(short).unwrap()),
            Ok(medium) => {
                out.push(mask_bit | 126);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            Err(_) => {
                out.push(mask_bit | 127);
                out.extend_from_slice(&u64::try_from(self.payload.len()).unwrap().to_be_bytes());
            }
        }
        out.extend(self.mask.iter().flatten());
        out.extend(masked(&self.payload, self.mask));
        out
    }
}

fn masked(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mask = mask.unwrap_or_default();
    payload
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

impl<S: Read + Write> Wire<S> {
    /// The next frame.
    pub(crate) fn frame(&mut self) -> io::Result<Frame> {
        let head = self.exactly(2)?;
        let len = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.exactly(2)?.try_into().unwrap())),
            127 => u64::from_be_bytes(self.exactly(8)?.try_into().unwrap()),
            short => u64::from(short),
        };
        let mask = if head[1] & 0x80 != 0 {
            Some(self.exactly(4)?.try_into().unwrap())
        } else {
            None
        };
        let payload = masked(&self.exactly(usize::try_from(len).unwrap())?, mask);
        Ok(Frame {
            is_last: head[0] & 0x80 != 0,
            opcode: head[0] & 0x0f,
            mask,
            payload,
        })
    }
}

/// Echoes frames until a close, which it answers.
pub(crate) fn echo() -> Upstream {
    Upstream::raw(|conn| {
        conn.head()?;
        conn.send(switching(""))?;
        loop {
            let frame = conn.wire.frame()?;
            let is_close = frame.opcode == CLOSE;
            conn.send(
                Frame {
                    mask: None,
                    ..frame
                }
                .bytes(),
            )?;
            if is_close {
                return Ok(());
            }
        }
    })
}

/// Whether frames still come back.
#[track_caller]
pub(crate) fn is_alive(client: &mut Client) {
    client.send(Frame::from_client(TEXT, "still there?").bytes());
    assert_eq!(
        client.wire.frame().unwrap(),
        Frame::from_server(TEXT, "still there?")
    );
}
