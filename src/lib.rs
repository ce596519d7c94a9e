//! ianitor, the doorkeeper: a TLS gateway in front of WebRTC signalling servers.

pub mod addr;
pub mod host;
pub mod limits;
pub mod registry;
pub mod slot;
pub mod socket;
pub mod tick;

pub mod telemetry;

pub mod listen;
pub mod tls;

pub mod serve;

pub mod policy;
pub mod route;

pub mod proxy;

pub mod check;
pub mod config;
pub mod gateway;
