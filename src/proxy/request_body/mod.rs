//! A request's body on its way from the client to the upstream.
//!
//! The client is read as fast as the upstream accepts. A small body is gathered before a connection
//! to the upstream is taken: an upstream has few connections, the gateway may have many clients,
//! and nearly all bodies of signalling are small and come at once.

mod body;
mod client_conn;
mod discard;
mod fault;
mod gathered;
mod pace;
mod progress;
mod whole;

pub(super) use body::note_unread;
pub use body::{ClientRequest, RequestBody};
pub use client_conn::ClientConn;
pub use fault::BodyFault;
pub(super) use progress::NOT_TAKEN;
pub use progress::Progress;
