//! Stores ordered certificates, the accounts at CAs, and open orders.
//!
//! [`CertStore`] is the interface. It does not mention files, so that a store shared by several
//! machines can implement it. [`folder`] is the only implementation: PEM and JSON files.
//!
//! **Orders are made under a lock.** After taking it, the certificate is read again, because
//! another process may have ordered it in the meantime. Writes are atomic: after a crash the store
//! has either the old or the new content.
//!
//! Methods may block on a disk or a network, so they are called where blocking is allowed.

mod error;
mod fields;
pub mod folder;
mod name;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::secret::Secret;

pub use error::StoreError;
pub use name::{BadName, Name};

/// Stores certificates, accounts, open orders, and the state of each certificate's orders.
pub trait CertStore: Send + Sync + fmt::Debug {
    /// Writes something and removes it, so that a store that cannot be written is noticed before an
    /// order and not after it.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn probe(&self) -> Result<(), StoreError>;

    /// The newest certificate of this name.
    ///
    /// # Errors
    /// If there is one and it cannot be read.
    fn certificate(&self, name: &Name) -> Result<Option<Stored>, StoreError>;

    /// The version of the newest certificate. Cheaper than reading it, to find out whether there is
    /// a newer one.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn version(&self, name: &Name) -> Result<Option<u64>, StoreError>;

    /// Stores a certificate as the newest of its name and returns its version, which is higher than
    /// all earlier ones.
    ///
    /// # Errors
    /// If it cannot be written. The newest certificate is then unchanged.
    fn put_certificate(&self, name: &Name, new: &Bundle) -> Result<u64, StoreError>;

    /// Marks the newest certificate as revoked in its metadata.
    ///
    /// # Errors
    /// If there is none, or it cannot be written.
    fn revoked(&self, name: &Name, at: UnixTime) -> Result<(), StoreError>;

    /// The account at the CA with this directory URL.
    ///
    /// # Errors
    /// If there is one and it cannot be read.
    fn account(&self, directory: &str) -> Result<Option<StoredAccount>, StoreError>;

    /// Stores an account, replacing any earlier one at the same directory.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put_account(&self, account: &StoredAccount) -> Result<(), StoreError>;

    /// The open order for this certificate.
    ///
    /// # Errors
    /// If there is one and it cannot be read.
    fn order(&self, name: &Name) -> Result<Option<OpenOrder>, StoreError>;

    /// Stores an open order, replacing any earlier one.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put_order(&self, name: &Name, order: &OpenOrder) -> Result<(), StoreError>;

    /// Removes an order that is no longer open.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove_order(&self, name: &Name) -> Result<(), StoreError>;

    /// Moves every version of a certificate aside that cannot be read because it is damaged, and
    /// logs it. Returns their numbers, which are not used again.
    ///
    /// # Errors
    /// If one of them cannot be moved.
    fn set_versions_aside(&self, name: &Name) -> Result<Vec<u64>, StoreError>;

