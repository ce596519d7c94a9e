//! Certificates from a CA that speaks ACME (RFC 8555): ordered, stored, served, renewed.
//!
//! [`CertTasks`] runs one task for each certificate of `[acme]`. The way of an order:
//!
//! ```text
//! tasks        plan: read the store ─▶ start: one task per certificate ◀── renewals: `certs renew`
//! task         every 2 s: newer in the store? due (current, schedule, ari)? requested?
//! attempt      the open order of an earlier attempt, or a look of our own at the challenges
//!                (self_check) and an order per kind of challenge in turn
//! session      the CA's directory and account (RFC 8555, 7.1.1, 7.3): directory · account · client
//! order        newOrder ─▶ authorizations ─▶ challenges ─▶ finalize ─▶ certificate   (7.4, 7.5)
//!                with open_order: kept in the store until the CA has finished it
//! task         the certificate ─▶ store ─▶ CertCache (served) ─▶ on_certificate (deploy)
//! state        failures and the wait before the next order, in the store, the log and the status
//! ```
//!
//! Everything that the tasks share is in `context`: the store, where certificates go, and the
//! limits of open orders and of failed validations. `error` says what went wrong, `failure` what an
//! operator can do about it.

mod account;
mod ari;
mod attempt;
mod client;
mod context;
mod current;
mod directory;
mod error;
mod failed_validations;
mod failure;
mod find;
#[cfg(test)]
mod fixtures;
mod key;
mod open_order;
mod order;
mod problem;
mod renewals;
mod revoke;
mod schedule;
mod self_check;
mod session;
mod spec;
mod state;
mod status;
mod task;
mod tasks;
mod wait;

pub use client::ClientError;
pub use context::{CertOutputs, OnCertificate};
pub use current::Unread;
pub use directory::NoDirectory;
pub use error::OrderError;
pub use find::FindError;
pub use renewals::{RenewError, RenewMode};
pub use revoke::{Reason, revoke};
pub use self_check::Elsewhere;
pub use session::{Offered, ask};
pub use spec::{AcmeSpec, CertSpec, ChallengeKind, ExternalAccount, KeyType};
pub use status::{CertStatus, CertStatuses};
pub use tasks::{CertTasks, Plan};
