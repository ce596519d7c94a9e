//! Workers: each is a thread with a single-threaded runtime, its own listening sockets and its own
//! connections. The control runtime ([`crate::gateway`]) starts them and sends them commands.
//!
//! ```text
//! thread ─┬─▶ listeners ─▶ admit ─▶ serve::conn   accepts connections and serves them
//!         ├─▶ sweep                               once a tick: deadlines, expired permissions
//!         └─▶ renewals                            a renewed token for tunnels that are open
//! ```

mod admit;
mod commands;
mod listeners;
mod renewals;
mod sweep;
mod thread;

pub use commands::{Command, ListenerKey, ListenerSocket};
pub use thread::{Setup, WorkerHandle, spawn};
