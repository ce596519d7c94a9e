//! Why a message is rejected.

use std::fmt;

/// Why a message is rejected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Bytes from the beginning of the message.
    pub at: usize,
    /// What is there.
    pub problem: Problem,
}

impl std::error::Error for SyntaxError {}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.at)
    }
}

/// What makes a message unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It ends within a document, or before the first.
    #[error("unexpected end")]
    End,
    /// Another character is needed here.
    #[error("unexpected character")]
    Unexpected,
    /// A number is not written as RFC 8259, section 6, has it.
    #[error("malformed number")]
    Number,
    /// An integer needs more than 64 bits.
    #[error("integer out of range")]
    Integer,
    /// A number is too large for a double.
    #[error("number out of range")]
    Infinite,
    /// A control character is in a string.
    #[error("control character in a string")]
    Control,
    /// A backslash begins no escape of RFC 8259, section 7.
    #[error("unknown escape")]
    Escape,
    /// Half of a surrogate pair.
    #[error("unpaired surrogate")]
    Surrogate,
    /// `\u0000`.
    #[error("NUL in a string")]
    Nul,
    /// More than 64 levels.
    #[error("nested too deep")]
    Depth,
    /// An object has a name twice. The place is the end of that object.
    #[error("duplicate name in the object that ends")]
    Duplicate,
    /// More than 64 documents.
    #[error("too many documents")]
    TooMany,
}
