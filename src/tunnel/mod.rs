//! What a WebSocket or a passed-through TLS connection becomes: a client's socket and a server's,
//! joined until both have closed.
//!
//! - [`control`]: what the worker keeps of an open tunnel, to judge it again and to close it.
//! - [`raw`]: bytes are forwarded unchanged.
//! - [`understood`]: the messages of a WebSocket are read ([`messages`]) and judged
//!   ([`signalling`](crate::signalling)) one by one.
//! - [`TokenVerifier`]: decides about tokens that clients send in messages.
//! - [`frames`]: follows the WebSocket frames in the bytes that a raw tunnel forwards, so that a
//!   close frame can be put between two of them.

pub mod control;
mod earlier;
mod flow;
pub mod frames;
mod judge;
pub mod messages;
mod pace;
pub mod raw;
mod side;
pub mod understood;
mod verifier;

pub use control::{CloseReason, Grant, RequestTarget, RouteTunnelKey, TunnelControl, TunnelKey};
pub use judge::Judge;
pub use raw::Tunnel;
pub use understood::Understood;
pub use verifier::{TokenResult, TokenVerifier, Verification};
