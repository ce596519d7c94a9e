//! HTTP/1.1 towards upstreams: heads and bodies as bytes, without I/O (RFC 9112).
//!
//! ```text
//! request   write_head ─▶ BodyEncoder (length or chunked)
//! answer    parse_head ─▶ AnswerHead, BodyLength ─▶ BodyDecoder ─▶ Decoded
//! ```
//!
//! Every function gives the same result for the same bytes, however they are split.
//!
//! # What is stricter than hyper's client
//! Where two programs could read an answer differently, it is rejected, or its connection is not
//! used again.
//!
//! - `Transfer-Encoding` is a single `chunked`. In any other coding the body would reach the client
//!   without a word of it; hyper reads it until the connection is closed.
//! - An answer with `Transfer-Encoding` and `Content-Length` is read as chunked (RFC 9112,
//!   section 6.3), but its connection is not kept.
//! - The same for a 204 that declares content, which may follow later.
//! - A 204 to CONNECT begins a tunnel, as every other 2xx does (RFC 9110, section 9.3.6).
//! - A chunk size has at most 16 digits; hyper reads any number of leading zeros.
//! - Blanks behind a chunk size count as part of its extension, which is limited.
//! - A line feed without a carriage return ends no line of trailers.
//! - A head is limited to [`MAX_HEAD`] bytes, whatever else has been read with it.
//!
//! As in hyper: line feeds alone end lines of a head, empty lines before a status line are skipped,
//! and a status line needs no reason. Folded lines, blanks before a colon and control characters
//! in values are rejected.

mod chunks;
mod decoder;
mod encoder;
mod error;
mod head;
mod limits;
#[cfg(test)]
mod tests;

pub use decoder::{BodyDecoder, Decoded};
pub use encoder::{BodyEncoder, write_head};
pub use error::{FramingError, HeadError, LengthMismatch};
pub use head::{AnswerHead, BodyLength, parse_head};
pub use limits::{MAX_FIELDS, MAX_HEAD};
