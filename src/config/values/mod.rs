//! The kinds of values in `gateway.toml`: how each is written, how it is read, and what the
//! reference says of it. Most domain types parse themselves; here they get the hints that only a
//! configuration file needs.

mod address;
mod ca;
mod number;
mod path;
pub(super) mod pattern;
mod text;
mod token;
mod words;

pub(super) use address::{Exempt, HostPort};
pub(super) use ca::{CertHost, Contacts, DirectoryUrl, OrderedHost};
pub(super) use number::{Count, Lifetime, Port, Size, TargetSize, Threads, Timeout, TokenSize};
pub(super) use path::{FileMode, OneOrTwoFiles, RedirectStatus, SocketPath};
pub(super) use text::{
    EnvVar, HeaderField, HeaderText, IssuerName, KeyId, Origin, PolicyName, ProfileName,
    SecretText, Text, TurnName, UpstreamName, User,
};
pub(super) use token::{Claims, FetchUrl, RawAudience};
pub(super) use words::{Method, OnExpiryWord, Satisfy, Signal};

/// What is expected of the many kinds that are written as a string.
const STRING: &str = "a string";

/// A text as TOML.
fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}
