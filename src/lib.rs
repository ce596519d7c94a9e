//! ianitor, the doorkeeper: a TLS gateway in front of WebRTC signalling servers.

pub mod addr;
pub mod host;
pub mod limits;
pub mod listen;
pub mod policy;
pub mod route;
pub mod telemetry;
