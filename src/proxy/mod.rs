//! Forwards requests and WebSocket handshakes to an upstream.
//!
//! ```text
//! forward ── head made fit (headers, framing) ── small body gathered (request_body)
//!    ▼
//! cluster: which server ──▶ client: a connection from the pool, or a new one (connect)
//!    ▼
//! answer: head made fit (headers, location), body streamed (upstream_body)
//! ```
//!
//! An answer may begin before the request's body has ended (`early`), and a WebSocket
//! handshake may be answered with 101 ([`upgrade`]).

pub mod ask;
pub mod client;
pub mod cluster;
pub mod connect;
mod early;
mod error;
mod fields;
mod forward;
mod framing;
pub mod h1;
pub mod headers;
mod health;
pub mod link;
pub mod location;
pub mod origin;
pub mod request_body;
mod retries;
pub mod upgrade;
pub mod upstream_body;
mod waiting;
pub mod websocket;

/// Bodies in both directions, for other modules; files of this one name the part they use.
pub mod body {
    pub use super::request_body::{BodyFault, ClientConn, ClientRequest, Progress, RequestBody};
    pub use super::upstream_body::{BodyError, SMALL_ANSWER, UpstreamBody};
}

pub use error::Error;
pub use forward::{ForwardContext, forward};
pub use framing::{declare_json, declare_length, declares_more_than};
pub use h1::MAX_FIELDS;
