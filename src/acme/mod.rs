//! Certificates from a CA that speaks ACME (RFC 8555): ordered, renewed, kept.

mod account;
mod advice;
mod ari;
mod ask;
mod attempt;
mod client;
mod context;
mod current;
mod directory;
mod error;
#[cfg(test)]
mod fixtures;
mod key;
mod open_order;
mod order;
mod renewals;
mod revoke;
mod schedule;
mod spec;
mod state;
mod status;
mod task;
mod tasks;

pub use ask::{Offered, ask};
pub use client::ClientError;
pub use context::OnCertificate;
pub use current::Unread;
pub use directory::NoDirectory;
pub use error::OrderError;
pub use renewals::{RenewError, RenewMode};
pub use revoke::{Reason, revoke};
pub use spec::{AcmeSpec, CertSpec, ChallengeKind, ExternalAccount, KeyType};
pub use status::{CertStatus, Seen};
pub use tasks::{CertTasks, Plan, Wiring};
