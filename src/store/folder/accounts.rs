//! Accounts at CAs: a key, and what the CA said about it.

use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::super::{StoreError, StoredAccount};
use super::files;
use crate::secret::Secret;

const KEY: &str = "key.pem";
const ACCOUNT: &str = "account.json";

/// What is in `account.json`.
#[derive(Serialize, Deserialize)]
struct Known {
    directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external: Option<String>,
}

/// What the folder of a directory's account is called: host and path, in a form that a person
/// recognises, and a hash where that form could stand for several URLs.
pub(super) fn id(directory: &str) -> String {
    let bare = directory.strip_prefix("https://").unwrap_or(directory);
    let is_host = |host: &str| {
        host.bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
    };
    let is_path = |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric());
    match bare.split_once('/') {
        // The last hyphen is the slash.
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
            let known: Known =
                serde_json::from_slice(&bytes).map_err(|e| damaged(format!("{ACCOUNT}: {e}")))?;
            if known.directory != directory {
                return Err(damaged(format!(
                    "{ACCOUNT}: is of the directory {}",
                    known.directory
                )));
            }
            known
        }
        // The process died before it could write more than the key; the key may be known to the CA
        // all the same.
        None => Known {
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
    let Known {
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

/// The key first: what the CA said about a key is never there without it.
pub(super) fn write(path: &Path, account: &StoredAccount) -> Result<(), StoreError> {
    let StoredAccount {
        directory,
        key,
        url,
        contact,
        external,
    } = account.clone();
    let alone = files::alone(path)?;
    if files::read(&alone.dir, KEY)?.as_deref() != Some(key.reveal().as_bytes()) {
        // What was said about another key.
        files::remove(&alone.dir, ACCOUNT)?;
        files::replace(&alone.dir, KEY, key.reveal().as_bytes())?;
    }
    let known = files::json(
        &path.join(ACCOUNT),
        &Known {
            directory,
            url,
            contact,
            external,
        },
    )?;
    files::replace(&alone.dir, ACCOUNT, &known)
}
