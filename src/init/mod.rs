//! `ianitor init`: a first `gateway.toml` for the servers of a machine, the secrets that it names,
//! and the lines to change in the files of these servers.
//!
//! ```text
//! Setup ─▶ gateway (the text of gateway.toml)
//!   └────▶ Secrets ─▶ changes (lines for janus.jcfg, turnserver.conf, …) ─▶ Markdown
//!                        ▲
//!            the servers' files, as `doctor` reads them
//! ```
//!
//! The result is guarded: clients need a token, what they may send to Janus and Kurento is judged,
//! and admin paths are for this machine. Nothing here reads or writes files, or connects to
//! anything.

mod changes;
mod gateway;
mod lines;
mod secrets;
mod setup;

pub use changes::{changes, markdown};
pub use gateway::gateway;
pub use lines::{Lines, State};
pub use secrets::{NoRandomness, Secrets};
pub use setup::{Service, Setup};

#[cfg(test)]
mod tests;
