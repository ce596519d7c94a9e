//! Where certificates that were ordered are kept, with the accounts that ordered them.
//!
//! [`CertStore`] is the contract; nothing in it speaks of files, so that replicas can share another
//! one. [`folder`] is the implementation that there is: plain PEM and JSON that a person can read.
//!
//! **Orders are made under a lock**, and whoever has got it looks again: another process may have
//! ordered in the meantime. What is put is whole or absent: a crash at any point leaves what was
//! there before, or what is new.
//!
//! Methods may block (a disk, a network), so they are called where blocking is allowed.

mod error;
pub mod folder;
mod name;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::secret::Secret;

pub use error::StoreError;
pub use name::{BadName, Name};

/// Keeps accounts, certificates, open orders, and what is going on with them.
pub trait CertStore: Send + Sync + fmt::Debug {
    /// Writes something and takes it away again: a store that cannot be written is found before an
    /// order, not after.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn probe(&self) -> Result<(), StoreError>;

    /// The newest certificate of this name.
    ///
    /// # Errors
    /// That there is one and it cannot be read.
    fn certificate(&self, name: &Name) -> Result<Option<Stored>, StoreError>;

    /// The version of the newest certificate, for whoever only wants to know whether there is a
    /// newer one.
    ///
    /// # Errors
    /// That the store cannot be read.
    fn version(&self, name: &Name) -> Result<Option<u64>, StoreError>;

    /// Keeps a certificate as the newest of its name and returns its version, which is higher than
    /// all before.
    ///
    /// # Errors
    /// Why it could not be written. What was there before is still the newest then.
    fn put_certificate(&self, name: &Name, new: &Bundle) -> Result<u64, StoreError>;

    /// Notes in the metadata of the newest certificate that it was revoked.
    ///
    /// # Errors
    /// Why it could not be written, or that there is none.
    fn revoked(&self, name: &Name, at: UnixTime) -> Result<(), StoreError>;

    /// The account at a directory.
    ///
    /// # Errors
    /// That there is one and it cannot be read.
    fn account(&self, directory: &str) -> Result<Option<StoredAccount>, StoreError>;

    /// Keeps the account at its directory in the place of what was there.
    ///
    /// # Errors
    /// Why it could not be written.
    fn put_account(&self, account: &StoredAccount) -> Result<(), StoreError>;

    /// Puts an account that is damaged out of the way, in the place of one that lies there, and
    /// says where.
    ///
    /// # Errors
    /// Why it could not be moved.
    fn set_account_aside(&self, directory: &str) -> Result<String, StoreError>;

    /// The order for this certificate that is open at a CA.
    ///
    /// # Errors
    /// That there is one and it cannot be read.
    fn order(&self, name: &Name) -> Result<Option<OpenOrder>, StoreError>;

    /// Keeps an open order in the place of what was there.
    ///
    /// # Errors
    /// Why it could not be written.
    fn put_order(&self, name: &Name, order: &OpenOrder) -> Result<(), StoreError>;

    /// Forgets an order that is not open any more.
    ///
    /// # Errors
    /// Why it could not be taken away.
    fn forget_order(&self, name: &Name) -> Result<(), StoreError>;

    /// Puts an order that is damaged out of the way, in the place of one that lies there, and says
    /// where.
    ///
    /// # Errors
    /// Why it could not be moved.
    fn set_order_aside(&self, name: &Name) -> Result<String, StoreError>;

    /// What is going on with a certificate.
    ///
    /// # Errors
    /// That it cannot be read.
    fn order_record(&self, name: &Name) -> Result<Option<OrderRecord>, StoreError>;

    /// Tells others what is going on with a certificate.
    ///
    /// # Errors
    /// Why it could not be written.
    fn put_order_record(&self, name: &Name, progress: &OrderRecord) -> Result<(), StoreError>;

    /// Takes a lock of this name, `None` while another process or task has it. It is given back
    /// when the value is dropped, and when the process dies.
    ///
    /// # Errors
    /// That there can be no lock.
    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, StoreError>;

    /// Where the certificates of this name are or would be, for people.
    fn place(&self, name: &Name) -> String;
}

/// Held while something is done that nobody else may do.
pub trait Lock: Send + Sync + fmt::Debug {}

/// A certificate chain with its key, and what is known about it.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The server's certificate, then its issuers, in PEM.
    pub chain: String,
    /// The private key in PEM (PKCS#8).
    pub key: Secret<String>,
    /// How it came about.
    pub meta: Meta,
}

