//! Accounts at CAs: a key file, and a JSON file with what the CA returned.

use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::super::{StoreError, StoredAccount};
use super::files;
use crate::secret::Secret;

const KEY: &str = "key.pem";
const ACCOUNT: &str = "account.json";

/// The content of `account.json`.
#[derive(Serialize, Deserialize)]
struct AccountFile {
    directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external: Option<String>,
}

/// The folder name of the account at a directory URL: host and path in readable form, and a hash if
/// several URLs could have the same form.
pub(super) fn id(directory: &str) -> String {
    let bare = directory.strip_prefix("https://").unwrap_or(directory);
    let is_host = |host: &str| {
        host.bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
    };
    let is_path = |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric());
    match bare.split_once('/') {
        // The last hyphen stands for the slash.
        Some((host, path))
            if bare.len() < directory.len()
                && is_host(host)
                && is_path(path)
                && !path.is_empty() =>
        {
            files::safe(&format!("{host}-{path}"))
        }
        _ => files::with_hash(bare, directory),
    }
}

pub(super) fn read(path: &Path, directory: &str) -> Result<Option<StoredAccount>, StoreError> {
    let damaged = |what: String| StoreError::Damaged {
        place: path.display().to_string(),
        what,
    };
    let Some(folder) = files::open(path)? else {
        return Ok(None);
    };
    let known = match files::read(&folder, ACCOUNT)? {
        Some(bytes) => {
            let known: AccountFile =
                serde_json::from_slice(&bytes).map_err(|e| damaged(format!("{ACCOUNT}: {e}")))?;
            if known.directory != directory {
                return Err(damaged(format!(
                    "{ACCOUNT}: belongs to the directory {}",
                    known.directory
                )));
            }
            known
        }
        // The process ended after writing the key only. The CA may know the key nevertheless.
        None => AccountFile {
            directory: directory.to_owned(),
            url: None,
            contact: Vec::new(),
            external: None,
        },
    };
    let Some(key) = files::read(&folder, KEY)? else {
        return if known.url.is_none() {
            Ok(None)
        } else {
            Err(damaged(format!("{KEY}: is missing")))
        };
    };
    PrivateKeyDer::from_pem_slice(&key).map_err(|error| damaged(format!("{KEY}: {error}")))?;
    let key = String::from_utf8(key).map_err(|_| damaged(format!("{KEY}: is not text")))?;
    let AccountFile {
        directory,
        url,
        contact,
        external,
    } = known;
    Ok(Some(StoredAccount {
        directory,
        key: Secret::new(key),
        url,
        contact,
        external,
    }))
}

/// Writes the key first, so that `account.json` never exists without the key that it belongs to.
pub(super) fn write(store: &Path, path: &Path, account: &StoredAccount) -> Result<(), StoreError> {
    let StoredAccount {
        directory,
        key,
        url,
        contact,
        external,
    } = account.clone();
    let locked = files::lock(store, path)?;
    if files::read(&locked.dir, KEY)?.as_deref() != Some(key.reveal().as_bytes()) {
        // It belongs to the previous key.
        files::remove(&locked.dir, ACCOUNT)?;
        files::replace(&locked.dir, KEY, key.reveal().as_bytes())?;
    }
    let known = files::json(
        &path.join(ACCOUNT),
        &AccountFile {
            directory,
            url,
            contact,
            external,
        },
    )?;
    files::replace(&locked.dir, ACCOUNT, &known)
}
