//! The HTTP/1.1 client: connections to upstream servers.
//!
//! A connection has no task of its own. The request that uses it drives it, so that an answer costs
//! no hop from task to task, and an idle connection costs nothing but its socket.

mod conn;
mod error;
mod keep_alive;
mod outgoing;
mod pool;
mod repeat;
mod upstream_io;

pub use conn::{MAX_FIELDS, UpstreamConn};
pub use error::SendError;
pub(super) use outgoing::Outgoing;
pub(super) use pool::Sent;
pub use pool::{LoadGuard, Pool};
