//! Exact JSON: a message is checked once, byte by byte, and read in place from then on.
//!
//! ```text
//! message ─ split ─▶ Documents ─▶ Value ─▶ Object ─ members ─▶ Text, Value
//!     │                                      └─ edited ─▶ the same with other members
//!     └─ SyntaxError: nothing of the message is used
//! ```
//!
//! The servers behind the gateway are lenient, and each in its own way: of two members with one
//! name the last one counts, numbers are rounded, text after a NUL is ignored. What is accepted
//! here has one reading, and what is not is rejected with the whole message:
//!
//! - A message holds one to 64 documents, with or without white space between them, and nothing
//!   else: no comments, no byte order mark, no text that follows.
//! - A name occurs once in an object, at any depth, compared after unescaping. Names are compared
//!   with their case, as Janus, Kurento and their plugins compare them.
//! - Objects and arrays are nested at most 64 deep.
//! - Strings have no control characters, no NUL in any spelling and no unpaired surrogates.
//! - Integers fit 64 bits with a sign and other numbers are finite: Janus accepts no others.
//!   `5678.0` and `5.678e3` are accepted and stay what they are: numbers, but no integers, so that
//!   they are no ids either.
//!
//! Numbers and strings are never converted: what goes on is the same bytes, so ids keep all of
//! their digits and an SDP every escape. Reading allocates nothing; checking allocates one list of
//! the names that are in scope. The time is linear in the message's length, but for the sorting of
//! names in objects with more than eight of them.

mod edit;
mod problem;
mod reader;
mod scan;
mod text;
mod value;

pub use edit::{Change, push_quoted};
pub use problem::{Problem, SyntaxError};
pub use reader::{Documents, split};
pub use text::{Text, Unescaped};
pub use value::{Array, Kind, Member, Nested, Object, Value};

#[cfg(test)]
mod tests;
