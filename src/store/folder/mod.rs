//! A store in a folder, as PEM and JSON files.
//!
//! ```text
//! STORE/accounts/<directory>/{account.json, key.pem}
//! STORE/certificates/<name>/0001/{fullchain.pem, privkey.pem, certificate.json}
//! STORE/certificates/<name>/progress.json          the state of its orders
//! STORE/certificates/<name>/order.json             an open order with its private key
//! STORE/locks/<name>.lock
//! ```
//!
//! The numbered folders are the versions of a certificate; the highest number is the newest. A
//! version is created by renaming a folder whose files are already on disk, so a numbered folder is
//! always complete. What is damaged all the same is renamed to `<name>.damaged-<time>` and made
//! anew, whichever part of the store it is (`aside`). Writers hold the `.lock` of the folder that
//! they change. Temporary files that a writer finds there were left by a crashed process, and it
//! removes them. Readers take no lock.

mod accounts;
mod aside;
mod files;
mod look;
mod orders;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::versions::{Newest, Versions, VersionsStamp};
use super::{
    Bundle, CertStore, Lock, Name, OpenOrder, OrderRecord, Part, StoreError, Stored, StoredAccount,
};
use crate::clock::UnixTime;
use crate::disk::{Dir, FileLock};

/// A folder with accounts and certificates.
#[derive(Debug)]
pub struct Folder {
    /// The path of the folder.
    path: PathBuf,
    /// The newest complete version for each stamp, so that nothing is read while the stamp stays
    /// the same. The lock is held only to access the map.
    known: Mutex<HashMap<Name, (VersionsStamp, u64)>>,
}

/// The folders in the store.
const ACCOUNTS: &str = "accounts";
const CERTIFICATES: &str = "certificates";
const LOCKS: &str = "locks";

const PROGRESS: &str = "progress.json";
const ORDER: &str = "order.json";
const PROBE: &str = ".probe";

impl Folder {
    /// A store at this path. Nothing is read or created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            known: Mutex::default(),
        }
    }

    /// Checks whether the store can be written, without writing anything: for `ianitor check`.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn look(&self) -> Result<(), StoreError> {
        look::may_be_written(&self.path)?;
        [ACCOUNTS, CERTIFICATES, LOCKS]
            .iter()
            .try_for_each(|name| look::below(&self.path.join(name)))
    }

    /// The folder of a certificate.
    fn certificate_folder(&self, name: &Name) -> PathBuf {
        self.path
            .join(CERTIFICATES)
            .join(files::safe(name.as_str()))
    }

    fn versions(&self, name: &Name) -> Versions {
        Versions::new(self.path.clone(), self.certificate_folder(name))
    }

    /// Reads the newest complete version and remembers its number.
    fn newest(&self, name: &Name) -> Result<Option<Newest>, StoreError> {
        let versions = self.versions(name);
        // The stamp is taken before reading: a version that is added in between changes it.
        let stamp = versions.stamp()?;
        let newest = versions.newest()?;
        if let (Some(stamp), Some(newest)) =
            (stamp, newest.as_ref().filter(|newest| newest.is_settled()))
        {
            let mut known = self.known.lock();
            known.insert(name.clone(), (stamp, newest.stored.version));
        }
        Ok(newest)
    }

    fn account_folder(&self, directory: &str) -> PathBuf {
        self.path.join(ACCOUNTS).join(accounts::id(directory))
    }

    fn put_json(&self, name: &Name, file: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let folder = self.certificate_folder(name);
        let locked = files::lock(&self.path, &folder)?;
        files::replace(&locked.dir, file, &files::json(&folder, value)?)
    }
}

impl CertStore for Folder {
    fn probe(&self) -> Result<(), StoreError> {
        for name in [ACCOUNTS, CERTIFICATES, LOCKS] {
            let locked = files::lock(&self.path, &self.path.join(name))?;
            files::remove(&locked.dir, PROBE)?;
            files::replace(&locked.dir, PROBE, b"ianitor was here\n")?;
            files::remove(&locked.dir, PROBE)?;
        }
        // Folders of another user, such as those of a command that root ran, would otherwise be
        // noticed only after an order.
        self.look()
    }

