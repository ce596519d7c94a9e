//! Frames of WebSockets, from either side.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Any is as good as another here.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame, without its mask. No fragments are sent here.
#[derive(Debug)]
pub(crate) enum Frame {
    Text(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    /// Its code (1005 if there is none) and its reason.
    Close(u16, String),
}

/// The bytes of either protocol below a WebSocket.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytes for S {}

/// An open WebSocket.
pub(crate) struct Frames {
    stream: Box<dyn Bytes>,
    buffer: BytesMut,
    is_client: bool,
}

impl Frames {
    pub(crate) fn client(stream: impl Bytes + 'static, buffer: BytesMut) -> Self {
        let stream = Box::new(stream);
        Self {
            stream,
            buffer,
            is_client: true,
        }
    }

    pub(crate) fn server(stream: TcpStream, buffer: BytesMut) -> Self {
        let stream = Box::new(stream);
        Self {
            stream,
            buffer,
            is_client: false,
        }
    }

    /// The next frame. What has been read of it is kept if the future is dropped.
    pub(crate) async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) async fn send_text(&mut self, text: &[u8]) -> io::Result<()> {
        self.send(TEXT, text).await
    }

    pub(crate) async fn send_pong(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send(PONG, payload).await
    }

    /// 1005 is sent as a close without a code.
    pub(crate) async fn send_close(&mut self, code: u16) -> io::Result<()> {
        let payload = match code {
            1005 => Vec::new(),
            code => code.to_be_bytes().to_vec(),
        };
        self.send(CLOSE, &payload).await
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut out = vec![0x80 | opcode];
        let mask = if self.is_client { 0x80 } else { 0 };
        match u16::try_from(payload.len()).unwrap() {
            length @ 0..126 => out.push(mask | length as u8),
            length => {
                out.push(mask | 126);
                out.extend(length.to_be_bytes());
            }
        }
        if self.is_client {
            out.extend(MASK);
            out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
        } else {
            out.extend(payload);
        }
        self.stream.write_all(&out).await?;
        self.stream.flush().await
    }

    fn parse(&mut self) -> io::Result<Option<Frame>> {
        let [first, second, ..] = *self.buffer else {
            return Ok(None);
        };
        let (extended, mask) = match second & 0x7f {
            126 => (2, second & 0x80),
            127 => return Err(io::Error::other("a frame of 64 KiB or more")),
            _ => (0, second & 0x80),
        };
        let head = 2 + extended + if mask == 0 { 0 } else { 4 };
        if self.buffer.len() < head {
            return Ok(None);
        }
        let length = match extended {
            0 => usize::from(second & 0x7f),
            _ => usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])),
        };
        if self.buffer.len() < head + length {
            return Ok(None);
        }
        let mask: Vec<u8> = self.buffer[2 + extended..head].to_vec();
        self.buffer.advance(head);
        let mut payload = self.buffer.split_to(length).to_vec();
        if !mask.is_empty() {
            let mask = mask.iter().cycle();
            payload
                .iter_mut()
                .zip(mask)
                .for_each(|(byte, m)| *byte ^= m);
        }
        frame(first, payload).map(Some)
    }
}

fn frame(first: u8, payload: Vec<u8>) -> io::Result<Frame> {
    Ok(match first & 0x7f {
        TEXT => Frame::Text(payload),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong,
        CLOSE => match payload.as_slice() {
            [high, low, reason @ ..] => Frame::Close(
                u16::from_be_bytes([*high, *low]),
                String::from_utf8_lossy(reason).into_owned(),
            ),
            _ => Frame::Close(1005, String::new()),
        },
        other => {
            return Err(io::Error::other(format!(
                "a frame that begins with {other:#x}"
            )));
        }
    })
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455, 4.2.2).
pub(crate) fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
