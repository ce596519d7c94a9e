//! Workers: each is a thread with a single-threaded runtime, its own listening sockets and its own
//! connections. The control runtime ([`crate::gateway`]) starts them and sends them commands.
//!
//! ```text
//! thread ─┬─▶ listeners ─▶ admit ─▶ serve::conn   accepts connections and serves them
//!         ├─▶ hand_over ───────────▶ serve::conn   serves what a busier worker has accepted
//!         ├─▶ sweep                               once a tick: deadlines, expired permissions
//!         └─▶ renewals                            a renewed token for tunnels that are open
//! ```

mod admit;
mod admitted;
mod commands;
mod hand_over;
mod listeners;
mod renewals;
mod stall;
mod sweep;
mod thread;
mod timer;

pub use commands::{Command, ListenerKey, ListenerSocket, SharedSocket};
pub use hand_over::{Inbox, Peers, peers};
pub use stall::Watchdog;
pub use thread::{Commander, Setup, WorkerHandle, spawn};
