//! A store in a folder, in plain PEM and JSON that a person can read.
//!
//! ```text
//! STORE/accounts/<directory>/{account.json, key.pem}
//! STORE/certificates/<name>/0001/{fullchain.pem, privkey.pem, certificate.json}    the highest number is the newest
//! STORE/certificates/<name>/progress.json
//! STORE/certificates/<name>/order.json             an order that a CA has not finished, with its private key
//! STORE/locks/<name>.lock
//! ```
//!
//! A version appears by the renaming of a folder whose files are on the disk already, so a numbered
//! folder is whole. Whoever writes in a folder holds its `.lock` for that moment: temporary files
//! and folders that are found under it were left by a process that died, and are taken away.
//! Readers take no lock.

mod accounts;
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

use self::versions::{Look, Newest, Versions};
use super::{
    Bundle, CertStore, Lock, Name, OpenOrder, OrderRecord, StoreError, Stored, StoredAccount,
};
use crate::clock::UnixTime;
use crate::disk::{Dir, FileLock};

/// A folder with accounts and certificates.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    path: PathBuf,
    /// Which version was whole at which look, so that asking for it again reads nothing. The lock
    /// guards a look at the map alone.
    known: Mutex<HashMap<Name, (Look, u64)>>,
}

/// The folders in the store.
const ACCOUNTS: &str = "accounts";
const CERTIFICATES: &str = "certificates";
const LOCKS: &str = "locks";

const PROGRESS: &str = "progress.json";
const ORDER: &str = "order.json";
const PROBE: &str = ".probe";

impl Folder {
    /// A store at this place. Nothing is looked at or made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            known: Mutex::default(),
        }
    }

    /// Whether it looks as if it could be written, without writing anything: for `ianitor check`.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn look(&self) -> Result<(), StoreError> {
        look::may_be_written(&self.path)?;
        [ACCOUNTS, CERTIFICATES, LOCKS]
            .iter()
            .try_for_each(|name| look::below(&self.path.join(name)))
    }

    /// What belongs to a certificate.
    fn of(&self, name: &Name) -> PathBuf {
        self.path
            .join(CERTIFICATES)
            .join(files::safe(name.as_str()))
    }

    fn versions(&self, name: &Name) -> Versions {
        Versions::new(self.of(name))
    }

    /// Reads the newest version that is whole, and remembers which it was.
    fn newest(&self, name: &Name) -> Result<Option<Newest>, StoreError> {
        let versions = self.versions(name);
        // Looked at before it is read: what comes in between is seen by the next look.
        let look = versions.look()?;
        let newest = versions.newest()?;
        if let (Some(look), Some(newest)) =
            (look, newest.as_ref().filter(|newest| newest.is_settled()))
        {
            let mut known = self.known.lock();
            known.insert(name.clone(), (look, newest.stored.version));
        }
        Ok(newest)
    }

    fn of_account(&self, directory: &str) -> PathBuf {
        self.path.join(ACCOUNTS).join(accounts::id(directory))
    }

    fn put_json(&self, name: &Name, file: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let folder = self.of(name);
        let alone = files::alone(&folder)?;
        files::replace(&alone.dir, file, &files::json(&folder, value)?)
    }
}

impl CertStore for Folder {
    fn probe(&self) -> Result<(), StoreError> {
        for name in [ACCOUNTS, CERTIFICATES, LOCKS] {
            let alone = files::alone(&self.path.join(name))?;
            files::replace(&alone.dir, PROBE, b"ianitor was here\n")?;
            files::remove(&alone.dir, PROBE)?;
        }
        // What was made by another user, as by a command that root ran, would be found only after
        // an order.
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
        let look = self.versions(name).look()?;
        let known = self.known.lock().get(name).copied();
        match (look, known) {
            (None, _) => Ok(None),
            (Some(look), Some((then, version))) if look == then => Ok(Some(version)),
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
        accounts::read(&self.of_account(directory), directory)
    }

    fn put_account(&self, account: &StoredAccount) -> Result<(), StoreError> {
        accounts::write(&self.of_account(&account.directory), account)
    }

    fn set_account_aside(&self, directory: &str) -> Result<String, StoreError> {
        let alone = files::alone(&self.path.join(ACCOUNTS))?;
        files::set_aside(&alone.dir, &accounts::id(directory))
    }

    fn order(&self, name: &Name) -> Result<Option<OpenOrder>, StoreError> {
        let Some(folder) = files::open(&self.of(name))? else {
            return Ok(None);
        };
        orders::read(&folder, ORDER)
    }

    fn put_order(&self, name: &Name, order: &OpenOrder) -> Result<(), StoreError> {
        self.put_json(name, ORDER, &orders::Kept::from(order))
    }

    fn forget_order(&self, name: &Name) -> Result<(), StoreError> {
        let is_there = |folder: &Dir| folder.look(ORDER).is_ok();
        if !files::open(&self.of(name))?.as_ref().is_some_and(is_there) {
            return Ok(());
        }
        let alone = files::alone(&self.of(name))?;
        files::remove(&alone.dir, ORDER)
    }

    fn set_order_aside(&self, name: &Name) -> Result<String, StoreError> {
        let alone = files::alone(&self.of(name))?;
        files::set_aside(&alone.dir, ORDER)
    }

    fn order_record(&self, name: &Name) -> Result<Option<OrderRecord>, StoreError> {
        let folder = self.of(name);
        let bytes = files::open(&folder)?
            .map(|folder| files::read(&folder, PROGRESS))
            .transpose()?
            .flatten();
        bytes
            .map(|bytes| parse(&folder.join(PROGRESS), &bytes))
            .transpose()
    }

    fn put_order_record(&self, name: &Name, progress: &OrderRecord) -> Result<(), StoreError> {
        self.put_json(name, PROGRESS, progress)
    }

    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, StoreError> {
        let folder = files::make(&self.path.join(LOCKS))?;
        let file_name = format!("{}.lock", files::safe(name));
        let lock = files::try_lock(&folder, &file_name)?;
        Ok(lock.map(|lock| Box::new(Held(lock)) as Box<dyn Lock>))
    }

    fn place(&self, name: &Name) -> String {
        self.of(name).display().to_string()
    }
}

/// A lock of this store that is held.
#[derive(Debug)]
struct Held(#[expect(dead_code, reason = "held, never used")] FileLock);

impl Lock for Held {}

/// Reads what was put there as JSON.
fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged {
        place: path.display().to_string(),
        what: error.to_string(),
    })
}
