//! Signalling messages: what they say, and whether they may pass. No sockets, no HTTP.

pub mod document;
pub mod owners;
pub mod rules;