/// A certificate of the store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Higher than that of any certificate of this name before.
    pub version: u64,
    /// The certificate.
    pub bundle: Bundle,
}

/// How a certificate came about: a JSON object that people read too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// What it was ordered for.
    pub hosts: Vec<String>,
    /// The kind of key, as `key_type` in `gateway.toml`.
    pub key_type: String,
    /// The directory of the CA.
    pub directory: String,
    /// The profile that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// When it came.
    #[serde(with = "unix_time")]
    pub issued: UnixTime,
    /// Its number at the CA, in hexadecimal.
    pub serial: String,
    /// Who signed it.
    pub issuer: String,
    /// When it begins and ends.
    #[serde(with = "unix_time")]
    pub not_before: UnixTime,
    /// When it ends.
    #[serde(with = "unix_time")]
    pub not_after: UnixTime,
    /// Where in a time span this certificate's renewal lies, from 0 to 1: chosen once, so that
    /// renewals of many gateways are spread and each stays where it is.
    pub spread: f64,
    /// When it was revoked by `ianitor certs revoke`.
    #[serde(
        default,
        with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked: Option<UnixTime>,
}

/// An account at a CA. Its key is kept before the CA is told of it, so that a crash never leaves a
/// second account.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// The directory of the CA.
    pub directory: String,
    /// The private key in PEM (PKCS#8).
    pub key: Secret<String>,
    /// The account's URL, once the CA has said it.
    pub url: Option<String>,
    /// What the CA was told about whom to write to.
    pub contact: Vec<String>,
    /// The key id of the external account that it was bound to.
    pub external: Option<String>,
}

/// An order that a CA has taken and not finished. The process after this one goes on with it: to
/// order again would cost another certificate, which CAs count.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenOrder {
    /// The order's URL at the CA.
    pub url: String,
    /// The directory of the CA.
    pub directory: String,
    /// The URL of the account that ordered.
    pub account: String,
    /// What it is for.
    pub hosts: Vec<String>,
    /// The kind of key, as `key_type` in `gateway.toml`.
    pub key_type: String,
    /// The profile that was asked for.
    pub profile: Option<String>,
    /// The challenge by which its names are proved, as in `challenges` of `gateway.toml`.
    pub challenge: String,
    /// The private key of the certificate in PEM (PKCS#8).
    pub key: Secret<String>,
    /// When it was made.
    pub begun: UnixTime,
    /// When it ends, if the CA has said so.
    pub expires: Option<UnixTime>,
    /// How many seconds the CA has been given to finish it. Added up, so that no clock that is set
    /// changes it.
    pub waited: u64,
    /// How often in a row the CA has answered with trouble of its own when it was asked for this
    /// order.
    pub troubles: u32,
}

/// What is going on with a certificate, for `ianitor certs` and for the process after this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// What was ordered or is wanted; a different want begins anew.
    pub wanted: String,
    /// When the next order is due.
    #[serde(
        default,
        with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub next: Option<UnixTime>,
    /// Why then.
    #[serde(default)]
    pub why: String,
    /// When `next` was reckoned, where it is a time to wait. A clock that shows less now has been
    /// set back since.
    #[serde(
        default,
        with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub written: Option<UnixTime>,
    /// How many orders have failed since the last that succeeded.
    #[serde(default)]
    pub failures: u32,
    /// How many of them the CA has refused.
    #[serde(default)]
    pub refusals: u32,
    /// Whether a process that starts has to wait for `next` too: CAs count what they refuse.
    #[serde(default)]
    pub hold: bool,
    /// What the last one failed of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl OrderRecord {
    /// How long is still to be waited until `next`: not longer than was meant by whoever wrote it,
    /// as its clock may have been ahead of this one.
    pub fn left(&self, now: UnixTime) -> Option<Duration> {
        let next = self.next?;
        let meant = self
            .written
            .map_or(Duration::MAX, |written| written.until(next));
        Some(now.until(next).min(meant))
    }
}

/// Times as people read them: RFC 3339 in UTC.
mod unix_time {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::clock::UnixTime;

    pub(super) fn serialize<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        let text = String::deserialize(from)?;
        let time = humantime::parse_rfc3339_weak(&text).map_err(D::Error::custom)?;
        Ok(time.into())
    }
}

/// The same, where there may be none.
mod optional_time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::clock::UnixTime;

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::unix_time")] UnixTime);

    pub(super) fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Time).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<UnixTime>, D::Error> {
        Ok(Option::<Time>::deserialize(from)?.map(|Time(time)| time))
    }
}

#[cfg(test)]
mod tests;
