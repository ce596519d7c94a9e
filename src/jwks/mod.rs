//! Fetching issuers' keys: from a set (JWKS, RFC 7517), or from a folder with a file for each key
//! (ASAP).
//!
//! Each issuer has one task on the control thread. Only that task fetches, and it replaces the
//! issuer's keys as a whole. Workers only read the keys; a request that needs a missing key asks
//! the task and waits for the outcome.
//!
//! ```text
//! worker ── KeyRequest ──▶ task: set │ asap ── Client::get ──▶ https://…
//!    ▲                          │  when: fresh (headers), pace (failures), requesters (clients)
//!    └─────── Fetched ◀─────────┘  usable keys only; otherwise the last good ones stay
//! ```
//!
//! An endpoint is not trusted more than necessary: its answers are bounded in size and time,
//! redirects are not followed, and secrets among the keys are ignored (RFC 8725, sections 3.1 and
//! 3.10).

mod asap;
mod client;
mod fresh;
mod known_keys;
mod pace;
mod report;
mod requesters;
mod set;
mod task;

pub use client::{Client, FetchError, TIMEOUT};
pub use fresh::fresh_for;
pub use task::{MAX_REQUESTS, ask, fetch_keys, follow};
