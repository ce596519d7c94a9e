//! The head and the body of a request.

use http::header::{HeaderMap, HeaderName};
use http::{Method, Uri};

use super::error::LengthMismatch;

/// Writes the head of a request, with the empty line at its end. `more` writes whole lines behind
/// the fields.
pub fn write_head(
    out: &mut Vec<u8>,
    method: &Method,
    target: &Uri,
    headers: &HeaderMap,
    more: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    write_target(out, method, target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(
        out,
        headers.iter().map(|(name, value)| (name, value.as_bytes())),
    );
    more(out);
    out.extend_from_slice(b"\r\n");
}

/// The origin form, or the authority form of CONNECT (RFC 9112, section 3.2).
fn write_target(out: &mut Vec<u8>, method: &Method, target: &Uri) {
    if let Some(authority) = target.authority().filter(|_| *method == Method::CONNECT) {
        out.extend_from_slice(authority.as_str().as_bytes());
        return;
    }
    let path = target.path_and_query().map_or("/", |path| path.as_str());
    if !path.starts_with(['/', '*']) {
        out.push(b'/');
    }
    out.extend_from_slice(path.as_bytes());
}

fn write_fields<'a>(out: &mut Vec<u8>, fields: impl Iterator<Item = (&'a HeaderName, &'a [u8])>) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes the framing of a request's body. Each piece of data is written as [`Self::begin`], the
/// bytes themselves, [`Self::end`]; [`Self::finish`] comes last.
#[derive(Debug)]
pub struct BodyEncoder {
    /// How many bytes are left; `None`: chunks.
    left: Option<u64>,
}

impl BodyEncoder {
    /// For a body of this length in bytes; 0 for none.
    pub fn exact(length: u64) -> Self {
        Self { left: Some(length) }
    }

    /// For a body in chunks.
    pub fn chunked() -> Self {
        Self { left: None }
    }

    /// Writes what comes before this many bytes of data. Without data there is nothing to write.
    ///
    /// # Errors
    /// If the body is longer than its `Content-Length`. Nothing of this piece may be sent.
    pub fn begin(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), LengthMismatch> {
        match &mut self.left {
            Some(left) => {
                *left = left
                    .checked_sub(length as u64)
                    .ok_or(LengthMismatch::TooLong)?;
            }
            None if length > 0 => write_size(out, length),
            None => {}
        }
        Ok(())
    }

    /// What comes behind this many bytes of data.
    pub fn end(&self, length: usize) -> &'static [u8] {
        match self.left {
            None if length > 0 => b"\r\n",
            _ => b"",
        }
    }

    /// Whether every byte that was declared has been written, so that nothing is missing but
    /// perhaps [`Self::finish`].
    pub fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// Writes the end of the body. Trailers are written behind chunks alone.
    ///
    /// # Errors
    /// If the body is shorter than its `Content-Length`: the connection must be closed.
    pub fn finish(
        self,
        trailers: Option<&HeaderMap>,
        out: &mut Vec<u8>,
    ) -> Result<(), LengthMismatch> {
        match self.left {
            Some(0) => return Ok(()),
            Some(_) => return Err(LengthMismatch::TooShort),
            None => {}
        }
        out.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers {
            write_fields(
                out,
                trailers
                    .iter()
                    .map(|(name, value)| (name, value.as_bytes())),
            );
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// A chunk's size and the end of its line.
fn write_size(out: &mut Vec<u8>, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (size.ilog2() / 4 + 1) as usize;
    for place in (0..digits).rev() {
        out.push(DIGITS[size >> (place * 4) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}
