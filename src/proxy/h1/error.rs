//! What is wrong with an answer's bytes, as operators read it.

use super::limits::{MAX_EXTENSIONS, MAX_FIELDS, MAX_HEAD, MAX_TRAILERS};

/// Why a head is not that of an HTTP/1.1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The first bytes are not `HTTP/1.0` or `HTTP/1.1`.
    #[error("the answer does not begin with HTTP/1.0 or HTTP/1.1")]
    Version,
    /// The status is not a number from 100 to 999, or the reason has a control character.
    #[error("the status line is not HTTP")]
    StatusLine,
    /// A name with a character that names cannot have, a blank before the colon, a line without a
    /// colon, or a folded line.
    #[error("a header field's name is not valid, or the line is folded")]
    FieldName,
    /// A control character.
    #[error("a header field's value has a control character")]
    FieldValue,
    /// A carriage return without a line feed.
    #[error("a line ends with CR alone")]
    LineEnd,
    /// More fields than [`MAX_FIELDS`].
    #[error("the head has more than {} fields", MAX_FIELDS)]
    TooManyFields,
    /// More bytes than [`MAX_HEAD`].
    #[error("the head is larger than {} KiB", MAX_HEAD / 1024)]
    TooLarge,
    /// `Content-Length` is not a decimal number, or too large for one.
    #[error("a Content-Length is not a number")]
    ContentLength,
    /// Several values of `Content-Length`.
    #[error("two different Content-Length")]
    ContentLengths,
    /// A transfer coding beside or instead of `chunked`.
    #[error("a Transfer-Encoding other than chunked")]
    TransferCoding,
    /// HTTP/1.0 has no transfer codings.
    #[error("a Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
}

/// Why the body of an answer is not what its head declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The connection was closed first.
    #[error("the connection was closed before the end of the body")]
    CutOff,
    /// A chunk size without a digit, or with another character.
    #[error("a chunk size is not hexadecimal")]
    ChunkSize,
    /// A chunk size with more than 16 digits.
    #[error("a chunk size is too large")]
    ChunkSizeTooLarge,
    /// A line of a chunk's size that does not end with CR LF.
    #[error("the line of a chunk size does not end with CR LF")]
    ChunkLineEnd,
    /// More bytes of extensions than a body may have.
    #[error("the chunk extensions are larger than {} KiB", MAX_EXTENSIONS / 1024)]
    Extensions,
    /// A chunk that is longer than its size.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// Trailers that are not fields.
    #[error("the trailers are not valid header fields")]
    Trailers,
    /// More fields than [`MAX_FIELDS`].
    #[error("more than {} trailers", MAX_FIELDS)]
    TooManyTrailers,
    /// More bytes of trailers than a body may have.
    #[error("the trailers are larger than {} KiB", MAX_TRAILERS / 1024)]
    TrailersTooLarge,
}

/// The body of a request is not as long as its `Content-Length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthMismatch {
    /// More bytes than declared.
    #[error("the body is longer than its Content-Length")]
    TooLong,
    /// Fewer bytes than declared.
    #[error("the body is shorter than its Content-Length")]
    TooShort,
}
