//! The head of an answer.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};

use super::error::HeadError;
use super::limits::{MAX_FIELDS, MAX_HEAD};

/// The head of an answer, interim ones (1xx) included.
#[derive(Debug)]
pub struct AnswerHead {
    /// The status.
    pub status: StatusCode,
    /// The reason, where it is not the usual one; empty if it is missing or not ASCII.
    pub reason: Option<Bytes>,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
    /// How the length of the body is known.
    pub body: BodyLength,
    /// Whether the connection may be used again when the body has ended.
    pub keeps_alive: bool,
    /// Whether there is a `Keep-Alive`, which may say for how long.
    pub has_keep_alive: bool,
}

/// How the length of a body is known (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body, whatever the head declares.
    None,
    /// This many bytes.
    Exact(u64),
    /// Chunks.
    Chunked,
    /// Everything until the connection is closed.
    UntilClose,
}

/// Takes the head of an answer from the beginning of `buf`; `None` while it is not complete. The
/// values share one copy of it, so that it does not keep `buf` in memory.
///
/// # Errors
/// If this can never become a head that is read in one way.
pub fn parse_head(
    buf: &mut BytesMut,
    request_method: &Method,
) -> Result<Option<AnswerHead>, HeadError> {
    let Some((length, head)) = read_head(buf, request_method)? else {
        return Ok(None);
    };
    buf.advance(length);
    Ok(Some(head))
}

/// The head at the beginning of these bytes, and its length.
fn read_head(bytes: &[u8], method: &Method) -> Result<Option<(usize, AnswerHead)>, HeadError> {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let length = match httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        &mut fields,
    ) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(HeadError::TooLarge),
        Err(error) => return Err(error.into()),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(HeadError::StatusLine)?;
    let version = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    let head = Bytes::copy_from_slice(&bytes[..length]);
    let reason = parsed
        .reason
        .filter(|reason| status.canonical_reason() != Some(reason));
    let reason = reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes()));

    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    let mut facts = Facts::default();
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| HeadError::FieldName)?;
        // httparse's values are slices of `bytes`.
        let start = field.value.as_ptr().addr() - bytes.as_ptr().addr();
        let value = head.slice(start..start + field.value.len());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| HeadError::FieldValue)?;
        facts.note(&name, &value);
        headers.append(name, value);
    }
    let body = facts.body(method, status, version)?;
    let keeps_alive = facts.keeps_alive(method, status, version, body);
    let head = AnswerHead {
        status,
        reason,
        version,
        headers,
        body,
        keeps_alive,
        has_keep_alive: facts.has_keep_alive,
    };
    Ok(Some((length, head)))
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::Version => Self::Version,
            httparse::Error::Status | httparse::Error::Token => Self::StatusLine,
            httparse::Error::HeaderName => Self::FieldName,
            httparse::Error::HeaderValue => Self::FieldValue,
            httparse::Error::NewLine => Self::LineEnd,
            httparse::Error::TooManyHeaders => Self::TooManyFields,
        }
    }
}

/// What the fields say about the body and the connection.
#[derive(Default)]
struct Facts {
    close: bool,
    keep_alive: bool,
    has_keep_alive: bool,
    coding: Option<Coding>,
    length: Option<Result<u64, HeadError>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

impl Facts {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        if *name == header::CONTENT_LENGTH {
            self.note_length(value.as_bytes());
        } else if *name == header::TRANSFER_ENCODING {
            let is_chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            self.coding = Some(match self.coding {
                None if is_chunked => Coding::Chunked,
                _ => Coding::Other,
            });
        } else if *name == header::CONNECTION {
            for option in value.as_bytes().split(|b| *b == b',') {
                let option = option.trim_ascii();
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if *name == "keep-alive" {
            self.has_keep_alive = true;
        }
    }

    /// Several equal lengths are one, in one field or several (RFC 9110, section 8.6).
    fn note_length(&mut self, value: &[u8]) {
        for length in value.split(|b| *b == b',') {
            let length = decimal(length.trim_ascii()).ok_or(HeadError::ContentLength);
            self.length = Some(match (self.length, length) {
                (None, length) => length,
                (Some(Err(error)), _) | (Some(Ok(_)), Err(error)) => Err(error),
                (Some(Ok(before)), Ok(length)) if before == length => Ok(length),
                (Some(Ok(_)), Ok(_)) => Err(HeadError::ContentLengths),
            });
        }
    }

    fn body(
        &self,
        method: &Method,
        status: StatusCode,
        version: Version,
    ) -> Result<BodyLength, HeadError> {
        if has_no_body(method, status) {
            return Ok(BodyLength::None);
        }
        match (self.coding, self.length) {
            (Some(_), _) if version == Version::HTTP_10 => Err(HeadError::CodingInHttp10),
            (Some(Coding::Chunked), _) => Ok(BodyLength::Chunked),
            (Some(Coding::Other), _) => Err(HeadError::TransferCoding),
            (None, Some(length)) => length.map(BodyLength::Exact),
            (None, None) => Ok(BodyLength::UntilClose),
        }
    }

    fn keeps_alive(
        &self,
        method: &Method,
        status: StatusCode,
        version: Version,
        body: BodyLength,
    ) -> bool {
        let is_ambiguous = match body {
            BodyLength::UntilClose => true,
            BodyLength::Chunked => self.length.is_some(),
            BodyLength::None if status == StatusCode::NO_CONTENT => {
                self.coding.is_some() || !matches!(self.length, None | Some(Ok(0)))
            }
            _ => false,
        };
        let is_kept = version == Version::HTTP_11 || self.keep_alive;
        is_kept && !self.close && !is_ambiguous && !becomes_tunnel(method, status)
    }
}

/// Whether the status or the request's method leaves no room for a body.
fn has_no_body(method: &Method, status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || *method == Method::HEAD
        || becomes_tunnel(method, status)
}

/// Whether the bytes behind the head are no longer HTTP.
fn becomes_tunnel(method: &Method, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || *method == Method::CONNECT && status.is_success()
}

/// A number of digits alone. The largest two numbers are not lengths: hyper has them for other
/// purposes, and so never accepted them.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number = number.checked_mul(10)?.checked_add(value)?;
    }
    (number <= u64::MAX - 2).then_some(number)
}
