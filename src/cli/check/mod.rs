//! `ianitor check`: reads everything that a start would read, writes nothing, and connects only if
//! asked to.

mod files;
mod live;
mod probe;
mod recognize;
mod upstreams;

pub(crate) use files::{ask_issuers, check};
pub(crate) use live::{ask_ca, ask_deployments};
pub(crate) use upstreams::ask_upstreams;

#[cfg(test)]
mod tests;
