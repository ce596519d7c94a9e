//! The ids of requests.

use crate::signalling::document::Value;

/// The id of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id<'m> {
    /// It has none, and no answer.
    Notification,
    /// It cannot be read.
    Unknown,
    /// A string, an integer or `null`.
    Known(Value<'m>),
}
