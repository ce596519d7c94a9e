//! Workers: each is a thread with a single-threaded runtime, its own listening sockets and its own
//! connections. The control runtime ([`crate::gateway`]) starts them and sends them commands.
//!
//! ```text
//! thread ─▶ listeners ─▶ admit ─▶ serve::conn    a connection
//!   │           └──────▶ sweep                   a new configuration: tunnels are judged again
//!   └─────────────────▶ sweep                    the tick: deadlines, expired permissions
//! ```

mod admit;
mod commands;
mod listeners;
mod sweep;
mod thread;

pub use commands::{Command, Handle, ListenerKey, Share};
pub use thread::{Setup, spawn};