    fn certificate(&self, name: &Name) -> Result<Option<Stored>, StoreError> {
        let Some(newest) = self.newest(name)? else {
            return Ok(None);
        };
        newest.warn();
        Ok(Some(newest.stored))
    }

    fn version(&self, name: &Name) -> Result<Option<u64>, StoreError> {
        let stamp = self.versions(name).stamp()?;
        let known = self.known.lock().get(name).copied();
        match (stamp, known) {
            (None, _) => Ok(None),
            (Some(stamp), Some((then, version))) if stamp == then => Ok(Some(version)),
            _ => Ok(self.newest(name)?.map(|newest| newest.stored.version)),
        }
    }

    fn put_certificate(&self, name: &Name, new: &Bundle) -> Result<u64, StoreError> {
        self.versions(name).put(new)
    }

    fn revoked(&self, name: &Name, at: UnixTime) -> Result<(), StoreError> {
        self.versions(name).revoked(at)
    }

    fn account(&self, directory: &str) -> Result<Option<StoredAccount>, StoreError> {
        accounts::read(&self.account_folder(directory), directory)
    }

    fn put_account(&self, account: &StoredAccount) -> Result<(), StoreError> {
        let folder = self.account_folder(&account.directory);
        accounts::write(&self.path, &folder, account)
    }

    fn order(&self, name: &Name) -> Result<Option<OpenOrder>, StoreError> {
        let Some(folder) = files::open(&self.certificate_folder(name))? else {
            return Ok(None);
        };
        orders::read(&folder, ORDER)
    }

    fn put_order(&self, name: &Name, order: &OpenOrder) -> Result<(), StoreError> {
        self.put_json(name, ORDER, order)
    }

    fn remove_order(&self, name: &Name) -> Result<(), StoreError> {
        let has_order = |folder: &Dir| folder.look(ORDER).is_ok();
        if !files::open(&self.certificate_folder(name))?
            .as_ref()
            .is_some_and(has_order)
        {
            return Ok(());
        }
        let locked = files::lock(&self.path, &self.certificate_folder(name))?;
        files::remove(&locked.dir, ORDER)
    }

    fn order_record(&self, name: &Name) -> Result<Option<OrderRecord>, StoreError> {
        let folder = self.certificate_folder(name);
        let bytes = files::open(&folder)?
            .map(|folder| files::read(&folder, PROGRESS))
            .transpose()?
            .flatten();
        bytes
            .map(|bytes| parse(&folder.join(PROGRESS), &bytes))
            .transpose()
    }

    fn set_versions_aside(&self, name: &Name) -> Result<Vec<u64>, StoreError> {
        self.versions(name).set_damaged_aside()
    }

    fn set_aside(&self, part: &Part<'_>, why: &str) -> Result<(), StoreError> {
        let (folder, entry) = match part {
            Part::Account(directory) => (self.path.join(ACCOUNTS), accounts::id(directory)),
            Part::Version(name, version) => (
                self.certificate_folder(name),
                versions::folder_name(*version),
            ),
            Part::Order(name) => (self.certificate_folder(name), ORDER.to_owned()),
            Part::Record(name) => (self.certificate_folder(name), PROGRESS.to_owned()),
        };
        let locked = files::lock(&self.path, &folder)?;
        aside::set_aside(&locked.dir, &entry, why)
    }

    fn put_order_record(&self, name: &Name, record: &OrderRecord) -> Result<(), StoreError> {
        self.put_json(name, PROGRESS, record)
    }

    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, StoreError> {
        let folder = files::make(&self.path, &self.path.join(LOCKS))?;
        let file_name = format!("{}.lock", files::safe(name));
        let lock = files::try_lock(&folder, &file_name)?;
        Ok(lock.map(|lock| Box::new(FolderLock(lock)) as Box<dyn Lock>))
    }

    fn place(&self, name: &Name) -> String {
        self.certificate_folder(name).display().to_string()
    }
}

/// A lock of this store, released when it is dropped.
#[derive(Debug)]
struct FolderLock(#[expect(dead_code, reason = "held, never used")] FileLock);

impl Lock for FolderLock {}

/// Parses the JSON content of a file of the store.
fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged {
        place: path.display().to_string(),
        what: error.to_string(),
    })
}
