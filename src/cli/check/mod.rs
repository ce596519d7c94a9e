//! `ianitor check`: reads everything that a start would read and writes nothing. It connects to
//! other servers only with `--live`.

mod certificate;
mod command;
mod credentials;
mod explain;
mod explanation;
mod files;
mod findings;
pub(crate) mod live;
mod passthrough;
mod upstreams;

pub(crate) use command::{Check, run};
pub(crate) use files::check;

#[cfg(test)]
mod tests;
