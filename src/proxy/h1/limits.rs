//! The most that an answer may have beside its body's data.

/// The most fields of a head or of trailers.
pub const MAX_FIELDS: usize = 256;

/// The largest head in bytes, with the empty line at its end.
pub const MAX_HEAD: usize = 32 * 1024;

/// The most bytes of chunk extensions in a body.
pub(super) const MAX_EXTENSIONS: usize = 16 * 1024;

/// The most bytes of trailers in a body, with the empty line at their end.
pub(super) const MAX_TRAILERS: usize = 16 * 1024;
