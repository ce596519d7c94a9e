//! The ClientHello: read by us, since its server name says whose connection it is.

use std::io;

use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::host::HostName;

/// The largest ClientHello: those with post-quantum keys have under 2 KiB; what is larger is no
/// browser's.
const MAX_HELLO: usize = 16 * 1024;

/// A ClientHello and every byte that was read for it.
pub(super) struct Hello {
    pub(super) accepted: Accepted,
    pub(super) bytes: Vec<u8>,
}

/// What a client says first.
pub(super) enum Heard {
    /// TLS.
    Hello(Box<Hello>),
    /// HTTP without TLS, by its first letter.
    PlainHttp,
    /// Nothing, and it left.
    Nothing,
}

impl Hello {
    /// Reads one, over however many records and packets it is spread.
    ///
    /// # Errors
    /// If it is none, or too large.
    pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Heard> {
        let mut acceptor = Acceptor::default();
        let mut bytes = Vec::with_capacity(2048);
        loop {
            let before = bytes.len();
            if before >= MAX_HELLO {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a ClientHello without end",
                ));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(Heard::Nothing);
            }
            if before == 0 && bytes[0].is_ascii_uppercase() {
                return Ok(Heard::PlainHttp);
            }
            let mut fresh = &bytes[before..];
            while !fresh.is_empty() {
                acceptor.read_tls(&mut fresh)?;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok(Heard::Hello(Box::new(Self { accepted, bytes }))),
                Err((error, mut alert)) => {
                    let mut out = Vec::new();
                    alert.write_all(&mut out)?;
                    stream.write_all(&out).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// Whether a protocol is among those that it would speak inside.
    pub(super) fn offers(&self, protocol: &[u8]) -> bool {
        self.accepted
            .client_hello()
            .alpn()
            .is_some_and(|mut offered| offered.any(|one| one == protocol))
    }

    /// The server name, where it is one.
    pub(super) fn sni(&self) -> Option<HostName> {
        self.accepted.client_hello().server_name()?.parse().ok()
    }
}
