//! Janus' two APIs, as Janus 1.1.2 reads them.
//!
//! ```text
//! client ─▶ Envelope ─▶ session and handle: whose? ─▶ Facts ─▶ rules ─▶ secrets ─▶ Janus
//! client ◀── transaction of the client ◀── what was created, attached, destroyed ◀── Janus
//! ```
//!
//! Verbs, requests and ptypes are compared without case and after unescaping, because Janus does;
//! names of members and plugins with their case. Refusals are Janus' own errors with the client's
//! transaction; of a request that no rule allows they do not say why.

mod admin;
mod api;
mod calls;
mod conclusion;
mod envelope;
mod event;
mod explain;
mod facts;
mod info;
mod load;
pub mod plugins;
mod refusal;
pub mod rest;
mod rooms;
mod secret;
mod used;

pub use admin::{ADMIN_VERBS, AdminApi, Class};
pub use api::{Api, VERBS};
pub use explain::{Unclear, facts};
pub use load::{BadSecret, CredentialFiles, LoadError};
pub use refusal::Refusal;
pub use secret::{Credentials, TokenSigner};

#[cfg(test)]
mod tests;
