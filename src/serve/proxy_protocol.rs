//! PROXY protocol (HAProxy, proxy-protocol.txt): the client's address, which a load balancer sends
//! before the first byte of the connection. It is required from the balancers of
//! `listen.proxy_protocol` and not read from other peers.

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::addr::PeerAddr;

/// The longest v1 line, with CR LF.
const MAX_LINE: usize = 107;

/// The size of a v2 header up to and including its length.
const V2_START: usize = 16;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a balancer says at the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The client's address.
    Client(PeerAddr),
    /// The connection is the balancer's own (`LOCAL`, `UNKNOWN`), such as a health check.
    OfBalancer,
    /// The balancer has closed the connection without a byte: a health check by TCP alone.
    None,
}

/// Reads the header, and not a byte more.
///
/// # Errors
/// If there is something else than a valid header.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Header> {
    let mut start = [0; V2_SIGNATURE.len()];
    let began = match stream.read(&mut start).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        Err(error) => return Err(error),
    };
    if began == 0 {
        return Ok(Header::None);
    }
    stream.read_exact(&mut start[began..]).await?;
    let client = if start == *V2_SIGNATURE {
        read_v2(stream, start).await
    } else {
        read_v1(stream, &start).await
    };
    Ok(client?.map_or(Header::OfBalancer, Header::Client))
}

async fn read_v2<S: AsyncRead + Unpin>(
    stream: &mut S,
    start: [u8; 12],
) -> io::Result<Option<PeerAddr>> {
    let mut header = start.to_vec();
    header.resize(V2_START, 0);
    stream.read_exact(&mut header[start.len()..]).await?;
    let length = u16::from_be_bytes([header[V2_START - 2], header[V2_START - 1]]);
    header.resize(V2_START + usize::from(length), 0);
    stream.read_exact(&mut header[V2_START..]).await?;
    let header = v2::Header::try_from(&header[..]).map_err(malformed)?;
    // The connection is TCP, so a header for UDP cannot be right.
    if header.command == v2::Command::Proxy && header.protocol == v2::Protocol::Datagram {
        return Err(malformed("the PROXY header is for UDP"));
    }
    match (header.command, header.addresses) {
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => {
            Ok(None)
        }
        (v2::Command::Proxy, v2::Addresses::IPv4(a)) => {
            Ok(peer((a.source_address, a.source_port).into()))
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(a)) => {
            Ok(peer((a.source_address, a.source_port).into()))
        }
    }
}

async fn read_v1<S: AsyncRead + Unpin>(
    stream: &mut S,
    start: &[u8],
) -> io::Result<Option<PeerAddr>> {
    let mut line = start.to_vec();
    if !line.starts_with(b"PROXY ") {
        return Err(malformed("no PROXY header"));
    }
    // A byte at a time: what follows the line is for the next reader.
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_LINE {
            return Err(malformed("the PROXY header is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let header = v1::Header::try_from(&line[..]).map_err(malformed)?;
    match header.addresses {
        v1::Addresses::Unknown => Ok(None),
        v1::Addresses::Tcp4(a) => Ok(peer((a.source_address, a.source_port).into())),
        v1::Addresses::Tcp6(a) => Ok(peer((a.source_address, a.source_port).into())),
    }
}

fn peer(addr: SocketAddr) -> Option<PeerAddr> {
    Some(PeerAddr::new(addr))
}

fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address that is found, and what is left for the next reader.
    async fn found(bytes: &[u8]) -> io::Result<(Option<String>, Vec<u8>)> {
        let mut rest = bytes;
        let peer = match read(&mut rest).await? {
            Header::Client(peer) => Some(peer.to_string()),
            Header::OfBalancer => None,
            Header::None => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Ok((peer, rest.to_vec()))
    }

    fn v2(command_and_version: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = V2_SIGNATURE.to_vec();
        header.extend([command_and_version, family]);
        header.extend((addresses.len() as u16).to_be_bytes());
        header.extend(addresses);
        header
    }

    #[tokio::test]
    async fn headers_are_read_to_their_last_byte() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0xc0, 1, 1, 0xbb];
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 1]);
        v6[15] = 1;
        let with_tlv = [&v4[..], &[4, 0, 2, 9, 9]].concat();
        for (header, want) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 49153 443\r\n".to_vec(),
                Some("192.0.2.7:49153"),
            ),
            (
                b"PROXY TCP6 2001::1 2001::2 1 443\r\n".to_vec(),
                Some("[2001::1]:1"),
            ),
            (
                b"PROXY TCP6 ::ffff:192.0.2.7 ::1 5 443\r\n".to_vec(),
                Some("192.0.2.7:5"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN what ever it is\r\n".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("192.0.2.7:49153")),
            (v2(0x21, 0x11, &with_tlv), Some("192.0.2.7:49153")),
            (v2(0x21, 0x21, &v6), Some("[2001::1]:0")),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x20, 0x12, &v4), None),
            (v2(0x20, 0, &[]), None),
        ] {
            let mut stream = header.clone();
            stream.extend(b"\x16\x03\x01rest");
            let (peer, rest) = found(&stream).await.unwrap();
            assert_eq!(peer.as_deref(), want, "{header:?}");
            assert_eq!(rest, b"\x16\x03\x01rest", "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for bytes in [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00".to_vec(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 49153\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.777 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"proxy tcp4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
            long.into_bytes(),
            v2(0x31, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 4]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x22, &[0; 36]),
            V2_SIGNATURE.to_vec(),
            b"PROX".to_vec(),
        ] {
            assert!(found(&bytes).await.is_err(), "{bytes:?}");
        }
    }
}
