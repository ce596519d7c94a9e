//! Documents on the channel between two processes: the length in four bytes, most significant
//! first, and that number of bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest document in bytes: far more than a gateway with all its sessions has.
pub const LONGEST: usize = 64 << 20;

/// Writes a document.
///
/// # Errors
/// That it is too long, or that the other side has closed the channel.
pub fn write(to: &mut impl Write, document: &impl Serialize) -> io::Result<()> {
    let mut bytes = encode(document)?;
    let written = to.write_all(&bytes);
    // It may have had keys.
    bytes.fill(0);
    written
}

/// The same on a runtime.
///
/// # Errors
/// As [`write()`].
pub async fn send(to: &mut (impl AsyncWrite + Unpin), document: &impl Serialize) -> io::Result<()> {
    let mut bytes = encode(document)?;
    let written = to.write_all(&bytes).await;
    bytes.fill(0);
    written
}

/// Reads a document.
///
/// # Errors
/// The channel is closed, the document is too long, or it is another one than is expected
/// (`InvalidData`).
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; checked(length)?];
    from.read_exact(&mut bytes)?;
    decode(bytes)
}

/// The same on a runtime. If the future is dropped, the channel cannot be used any more.
///
/// # Errors
/// As [`read`].
pub async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let mut bytes = vec![0; checked(length)?];
    from.read_exact(&mut bytes).await?;
    decode(bytes)
}

fn encode(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, document)?;
    let length = bytes.len() - 4;
    let prefix = u32::try_from(length).ok().filter(|_| length <= LONGEST);
    let prefix = prefix.ok_or_else(too_long)?;
    bytes[..4].copy_from_slice(&prefix.to_be_bytes());
    Ok(bytes)
}

fn checked(length: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if length > LONGEST {
        return Err(too_long());
    }
    Ok(length)
}

fn decode<T: DeserializeOwned>(mut bytes: Vec<u8>) -> io::Result<T> {
    let document = serde_json::from_slice(&bytes);
    bytes.fill(0);
    document.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the document is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut channel = Vec::new();
        write(&mut channel, &vec!["a", "b"]).unwrap();
        write(&mut channel, &7).unwrap();
        let mut channel = &*channel;
        assert_eq!(read::<Vec<String>>(&mut channel).unwrap(), ["a", "b"]);
        assert_eq!(read::<u32>(&mut channel).unwrap(), 7);
        assert!(read::<u32>(&mut channel).is_err(), "the end");
    }

    #[test]
    fn what_is_too_long_broken_off_or_something_else_is_an_error() {
        let kind = |bytes: &[u8]| read::<u32>(&mut &*bytes).unwrap_err().kind();
        assert_eq!(kind(&[0xff; 8]), io::ErrorKind::InvalidData);
        assert_eq!(kind(&[0, 0, 0, 2, b'{', b'}']), io::ErrorKind::InvalidData);
        assert_eq!(kind(&[0, 0, 0, 2, b'7']), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[0, 0]), io::ErrorKind::UnexpectedEof);
    }
}
