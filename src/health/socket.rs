//! The messages of a WebSocket to a server that is asked (RFC 6455, section 5).

use std::io;
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A WebSocket, for a few short messages.
#[derive(Debug)]
pub struct Socket {
    stream: TokioIo<Upgraded>,
    timeout: Duration,
}

/// The largest answer that is read. Janus' description of itself has less than 10 kB.
pub(super) const LARGEST: usize = 64 * 1024;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const OPCODE: u8 = 0x0f;

/// How many frames are read for one answer, including pings.
const MOST_FRAMES: usize = 64;

impl Socket {
    /// A WebSocket after its handshake. Each answer may take as long as `timeout`.
    pub(super) fn new(upgraded: Upgraded, timeout: Duration) -> Self {
        Self {
            stream: TokioIo::new(upgraded),
            timeout,
        }
    }

    /// Sends a text of less than 64 KiB and waits for a text. `None` if none came.
    pub async fn ask(&mut self, text: &str) -> Option<Vec<u8>> {
        let timeout = self.timeout;
        let answer = async {
            self.send(TEXT, text.as_bytes()).await?;
            self.receive().await
        };
        tokio::time::timeout(timeout, answer).await.ok()?.ok()
    }

    /// Waits for another text. `None` if none came.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.receive())
            .await
            .ok()?
            .ok()
    }

    /// Sends a close frame, without waiting for an answer.
    pub async fn close(mut self) {
        const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();
        // The server may have closed already.
        let timeout = self.timeout;
        _ = tokio::time::timeout(timeout, self.send(CLOSE, &NORMAL)).await;
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        // Masking protects caches that mistake a WebSocket for HTTP from chosen text, and no client
        // chooses this text.
        const MASK: [u8; 4] = [0x5a, 0xc3, 0x3c, 0xa5];
        let length = u16::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = vec![FIN | opcode];
        match u8::try_from(length).ok().filter(|short| *short < 126) {
            Some(short) => frame.push(MASKED | short),
            None => {
                frame.push(MASKED | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// The next text, of one frame or several; Janus describes itself in two.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for _ in 0..MOST_FRAMES {
            let head = self.stream.read_u16().await?.to_be_bytes();
            let length = match head[1] {
                126 => u64::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await?,
                short => u64::from(short),
            };
            let length = usize::try_from(length)
                .ok()
                .filter(|length| text.len().saturating_add(*length) <= LARGEST);
            let mut payload = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
            self.stream.read_exact(&mut payload).await?;
            match head[0] & OPCODE {
                TEXT | CONTINUATION => text.append(&mut payload),
                CLOSE => break,
                _ => continue,
            }
            if head[0] & FIN != 0 {
                return Ok(text);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
