//! Issuers' keys from where they publish them: a set (JWKS, RFC 7517), or a folder with a file for
//! each key (ASAP).
//!
//! Each place has one task on the control runtime. It alone fetches, and it replaces the issuer's
//! keys whole; workers only ever look at what is there, and a request whose key is not there asks
//! the task and waits for its word.
//!
//! ```text
//! worker ── Want ──▶ task: set │ asap ── Client::get ──▶ https://…
//!    ▲                     │  when: fresh (headers), pace (failures), askers (strangers)
//!    └──── Fetched ◀───────┘  only keys that can be used; else the last good ones stay
//! ```
//!
//! A place is no more trusted than it must be: its answers are bounded in size and time, redirects
//! are not followed, and a secret among the keys is none (RFC 8725, sections 3.1 and 3.10).

mod asap;
mod askers;
mod client;
mod fresh;
mod kids;
mod pace;
mod report;
mod set;
mod task;

pub use client::{Client, FetchError, TIMEOUT};
pub use fresh::fresh_for;
pub use task::{WANTS, ask, follow};
