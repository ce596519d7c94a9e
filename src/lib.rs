//! ianitor, the doorkeeper: a TLS gateway in front of WebRTC signalling servers.

pub mod addr;
pub mod host;