    /// Moves a part aside that is damaged, and logs it with the reason.
    ///
    /// # Errors
    /// If it cannot be moved.
    fn set_aside(&self, part: &Part<'_>, why: &str) -> Result<(), StoreError>;

    /// The state of a certificate's orders.
    ///
    /// # Errors
    /// If it cannot be read.
    fn order_record(&self, name: &Name) -> Result<Option<OrderRecord>, StoreError>;

    /// Stores the state of a certificate's orders, for other processes.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put_order_record(&self, name: &Name, record: &OrderRecord) -> Result<(), StoreError>;

    /// Takes the lock of this name; `None` while another process or task holds it. It is released
    /// when the value is dropped or the process ends.
    ///
    /// # Errors
    /// If locking fails.
    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, StoreError>;

    /// Where the certificates of this name are stored or would be, for messages.
    fn place(&self, name: &Name) -> String;
}

/// A part of a store that may be damaged.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// The account at the CA with this directory URL.
    Account(&'a str),
    /// A version of a certificate.
    Version(&'a Name, u64),
    /// The open order for a certificate.
    Order(&'a Name),
    /// The state of a certificate's orders.
    Record(&'a Name),
}

/// A lock that is held until the value is dropped.
pub trait Lock: Send + Sync + fmt::Debug {}

/// A certificate chain with its key and metadata.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The server's certificate, then its issuers, in PEM.
    pub chain: String,
    /// The private key in PEM (PKCS#8).
    pub key: Secret<String>,
    /// Metadata.
    pub meta: Meta,
}

/// A certificate in the store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Higher than that of any earlier certificate of this name.
    pub version: u64,
    /// The certificate.
    pub bundle: Bundle,
}

/// The metadata of a certificate, stored as JSON that operators may read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The hosts that it was ordered for.
    pub hosts: Vec<String>,
    /// The kind of key, as `key_type` in `gateway.toml`.
    pub key_type: String,
    /// The directory of the CA.
    pub directory: String,
    /// The profile that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// When it was issued.
    #[serde(with = "fields::unix_time")]
    pub issued: UnixTime,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// The issuer.
    pub issuer: String,
    /// When its validity begins.
    #[serde(with = "fields::unix_time")]
    pub not_before: UnixTime,
    /// When its validity ends.
    #[serde(with = "fields::unix_time")]
    pub not_after: UnixTime,
    /// The position of this certificate's renewal within the renewal window, from 0 to 1. It is
    /// random, so that the renewals of many gateways are spread, and chosen once, so that it does
    /// not move.
    pub spread: f64,
    /// When it was revoked by `ianitor certs revoke`.
    #[serde(
        default,
        with = "fields::optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked: Option<UnixTime>,
}

/// An account at a CA. Its key is stored before the account is registered, so that a crash does not
/// lead to a second account.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// The directory of the CA.
    pub directory: String,
    /// The private key in PEM (PKCS#8).
    pub key: Secret<String>,
    /// The account's URL, once the CA has returned it.
    pub url: Option<String>,
    /// The contact addresses that were sent to the CA.
    pub contact: Vec<String>,
    /// The key id of the external account binding.
    pub external: Option<String>,
}

/// An order that a CA has accepted and not finished. After a restart the process continues with it,
/// because a second order would count against the CA's rate limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// The order's URL at the CA.
    pub url: String,
    /// The directory of the CA.
    pub directory: String,
    /// The URL of the account that placed it.
    pub account: String,
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// The kind of key, as `key_type` in `gateway.toml`.
    pub key_type: String,
    /// The profile that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The challenge that validates its names, as in `challenges` of `gateway.toml`.
    pub challenge: String,
    /// The private key of the certificate in PEM (PKCS#8).
    #[serde(with = "fields::secret_text")]
    pub key: Secret<String>,
    /// When it was placed.
    #[serde(with = "fields::unix_time")]
    pub begun: UnixTime,
    /// When it expires, if the CA has said so.
    #[serde(
        default,
        with = "fields::optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<UnixTime>,
    /// How many seconds the CA has had to finish it: a sum of waits, so that a change of the system
    /// clock does not matter.
    #[serde(default)]
    pub waited: u64,
    /// How many requests for this order in a row the CA has answered with an error of its own.
    #[serde(default)]
    pub troubles: u32,
}

/// The state of a certificate's orders, for `ianitor certs` and for the next start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// A description of the configured certificate. If it changes, the record is discarded.
    pub wanted: String,
    /// When the next order is due.
    #[serde(
        default,
        with = "fields::optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub next: Option<UnixTime>,
    /// Why the next order is due then.
    #[serde(default)]
    pub why: String,
    /// When `next` was computed, if it is the end of a waiting time. If the clock shows an earlier
    /// time now, it has been set back since.
    #[serde(
        default,
        with = "fields::optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub written: Option<UnixTime>,
    /// How many orders have failed since the last success.
    #[serde(default)]
    pub failures: u32,
    /// How many of them the CA has rejected.
    #[serde(default)]
    pub refusals: u32,
    /// Whether `next` also applies after a restart, because CAs count the orders that they reject.
    #[serde(default)]
    pub hold: bool,
    /// Why the last order failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl OrderRecord {
    /// The time until `next`. It is never longer than the wait that was intended when the record
    /// was written, because the clock may have been ahead then.
    pub fn left(&self, now: UnixTime) -> Option<Duration> {
        let next = self.next?;
        let intended = self
            .written
            .map_or(Duration::MAX, |written| written.until(next));
        Some(now.until(next).min(intended))
    }
}

#[cfg(test)]
mod tests;
