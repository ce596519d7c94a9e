//! Why a request got no answer from its upstream, and whose fault that is.

use http::StatusCode;

use super::client::SendError;
use super::request_body::BodyFault;
use super::websocket::BadHandshake;

/// Why a request got no answer from its upstream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's fault: the handshake is wrong.
    #[error(transparent)]
    Handshake(#[from] BadHandshake),
    /// The client's fault: a transfer coding other than chunked.
    #[error("a transfer coding other than chunked")]
    TransferCoding,
    /// The client's fault: a `Content-Length` that is no number, or two different ones.
    #[error("a Content-Length that is not one number")]
    Length,
    /// The client's fault: its target, with what the route changes in it, is too long.
    #[error("the request target is too long for what the route changes in it")]
    TargetTooLong,
    /// The client's fault: more body than the route allows.
    #[error("the body is larger than the route allows")]
    BodyTooLarge,
    /// The client's fault: its body stalled.
    #[error("the client's body stalled")]
    BodyStalled,
    /// The client's fault: what it sends and does not read takes as much memory as it may have.
    #[error("the client has as much in memory as it may have")]
    NoRoom,
    /// The client's fault: its body came more slowly than the lowest rate.
    #[error("the client's body came too slowly")]
    BodySlow,
    /// The client's fault: its body broke off, or its framing was wrong.
    #[error("the client's body broke off")]
    BodyBroken,
    /// The upstream's fault: no connection, no answer, or no HTTP.
    #[error(transparent)]
    Send(SendError),
    /// The upstream's fault: 101 to a request that asked for no upgrade.
    #[error("the upstream switched protocols without being asked to")]
    UnaskedUpgrade,
    /// The upstream's fault: it answered a WebSocket handshake as an ordinary request.
    #[error("the upstream answered the WebSocket handshake with {0} instead of 101")]
    NotUpgraded(StatusCode),
    /// The upstream's fault: 101 without the right `Sec-WebSocket-Accept`.
    #[error("the upstream's 101 does not answer the WebSocket handshake")]
    BadAccept,
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Body(fault) => Self::from(&fault),
            error => Self::Send(error),
        }
    }
}

impl From<&BodyFault> for Error {
    fn from(fault: &BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::BodyTooLarge,
            BodyFault::Stalled => Self::BodyStalled,
            BodyFault::NoRoom => Self::NoRoom,
            BodyFault::Slow => Self::BodySlow,
            BodyFault::Client(_) => Self::BodyBroken,
        }
    }
}
