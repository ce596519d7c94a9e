//! The ClientHello. It is read here, because its server name decides who makes the handshake.

use std::io;

use rustls::PeerIncompatible;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::host::HostName;

/// The largest ClientHello. Those of browsers have less than 2 KiB, with post-quantum keys.
const MAX_HELLO: usize = 16 * 1024;

/// A ClientHello and every byte that was read for it.
pub struct Hello {
    /// What the TLS library has read.
    pub accepted: Accepted,
    /// Every byte that was read.
    pub bytes: Vec<u8>,
    /// Whether one read was enough.
    pub came_at_once: bool,
}

/// The first bytes of a client.
pub enum FirstBytes {
    /// TLS.
    Hello(Box<Hello>),
    /// HTTP without TLS: the first byte is a letter.
    PlainHttp,
    /// A PROXY header, from a peer that is not in `listen.proxy_protocol`.
    ProxyHeader,
    /// There are none: the client has closed the connection.
    None,
}

/// The alert for a client whose TLS version is too old (RFC 5246, section 7.2.2), as a record of
/// TLS 1.0.
const PROTOCOL_VERSION: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 70];

/// Whether a ClientHello is of a version before TLS 1.2. It lacks extensions that the TLS library
/// would report instead.
fn is_outdated(bytes: &[u8]) -> bool {
    const HANDSHAKE: u8 = 0x16;
    const CLIENT_HELLO: u8 = 1;
    matches!(*bytes, [HANDSHAKE, _, _, _, _, CLIENT_HELLO, _, _, _, 3, minor, ..] if minor < 3)
}

/// Whether a PROXY header begins here, of version 1 or 2.
fn is_proxy_header(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PROXY ") || bytes.starts_with(ppp::v2::PROTOCOL_PREFIX)
}

impl Hello {
    /// Reads a ClientHello, which may be spread over several records and packets.
    ///
    /// # Errors
    /// If there is something else, or the ClientHello is too large.
    pub async fn read<S>(stream: &mut S) -> io::Result<FirstBytes>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut acceptor = Acceptor::default();
        let mut bytes = Vec::with_capacity(2048);
        loop {
            let before = bytes.len();
            if before >= MAX_HELLO {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the ClientHello is too large",
                ));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(FirstBytes::None);
            }
            if before == 0 && is_proxy_header(&bytes) {
                return Ok(FirstBytes::ProxyHeader);
            }
            if before == 0 && bytes[0].is_ascii_uppercase() {
                return Ok(FirstBytes::PlainHttp);
            }
            let mut fresh = &bytes[before..];
            while !fresh.is_empty() {
                acceptor.read_tls(&mut fresh)?;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    return Ok(FirstBytes::Hello(Box::new(Self {
                        accepted,
                        bytes,
                        came_at_once: before == 0,
                    })));
                }
                Err(_) if is_outdated(&bytes) => {
                    stream.write_all(&PROTOCOL_VERSION).await?;
                    let error = rustls::Error::from(PeerIncompatible::Tls12NotOffered);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
                Err((error, mut alert)) => {
                    let mut out = Vec::new();
                    alert.write_all(&mut out)?;
                    stream.write_all(&out).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// Whether the client offers this protocol (ALPN).
    pub fn offers(&self, protocol: &[u8]) -> bool {
        self.accepted
            .client_hello()
            .alpn()
            .is_some_and(|mut offered| offered.any(|one| one == protocol))
    }

    /// The server name, if there is a valid one.
    pub fn sni(&self) -> Option<HostName> {
        self.accepted.client_hello().server_name()?.parse().ok()
    }
}
