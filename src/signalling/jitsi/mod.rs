//! Jitsi's tokens: whether one is for the room and the tenant that a request names.
//!
//! ```text
//! ?room=, {tenant}, host ─────────────────▶ Asked ─┐
//! claims: room, context.room.regex, sub ──────────┴▶ judge ─▶ Ok or Refusal
//! ```
//!
//! Jitsi Meet puts the room into the query of each request to Prosody, and the room's tenant into
//! its path. Prosody's token plugins compare both with the token when a client enters the room, in
//! XMPP, where the gateway does not look. [`judge`] compares them before Prosody sees the request,
//! and is never more lenient than the plugins. Signature, `iss`, `aud` and `exp` are the policy's.
//!
//! [`bosh`] reads which session a body of XMPP over HTTP is for.

pub mod bosh;
mod judge;
mod pattern;
mod query;

pub use judge::{Refusal, judge};
pub use query::{Asked, Domain, RoomAsked, rooms_of};

#[cfg(test)]
mod tests;
