//! Asks servers of upstreams whether they work, and what they are. It runs on the control runtime
//! and in `ianitor check --live`; workers only read what it has found out
//! ([`crate::route::health`]).
//!
//! ```text
//! tasks   one task for each server ─▶ prober   asks what its protocol has (target, places)
//!                │                              exchange · socket ─▶ answers ─▶ seen
//!                ▼
//!              streak   up or down, after a number of probes in a row ─▶ ServerState
//!
//! check --live ─▶ recognize   which API a server has, and where ─▶ seen
//! ```

mod answers;
mod exchange;
mod places;
mod prober;
mod recognize;
mod routed;
mod seen;
mod socket;
mod streak;
mod target;
mod tasks;

pub use exchange::{AskedServer, NoAnswer, ServerAnswer};
pub use recognize::recognize;
pub use routed::Routed;
pub use seen::{Api, Carrier, Place, Seen};
pub use socket::Socket;
pub use target::ProbeTarget;
pub use tasks::ProbeTasks;
