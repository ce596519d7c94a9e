//! Why a request got no answer from a server.

use std::io;
use std::time::Duration;

use crate::proxy::connect::ConnectError;
use crate::proxy::h1::{FramingError, HeadError, LengthMismatch};
use crate::proxy::request_body::BodyFault;
use crate::slot::NoRoom;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The upstream could not be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke, or what came was not HTTP.
    #[error("the request got no answer")]
    Broken(#[source] UpstreamFault),
    /// The client's body broke off.
    #[error("the request could not be sent")]
    Body(#[source] BodyFault),
    /// The server closed the connection without a byte of an answer, and the head of the request
    /// was so large that this is the likely reason.
    #[error("the server closed the connection without an answer to a head of {size} bytes")]
    HeadUnanswered {
        /// The size of the request's head in bytes.
        size: usize,
        /// What broke.
        source: UpstreamFault,
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

/// The most interim answers (1xx) to one request.
pub(super) const MAX_INTERIM: u8 = 16;

/// What went wrong between a request and the end of its answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamFault {
    /// The server closed the connection.
    #[error("the connection was closed before the message was complete")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The head of the answer is not HTTP.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body of the answer is not framed as its head says.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// One interim answer after another.
    #[error("more than {MAX_INTERIM} interim answers (1xx)")]
    Interim,
    /// The server has sent something before the request.
    #[error("the server has sent bytes that answer no request")]
    Unasked,
    /// The body of the request was not as long as declared.
    #[error(transparent)]
    Length(#[from] LengthMismatch),
}

impl UpstreamFault {
    /// Whether the head of the answer is larger than the gateway accepts.
    pub fn is_head_too_large(&self) -> bool {
        matches!(
            self,
            Self::Head(HeadError::TooLarge | HeadError::TooManyFields)
        )
    }
}
