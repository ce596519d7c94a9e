//! The HTTP/1.1 client: connections to upstream servers.
//!
//! A connection has no task of its own. The request that uses it drives it, so that an answer costs
//! no hop from task to task, and an idle connection costs nothing but its socket. A connection that
//! waits has no buffers either: each worker has one to read into (`input.rs`) and one to write into
//! (`output.rs`). What the bytes mean is in [`super::h1`].

mod conn;
mod error;
mod input;
mod keep_alive;
mod outgoing;
mod output;
mod pool;
mod repeat;
mod unsent;

pub use conn::UpstreamConn;
pub use error::{SendError, UpstreamFault};
pub(super) use outgoing::Outgoing;
pub(super) use pool::Sent;
pub use pool::{LoadGuard, Pool};
