//! Why a request got no answer from a server.

use std::time::Duration;

use crate::proxy::connect::ConnectError;
use crate::slot::NoRoom;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The upstream could not be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke, or what came was not HTTP, or the client's body broke off.
    #[error("the request got no answer")]
    Http(#[source] hyper::Error),
    /// The server closed the connection without a byte of an answer, and the head of the request
    /// was so large that this is the likely reason.
    #[error("the server closed the connection without an answer to a head of {size} bytes")]
    HeadUnanswered {
        /// The size of the request's head in bytes.
        size: usize,
        /// What broke.
        source: hyper::Error,
    },
    /// The gateway has no descriptor left for a connection.
    #[error("no room for another connection to an upstream")]
    Full,
    /// The server has as many connections as `max_connections` allows.
    #[error("max_connections of the upstream is reached")]
    ServerFull,
    /// The client has its share of the connections.
    #[error("the client has its share of the connections already")]
    OverShare,
    /// The head of the answer did not come within this time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
}

impl From<NoRoom> for SendError {
    fn from(full: NoRoom) -> Self {
        match full {
            NoRoom::Server { .. } => Self::ServerFull,
            NoRoom::Descriptors { .. } => Self::Full,
        }
    }
}
