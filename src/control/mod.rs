//! The control socket: how commands talk to the running gateway.
//!
//! A Unix socket that only root and the gateway's own user can use. It speaks JSON over HTTP/1.1:
//!
//! ```text
//! ianitor reload ─▶ client ─▶ control.sock ─▶ server (who asks?) ─▶ endpoints ─▶ Call ─▶ main loop
//!                                                        JSON ◀─ Answer ◀─────────────────┘
//! ```
//!
//! [`endpoints`] has the table of everything that can be requested. The server decides nothing: the
//! main loop of `ianitor run` receives each request as a [`Call`], and answers it.

mod active;
mod call;
pub mod client;
pub mod endpoints;
mod requests;
mod server;
mod socket;
mod spec;

pub use active::{Change, Control, OpenRequests};
pub use call::{Call, CallError, CallResult, Reply, Request};
pub use socket::OpenError;
pub use spec::ControlSpec;
