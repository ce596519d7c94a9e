//! WebSocket messages (RFC 6455, section 5): taken out of the bytes of one side, and put into
//! frames for the other.
//!
//! A message that lies whole in the bytes just read is handed out where it lies. Only an incomplete
//! one is copied, and the copy is dropped with the message, so an idle side owns no buffer.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

use std::borrow::Cow;

/// Which side of a WebSocket sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its frames are masked.
    Client,
    /// Its frames are not.
    Server,
}

/// What a side has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A whole text message.
    Text(Cow<'b, str>),
    /// A ping, to be answered with the same payload.
    Ping(Cow<'b, [u8]>),
    /// The answer to a ping.
    Pong,
    /// The side closes the WebSocket.
    Close(Option<Closed>),
}

/// The body of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code (RFC 6455, section 7.4).
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: Box<str>,
}

/// Why what a side sends cannot be read any further. The message is the reason in the close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// RFC 6455 does not allow it.
    #[error("protocol error")]
    Protocol,
    /// A binary message.
    #[error("only text messages are accepted")]
    Binary,
    /// A text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// The message is larger than allowed.
    #[error("the message is too large")]
    TooLarge,
}

impl FrameError {
    /// The close code for it (RFC 6455, section 7.4.1).
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// The longest payload of a control frame (RFC 6455, section 5.5).
const LONGEST_CONTROL: usize = 125;
/// The longest head of a frame: two bytes, the long length, the mask.
const LONGEST_HEAD: usize = 14;

#[cfg(test)]
mod tests;
