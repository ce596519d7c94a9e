//! The chunked coding (RFC 9112, section 7.1), one piece of bytes at a time.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::FramingError;
use super::limits::{MAX_EXTENSIONS, MAX_FIELDS, MAX_TRAILERS};

/// A `u64` in hexadecimal.
const MAX_DIGITS: u8 = 16;

/// Reads chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// The size of the chunk as read so far, or what is left of it.
    left: u64,
    digits: u8,
    extensions: usize,
    trailers: Option<Box<Trailers>>,
}

/// Where the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    /// Behind the size, before an extension.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a line behind the last chunk.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// The lines of trailers.
#[derive(Debug, Default)]
struct Trailers {
    bytes: Vec<u8>,
    lines: usize,
}

/// What has been read.
#[derive(Debug)]
pub(super) enum Found {
    /// This many bytes of data, which come next.
    Data(usize),
    /// The trailers. The body has ended.
    Trailers(HeaderMap),
    /// The body has ended.
    End,
    /// All bytes have been read.
    NeedsMore,
}

impl Chunks {
    pub(super) fn has_ended(&self) -> bool {
        self.place == Place::End
    }

    /// Whether the last data of a chunk has been read, and nothing after it.
    pub(super) fn is_behind_data(&self) -> bool {
        self.place == Place::DataCr
    }

    /// Reads up to the next data. Returns how many bytes of framing have been read, and what comes
    /// next; data counts as read.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(usize, Found), FramingError> {
        let mut at = 0;
        loop {
            if self.place == Place::Data {
                let rest = u64::try_from(bytes.len() - at).unwrap_or(u64::MAX);
                let length = rest.min(self.left);
                if length == 0 {
                    return Ok((at, Found::NeedsMore));
                }
                self.left -= length;
                if self.left == 0 {
                    self.place = Place::DataCr;
                }
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                return Ok((at, Found::Data(length)));
            }
            if self.place == Place::End {
                return Ok((at, Found::End));
            }
            let Some(byte) = bytes.get(at) else {
                return Ok((at, Found::NeedsMore));
            };
            at += 1;
            self.place = self.step(*byte)?;
            if self.place == Place::End
                && let Some(trailers) = self.trailers.take()
            {
                return Ok((at, Found::Trailers(trailers.parse()?)));
            }
        }
    }

    /// Reads a byte of framing, and returns where the next one is.
    fn step(&mut self, byte: u8) -> Result<Place, FramingError> {
        match self.place {
            Place::Size => self.size(byte),
            Place::Blank => match byte {
                b'\r' => Ok(Place::SizeLf),
                b' ' | b'\t' => self.extension(Place::Blank),
                b';' => Ok(Place::Extension),
                _ => Err(FramingError::ChunkSize),
            },
            Place::Extension => match byte {
                b'\r' => Ok(Place::SizeLf),
                b'\n' => Err(FramingError::ChunkLineEnd),
                _ => self.extension(Place::Extension),
            },
            Place::SizeLf => match (byte, self.left) {
                (b'\n', 0) => Ok(Place::Line),
                (b'\n', _) => Ok(Place::Data),
                _ => Err(FramingError::ChunkLineEnd),
            },
            Place::DataCr if byte == b'\r' => Ok(Place::DataLf),
            Place::DataLf if byte == b'\n' => {
                self.digits = 0;
                Ok(Place::Size)
            }
            Place::DataCr | Place::DataLf => Err(FramingError::ChunkEnd),
            Place::Line if byte == b'\r' => Ok(Place::EndLf),
            Place::EndLf if byte == b'\n' => Ok(Place::End),
            Place::EndLf => Err(FramingError::ChunkLineEnd),
            Place::Line | Place::Trailer | Place::TrailerLf => self.trailer(byte),
            Place::Data | Place::End => Ok(self.place),
        }
    }

    fn size(&mut self, byte: u8) -> Result<Place, FramingError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.digits == 0 => return Err(FramingError::ChunkSize),
            b'\r' => return Ok(Place::SizeLf),
            b' ' | b'\t' => return self.extension(Place::Blank),
            b';' => return Ok(Place::Extension),
            _ => return Err(FramingError::ChunkSize),
        };
        if self.digits == MAX_DIGITS {
            return Err(FramingError::ChunkSizeTooLarge);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        Ok(Place::Size)
    }

    fn extension(&mut self, place: Place) -> Result<Place, FramingError> {
        self.extensions += 1;
        if self.extensions < MAX_EXTENSIONS {
            Ok(place)
        } else {
            Err(FramingError::Extensions)
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<Place, FramingError> {
        let trailers = self.trailers.get_or_insert_default();
        trailers.bytes.push(byte);
        // The empty line at the end counts too.
        if trailers.bytes.len() + 2 >= MAX_TRAILERS {
            return Err(FramingError::TrailersTooLarge);
        }
        match (self.place, byte) {
            (Place::TrailerLf, b'\n') if trailers.lines == MAX_FIELDS => {
                Err(FramingError::TooManyTrailers)
            }
            (Place::TrailerLf, b'\n') => {
                trailers.lines += 1;
                Ok(Place::Line)
            }
            (Place::TrailerLf, _) | (_, b'\n') => Err(FramingError::Trailers),
            (_, b'\r') => Ok(Place::TrailerLf),
            _ => Ok(Place::Trailer),
        }
    }
}

impl Trailers {
    fn parse(mut self) -> Result<HeaderMap, FramingError> {
        self.bytes.extend_from_slice(b"\r\n");
        let mut fields = vec![httparse::EMPTY_HEADER; self.lines];
        let parsed = httparse::parse_headers(&self.bytes, &mut fields);
        let Ok(httparse::Status::Complete((length, fields))) = parsed else {
            return Err(FramingError::Trailers);
        };
        if length != self.bytes.len() {
            return Err(FramingError::Trailers);
        }
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_bytes(field.value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(FramingError::Trailers);
            };
            trailers.append(name, value);
        }
        Ok(trailers)
    }
}
