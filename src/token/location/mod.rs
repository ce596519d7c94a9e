//! Where in a request a token may stand, and how it is removed before the upstream sees it.

mod fields;
mod find;
mod query;
mod referer;
mod remove;
mod set_cookie;
mod source;

pub use find::{Ambiguous, find};
pub use referer::remove_from_referer;
pub use remove::{JITSI_PARAMETERS, remove, remove_cookie, remove_for_jitsi};
pub use set_cookie::{remove_own_set_cookie, sets_own_cookie};
pub use source::{COOKIE, Located, Source, parameters};

#[cfg(test)]
mod tests;
